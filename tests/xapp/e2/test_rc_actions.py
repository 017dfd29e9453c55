"""Handover and the mapping of flows, there and back."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.xapp.e2 import e2sm_values as values
from tests.xapp.e2.examples import BUNDLES, CELL, GUAMI
from tests.xapp.e2.hostile import assault, flips, truncations
from xapp.e2.common import NrCgi
from xapp.e2.profiles import OAI, OCUDU, SPEC, SRSRAN, Profile
from xapp.e2.rc import ControlHeader, ControlMessage
from xapp.e2.rc_actions import (
    FlowMapping,
    flow_control,
    handover_control,
    read_flow_control,
    read_handover,
)
from xapp.e2.rc_parameters import Element, Entries, KeyElement, Parameter, Structure
from xapp.e2.ue_id import GnbDuUe, GnbUe
from xapp.errors import PolicyError, ProtocolError

UE = GnbUe(7, GUAMI, (3,))


def test_a_handover_as_a_cu_cp_takes_it() -> None:
    control = handover_control(SRSRAN, UE, CELL)
    header, message = SRSRAN.rc.header.decode(control.header), SRSRAN.rc.message.decode(
        control.message)
    assert header == ControlHeader(UE, 3, 1)
    cell = Parameter(4, Element(bytes.fromhex("0000f11000066c0000")))
    assert message == ControlMessage((Parameter(1, Structure((Parameter(2, Structure((
        Parameter(3, Structure((cell,))),))),))),))


@given(values.NR_CGI, st.sampled_from([SPEC, SRSRAN, OCUDU]))
def test_any_handover(cell: NrCgi, profile: Profile) -> None:
    assert read_handover(profile, handover_control(profile, UE, cell).message) == cell


def test_a_ue_that_is_named_too_little() -> None:
    for ue in (GnbUe(7, GUAMI), GnbDuUe(7)):
        with pytest.raises(PolicyError, match="F1AP id"):
            handover_control(SRSRAN, ue, CELL)  # type: ignore[arg-type]  # one is of another kind
    with pytest.raises(PolicyError, match="no rc_handover"):
        handover_control(OAI, UE, CELL)


def test_flows_as_oai_takes_them() -> None:
    control = flow_control(OAI, UE, 5, [FlowMapping(9, False), FlowMapping(1, True)])
    assert OAI.rc.header.decode(control.header) == ControlHeader(UE, 1, 2)
    assert OAI.rc.message.decode(control.message) == ControlMessage((
        Parameter(1, KeyElement(5)), Parameter(2, Entries((
            Structure((Parameter(4, KeyElement(9)), Parameter(5, Element(1)))),
            Structure((Parameter(4, KeyElement(1)), Parameter(5, Element(0)))))))))


@given(st.integers(1, 32), st.lists(st.builds(FlowMapping, st.integers(0, 63), st.booleans()),
                                    min_size=1, max_size=5),
       st.sampled_from([SPEC, OAI]))
def test_any_flows(drb: int, flows: list[FlowMapping], profile: Profile) -> None:
    control = flow_control(profile, UE, drb, flows)
    assert read_flow_control(profile, control.message) == (drb, tuple(flows))


def test_flows_that_cannot_be_meant() -> None:
    for drb, flows in ((0, [FlowMapping(1, True)]), (33, [FlowMapping(1, True)]), (1, []),
                       (1, [FlowMapping(64, True)])):
        with pytest.raises(PolicyError, match="cannot be meant"):
            flow_control(SPEC, UE, drb, flows)
    with pytest.raises(PolicyError, match="no rc_flow_mapping"):
        flow_control(SRSRAN, UE, 1, [FlowMapping(1, True)])


def test_messages_for_something_else_are_refused() -> None:
    handover = handover_control(SPEC, UE, CELL).message
    flows = flow_control(SPEC, UE, 5, [FlowMapping(9, False)]).message
    empty = SPEC.rc.message.encode(ControlMessage(()))
    for message in (flows, empty, BUNDLES[1].data):
        with pytest.raises(ProtocolError):
            read_handover(SPEC, message)
    for message in (handover, empty, BUNDLES[1].data):
        with pytest.raises(ProtocolError):
            read_flow_control(SPEC, message)


def test_damaged_requests_are_refused_or_others() -> None:
    for data, read in ((handover_control(SPEC, UE, CELL).message, read_handover),
                       (flow_control(SPEC, UE, 5, [FlowMapping(9, False)]).message,
                        read_flow_control)):
        assault(lambda damaged, read=read: read(SPEC, damaged),  # type: ignore[misc]  # a default binds it
                itertools.chain(truncations(data), flips(data)))
