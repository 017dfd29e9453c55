"""Handover and the mapping of QoS flows through E2SM-RC, and their inverses.

    control = handover_control(PROFILES["srsran"], GnbUe(7, guami, (3,)), NrCgi(plmn, cell))
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xapp.e2.bits import refused
from xapp.e2.common import NR_CGI, NrCgi
from xapp.e2.control import Control, needed
from xapp.e2.profiles import Lever, Profile
from xapp.e2.rc import ControlHeader, ControlMessage
from xapp.e2.rc_parameters import Element, Entries, KeyElement, Parameter, Structure, find
from xapp.e2.ue_id import GnbUe, UeId
from xapp.errors import PolicyError

HANDOVER_STYLE, HANDOVER_ACTION = 3, 1
FLOW_STYLE, FLOW_ACTION = 1, 2
# Target primary cell > choice of target cell > NR cell > NR CGI (E2SM-RC 8.4.4.1).
TARGET, CHOICE, NR_CELL, CGI = 1, 2, 3, 4
# DRB, list of flows, flow, its QFI, which way (E2SM-RC 8.4.2.2).
DRB, FLOWS, FLOW, QFI, MAPPING = 1, 2, 3, 4, 5
MOST_DRB, MOST_QFI = 32, 63
CGI_OCTETS = 9  # a cell in PER without additions; srsRAN takes no other


@dataclass(frozen=True, slots=True)
class FlowMapping:
    """A QoS flow, and which of its ways goes through the DRB."""

    qfi: int
    uplink: bool  # else downlink


def handover_control(profile: Profile, ue: GnbUe, target: NrCgi) -> Control:
    """The request to hand a UE over; PolicyError where the UE is named too little."""
    needed(profile, Lever.RC_HANDOVER)
    if not isinstance(ue, GnbUe) or not ue.f1_ids:
        raise PolicyError("A handover needs a UE as GnbUe with an F1AP id.",
                          "Give its gNB-CU-UE-F1AP-ID in the UE map.")
    cell = Parameter(CGI, Element(NR_CGI.encode(target)))
    for number in (NR_CELL, CHOICE, TARGET):
        cell = Parameter(number, Structure((cell,)))
    return _control(profile, ue, HANDOVER_STYLE, HANDOVER_ACTION, (cell,))


def read_handover(profile: Profile, message: bytes) -> NrCgi:
    """The cell that a handover request is for."""
    parameters: tuple[Parameter, ...] | None = _parameters(profile, message)
    for number in (TARGET, CHOICE, NR_CELL):
        found = find(parameters, number)
        if found is None or not isinstance(found.value, Structure):
            raise refused(f"a handover without the structure {number}")
        parameters = found.value.parameters
    found = find(parameters, CGI)
    octets = found.value.value if found and isinstance(found.value, Element) else None
    if not isinstance(octets, bytes) or len(octets) != CGI_OCTETS:
        raise refused(f"a handover without a cell in {CGI_OCTETS} octets")
    return NR_CGI.decode(octets)


def flow_control(
    profile: Profile, ue: UeId, drb: int, flows: Sequence[FlowMapping]
) -> Control:
    """The request to map QoS flows to a DRB."""
    needed(profile, Lever.RC_FLOW_MAPPING)
    if not 1 <= drb <= MOST_DRB or not flows or not all(0 <= one.qfi <= MOST_QFI for one in flows):
        raise PolicyError(f"DRB {drb} and flows {list(flows)} cannot be meant.",
                          "DRBs are 1 to 32, QoS flows 0 to 63, and there is one at least.")
    items = []
    for one in flows:
        # The order is read by place: first the flow, then the way.
        item = Structure((Parameter(QFI, KeyElement(one.qfi)),
                          Parameter(MAPPING, Element(0 if one.uplink else 1))))
        items.append(Structure((Parameter(FLOW, item),)) if profile.quota.wrapped else item)
    return _control(profile, ue, FLOW_STYLE, FLOW_ACTION, (
        Parameter(DRB, KeyElement(drb)), Parameter(FLOWS, Entries(tuple(items)))))


def read_flow_control(profile: Profile, message: bytes) -> tuple[int, tuple[FlowMapping, ...]]:
    """The DRB and the flows that a request maps to it."""
    parameters = _parameters(profile, message)
    flows = find(parameters, FLOWS)
    if flows is None or not isinstance(flows.value, Entries):
        raise refused("a mapping without a list of flows")
    mappings = []
    for item in flows.value.items:
        inner: tuple[Parameter, ...] | None = item.parameters
        if profile.quota.wrapped:
            around = find(inner, FLOW)
            inner = around.value.parameters if around and isinstance(
                around.value, Structure) else None
        way = _number(inner, MAPPING, 1)
        mappings.append(FlowMapping(_number(inner, QFI, MOST_QFI), way == 0))
    return _number(parameters, DRB, MOST_DRB), tuple(mappings)


def _number(parameters: tuple[Parameter, ...] | None, number: int, most: int) -> int:
    found = find(parameters, number)
    value = found.value.value if found and isinstance(
        found.value, Element | KeyElement) else None
    if type(value) is not int or not 0 <= value <= most:
        raise refused(f"a mapping without a number {number} up to {most}")
    return value


def _control(
    profile: Profile, ue: UeId, style: int, action: int, parameters: tuple[Parameter, ...]
) -> Control:
    return Control(profile.rc.header.encode(ControlHeader(ue, style, action)),
                   profile.rc.message.encode(ControlMessage(parameters)))


def _parameters(profile: Profile, message: bytes) -> tuple[Parameter, ...]:
    decoded = profile.rc.message.decode(message)
    if not isinstance(decoded, ControlMessage):
        raise refused("a control message of another format than 1")
    return decoded.parameters
