"""E2AP's messages as bytes: vectors, random ones there and back, damage, and what is not known.

The vectors are what another implementation of aligned PER (pycrate) makes of the same values; where
it is installed, random messages are compared with it too.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.xapp.e2.e2ap_examples import DU, EXAMPLES, F1, REQUEST
from tests.xapp.e2.e2ap_values import BY_CLASS, messages
from tests.xapp.e2.e2ap_vectors import VECTORS
from tests.xapp.e2.hostile import assault
from xapp.e2.e2ap import decode, encode, parse, read, read_indication
from xapp.e2.e2ap_causes import ProtocolCause, RicRequestCause
from xapp.e2.e2ap_container import Pdu, RawIe, build
from xapp.e2.e2ap_messages import (
    ControlFailure,
    E2SetupFailure,
    E2SetupRequest,
    Indication,
    Message,
    ResetResponse,
    ServiceQuery,
    SubscriptionDeleteRequest,
)
from xapp.e2.e2ap_tables import BY_CODE, MESSAGE_TYPES
from xapp.e2.e2ap_types import Criticality, Kind, Procedure, TypeOfError
from xapp.errors import ProtocolError


def ids(message: Message) -> str:
    return type(message).__name__


def with_ies(message: Message, *more: RawIe, without: tuple[int, ...] = ()) -> bytes:
    """The message's bytes with other elements too, and without some."""
    pdu = parse(encode(message))
    kept = tuple(ie for ie in pdu.ies if ie.id not in without)
    return build(Pdu(pdu.kind, pdu.procedure, pdu.criticality, (*kept, *more)))


@pytest.mark.parametrize(("message", "vector"), list(zip(EXAMPLES, VECTORS, strict=True)))
def test_bytes_are_those_of_another_implementation(message: Message, vector: str) -> None:
    assert encode(message).hex() == vector
    assert decode(bytes.fromhex(vector)) == message


def test_there_is_an_example_and_a_strategy_of_every_message() -> None:
    kinds = {kind.cls for kind in MESSAGE_TYPES}
    assert {type(message) for message in EXAMPLES} == kinds == set(BY_CLASS)
    assert len(BY_CODE) == len(MESSAGE_TYPES) == 27


@settings(max_examples=400, deadline=None)
@given(messages)
def test_decode_inverts_encode(message: Message) -> None:
    data = encode(message)
    assert decode(data) == message
    if isinstance(message, Indication):
        # A message in pieces is for the long way.
        assert read_indication(data) in ((message, None) if len(data) > 16383 else (message,))
    else:
        assert read_indication(data) is None


@settings(max_examples=200, deadline=None)
@given(messages)
def test_random_messages_are_those_of_another_implementation(message: Message) -> None:
    e2ap = pytest.importorskip("pycrate_asn1dir.E2AP", reason="pycrate is not installed",
                               exc_type=ImportError)
    pdu = e2ap.E2AP_PDU_Descriptions.E2AP_PDU
    data = encode(message)
    pdu.from_aper(data)
    assert pdu.to_aper() == data


def hostile(data: bytes) -> None:
    """A message or one ProtocolError, as soon as is promised; and the short way agrees with it."""
    assault(decode, iter([data]))
    assault(read_indication, iter([data]))
    try:
        message: Message | None = decode(data)
    except ProtocolError:
        message = None
    short = read_indication(data)
    if short is not None:
        assert short == message


@pytest.mark.parametrize("message", EXAMPLES, ids=ids)
def test_cut_messages_are_protocol_errors(message: Message) -> None:
    data = encode(message)
    for end in range(len(data)):
        with pytest.raises(ProtocolError):
            decode(data[:end])
        assert read_indication(data[:end]) is None
    with pytest.raises(ProtocolError):
        decode(data + b"\0")


@pytest.mark.parametrize("message", EXAMPLES, ids=ids)
def test_damaged_messages_are_messages_or_protocol_errors(message: Message) -> None:
    data = bytearray(encode(message))
    for bit in range(min(len(data), 200) * 8):
        data[bit >> 3] ^= 0x80 >> (bit & 7)
        hostile(bytes(data))
        data[bit >> 3] ^= 0x80 >> (bit & 7)


