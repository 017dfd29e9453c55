"""The outside of PDUs: elements in any order, later versions' additions, lists with bad parts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.xapp.e2.e2ap_examples import DU, EXAMPLES, F1, KPM, REQUEST
from xapp.e2.e2ap import decode, encode, read, read_indication
from xapp.e2.e2ap_container import MOST_IES, Pdu, RawIe, build, parse
from xapp.e2.e2ap_messages import E2SetupRequest, Indication, ResetResponse
from xapp.e2.e2ap_types import Criticality, IndicationType, Kind
from xapp.errors import ProtocolError

elements = st.builds(RawIe, st.integers(0, 65535), st.sampled_from(list(Criticality)),
                     st.binary(min_size=1, max_size=70_000))


@given(st.builds(Pdu, st.sampled_from(list(Kind)), st.integers(0, 255),
                 st.sampled_from(list(Criticality)),
                 st.lists(elements, max_size=3).map(tuple)))
def test_parse_inverts_build(pdu: Pdu) -> None:
    assert parse(build(pdu)) == pdu


def test_too_many_elements_are_refused() -> None:
    many = tuple(RawIe(number, Criticality.IGNORE, b"") for number in range(1000, 1001 + MOST_IES))
    with pytest.raises(ProtocolError, match="65 information elements"):
        parse(build(Pdu(Kind.INITIATING, 1, Criticality.REJECT, many)))


def test_what_a_later_version_puts_behind_the_elements_is_passed_over() -> None:
    """The extension bit, one addition, and an octet of it."""
    data = bytearray(encode(ResetResponse(6)))
    assert data[3] == len(data) - 4
    data[3] += 4
    data[4] |= 0x80
    assert decode(bytes(data) + b"\x01\x80\x01\xff") == ResetResponse(6)


def test_one_bad_function_of_many_does_not_cost_the_others() -> None:
    setup = E2SetupRequest(1, DU, (KPM,), (F1,))
    pdu = parse(encode(setup))
    functions = next(ie for ie in pdu.ies if ie.id == 10)
    bad = b"\0\x08\x40\x02\0\0"  # ends within its number
    both = RawIe(10, Criticality.REJECT, b"\x01" + functions.data[1:] + bad)
    kept = tuple(both if ie.id == 10 else ie for ie in pdu.ies)
    found = read(build(Pdu(pdu.kind, pdu.procedure, pdu.criticality, kept)))
    assert found.message == setup
    assert [(one.criticality, one.id) for one in found.problems] == [(Criticality.IGNORE, 8)]


def test_elements_are_taken_in_any_order() -> None:
    message = EXAMPLES[0]
    pdu = parse(encode(message))
    turned = build(Pdu(pdu.kind, pdu.procedure, pdu.criticality, pdu.ies[::-1]))
    assert turned != encode(message)
    assert decode(turned) == message
    plain = Indication(REQUEST, 2, 0, None, IndicationType.REPORT, b"h", b"m")
    pdu = parse(encode(plain))
    turned = build(Pdu(pdu.kind, pdu.procedure, pdu.criticality, pdu.ies[::-1]))
    assert decode(turned) == plain == read_indication(turned)
