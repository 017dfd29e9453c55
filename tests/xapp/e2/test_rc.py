"""RC's control requests and outcomes, in both layouts."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings

from tests.xapp.e2 import e2sm_values as values
from tests.xapp.e2.examples import EXAMPLES, GUAMI, TWO_SLICES, Example
from tests.xapp.e2.hostile import assault, flips, truncations
from xapp.e2.rc import (
    RC,
    RC_FLEXRIC,
    BundleHeader,
    ControlHeader,
    ControlMessage,
    ControlOutcome,
)
from xapp.e2.rc_parameters import Element, Outcome, Parameter
from xapp.e2.ue_id import GnbCuUpUe, GnbDuUe, GnbUe
from xapp.errors import ProtocolError

RC_EXAMPLES = [one for one in EXAMPLES if one.model == "rc"]


@pytest.mark.parametrize("header", [ControlHeader(GnbDuUe(5), 2, 6),
                                    ControlHeader(GnbUe(7, GUAMI, (3,)), 3, 1, False)])
def test_headers_of_either_layout(header: ControlHeader) -> None:
    for layout in (RC, RC_FLEXRIC):
        assert layout.header.decode(layout.header.encode(header)) == header


def test_a_header_octet_by_octet() -> None:
    header = ControlHeader(GnbDuUe(5), 2, 6)
    # markers of the sequence and of the choice, which in FlexRIC's has a bit; the format's marker
    # and option; the UE's choice, marker, option and size, and number; style; action
    assert RC.header.encode(header).hex() == "0100" "05" "0102" "000005"
    assert RC_FLEXRIC.header.encode(header).hex() == "0080" "05" "0102" "000005"


def test_a_message_octet_by_octet() -> None:
    message = ControlMessage((Parameter(11, Element(40)),))
    encoded = ("00" "0001"  # markers; one parameter
               "00" "0a"  # markers, size of the number; 11 - 1
               "28" "80" "0128")  # an element with a value, which is an integer of one octet
    assert RC.message.encode(message).hex() == encoded
    assert RC.message.decode(bytes.fromhex(encoded)) == message


def test_an_outcome_octet_by_octet() -> None:
    outcome = ControlOutcome((Outcome(1, 100),))
    assert RC.outcome.encode(outcome).hex() == "00" "01" "0000" "10" "0164"
    assert RC.outcome.decode(RC.outcome.encode(outcome)) == outcome


def test_a_layout_that_is_mistaken_names_another_ue() -> None:
    # No error tells of it, which is why a node's profile must say which layout it speaks.
    mistaken = RC_FLEXRIC.header.decode(RC.header.encode(ControlHeader(GnbDuUe(5), 2, 6)))
    assert isinstance(mistaken, ControlHeader)
    assert mistaken.ue == GnbCuUpUe(5)
    bundle = BundleHeader(GnbDuUe(5), True)
    assert RC.header.encode(bundle) != RC_FLEXRIC.header.encode(bundle)


@pytest.mark.parametrize("one", RC_EXAMPLES, ids=lambda one: one.name)
def test_examples_come_out_as_they_went_in(one: Example) -> None:
    assert one.codec.decode(one.data) == one.value


@pytest.mark.parametrize("one", RC_EXAMPLES, ids=lambda one: one.name)
def test_damaged_payloads_are_refused_or_others(one: Example) -> None:
    assault(one.codec.decode, itertools.chain(truncations(one.data), flips(one.data)))


@settings(max_examples=60)
@given(values.RC_HEADER, values.RC_MESSAGE, values.RC_OUTCOME)
def test_any_control(header: Any, message: Any, outcome: Any) -> None:
    for layout in (RC, RC_FLEXRIC):
        assert layout.header.decode(layout.header.encode(header)) == header
        assert layout.message.decode(layout.message.encode(message)) == message
        assert layout.outcome.decode(layout.outcome.encode(outcome)) == outcome


def test_lengths_from_128_octets_on_have_two() -> None:
    assert len(TWO_SLICES.message) >= 128
    decoded = RC.message.decode(TWO_SLICES.message)
    long = ControlMessage((Parameter(1, Element(TWO_SLICES.message)),))
    assert bytes.fromhex("8096") in RC.message.encode(long)
    assert RC.message.decode(RC.message.encode(long)) == long
    assert isinstance(decoded, ControlMessage)


def test_groups_of_ues_are_refused() -> None:
    with pytest.raises(ProtocolError, match="added alternative 1"):
        RC.header.decode(bytes.fromhex("4080" "0100"))