@settings(max_examples=300, deadline=None)
@given(messages.map(encode), st.data())
def test_messages_damaged_in_many_places_are_no_other_error(data: bytes, draw: st.DataObject,
                                                            ) -> None:
    damaged = bytearray(data)
    for _ in range(draw.draw(st.integers(1, 8))):
        damaged[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    hostile(bytes(damaged))


@given(st.binary(max_size=400))
def test_any_bytes_are_no_other_error(data: bytes) -> None:
    hostile(data)
    hostile(b"\0\x01\0" + data)


def test_lists_that_promise_more_than_they_hold_end_at_once() -> None:
    """The largest message, full of lists of empty elements, each as long as a list may be."""
    item = b"\0\x33\x40\x01\0"
    element = RawIe(50, Criticality.REJECT, (1023).to_bytes(2) + item * 1024)
    more = [RawIe(number, Criticality.IGNORE, element.data) for number in (33, 54, 58)]
    hostile(build(Pdu(Kind.INITIATING, Procedure.CONFIGURATION_UPDATE, Criticality.REJECT,
                      (RawIe(49, Criticality.REJECT, b"\0\0"), element, *more * 12))))


def test_unknown_elements_are_treated_by_their_criticality() -> None:
    message = SubscriptionDeleteRequest(REQUEST, 2)
    ignored = read(with_ies(message, RawIe(900, Criticality.IGNORE, b"x")))
    assert (ignored.message, ignored.cause) == (message, None)
    told = read(with_ies(message, RawIe(900, Criticality.NOTIFY, b"x")))
    assert told.message == message
    assert told.cause is ProtocolCause.ABSTRACT_SYNTAX_ERROR_IGNORE_AND_NOTIFY
    refused = read(with_ies(message, RawIe(900, Criticality.REJECT, b"x")))
    assert refused.message is None
    assert refused.cause is ProtocolCause.ABSTRACT_SYNTAX_ERROR_REJECT
    assert refused.diagnostics.problems is not None
    assert [(one.id, one.type) for one in refused.diagnostics.problems] == [
        (900, TypeOfError.NOT_UNDERSTOOD)]
    assert refused.diagnostics.request == REQUEST
    with pytest.raises(ProtocolError, match=r"Request has an unknown element 900"):
        decode(with_ies(message, RawIe(900, Criticality.REJECT, b"x")))


def test_missing_elements_are_treated_by_their_criticality() -> None:
    refused = read(with_ies(SubscriptionDeleteRequest(REQUEST, 2), without=(5,)))
    assert refused.message is None
    assert refused.diagnostics.problems is not None
    assert refused.diagnostics.problems[0].type is TypeOfError.MISSING
    # A failure without its cause is a failure all the same.
    failure = ControlFailure(REQUEST, 3, RicRequestCause.UNSPECIFIED)
    assert decode(with_ies(failure, without=(1,))) == ControlFailure(REQUEST, 3, None)


def test_an_element_twice_is_a_falsely_constructed_message() -> None:
    found = read(with_ies(ResetResponse(6), RawIe(49, Criticality.REJECT, b"\0\6")))
    assert (found.message, found.cause) == (None, ProtocolCause.FALSELY_CONSTRUCTED_MESSAGE)


def test_unknown_procedures_are_told_by_their_criticality() -> None:
    for criticality, cause in (
            (Criticality.REJECT, ProtocolCause.ABSTRACT_SYNTAX_ERROR_REJECT),
            (Criticality.NOTIFY, ProtocolCause.ABSTRACT_SYNTAX_ERROR_IGNORE_AND_NOTIFY),
            (Criticality.IGNORE, None)):
        found = read(build(Pdu(Kind.INITIATING, 99, criticality, ())))
        assert (found.message, found.type, found.cause) == (None, None, cause)
        assert found.diagnostics.procedure == 99
        with pytest.raises(ProtocolError, match="procedure 99"):
            decode(build(Pdu(Kind.INITIATING, 99, criticality, ())))


@pytest.mark.parametrize("message", [
    ServiceQuery(1000), ControlFailure(REQUEST, 3, None), E2SetupFailure(1, None),
    SubscriptionDeleteRequest(REQUEST, 4096),
    E2SetupRequest(1, DU, (), (F1,))])
def test_values_that_no_message_can_hold(message: Message) -> None:
    if message == ServiceQuery(1000):  # the type is extensible
        assert decode(encode(message)) == message
    else:
        with pytest.raises(ProtocolError, match=type(message).__name__):
            encode(message)
