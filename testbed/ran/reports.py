"""Subscriptions of an emulated base station: what each kind makes of a request, and its reports.

`judge` says whether a request is admitted, refused, or ends the base station; a `Report` then
makes header and message at its times. Figures are as old as the kind's `stale_seconds`. It sends
nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from testbed.ran.cell_model import NOTHING, Ran, Snapshot, UeFacts
from testbed.ran.e2_profiles import Behaviour, UnitBehaviour
from testbed.ran.kpm_values import Window, ue_window, value_of
from xapp.e2.aper import Chosen
from xapp.e2.common import NrCgi, plmn_octets
from xapp.e2.e2ap_causes import Cause, RicRequestCause
from xapp.e2.e2ap_messages import SubscriptionRequest
from xapp.e2.e2ap_types import ActionType
from xapp.e2.kpm import (
    ActionDefinition,
    CellAction,
    CommonConditionAction,
    IndicationHeader,
    Report,
    UeReport,
    UeReports,
    ntp_octets,
)
from xapp.e2.kpm_requests import unbearable
from xapp.e2.measurements import Aspect, Condition, Measurement, Relation, Values
from xapp.e2.profiles import Conditions, Profile
from xapp.e2.ue_id import GnbDuUe, GnbUe, Guami, UeId
from xapp.errors import ProtocolError
from xapp.observations import Snssai

LEAST_PERIOD = 10  # milliseconds: nothing asks a near-RT loop to be faster
AMF = (2, 1, 0)  # region, set and pointer of the AMF that all UEs are with
STRANGER = UeFacts(4_000_000_000, 4_000_000_000, 4_000_000_000, 0, ())  # of no cell


@dataclass(frozen=True, slots=True)
class Fatal:
    """The request that this kind does not survive."""

    why: str


@dataclass
class Asked:
    """One admitted action."""

    action: int
    period: float  # seconds
    definition: ActionDefinition
    slices: tuple[Snssai, ...] | None = None  # None: all UEs
    due: float = 0.0
    number: int = 0  # of the next indication
    before: Snapshot | None = None  # begin of the next report's window


@dataclass(frozen=True, slots=True)
class Admitted:
    """What is reported for a request, and the numbers that its answer has."""

    asked: tuple[Asked, ...]
    named: tuple[int, ...]


def judge(message: SubscriptionRequest, behaviour: Behaviour, wire: Profile, unit: UnitBehaviour,
          ran: Ran) -> Admitted | Cause | Fatal:
    """What this kind of base station makes of a subscription to KPM."""
    try:
        period = wire.kpm.event.decode(message.details.trigger).period
        actions = [(one, None if one.definition is None else wire.kpm.action.decode(one.definition))
                   for one in message.details.actions]
    except ProtocolError:
        return RicRequestCause.EVENT_TRIGGER_NOT_SUPPORTED
    if period < LEAST_PERIOD:
        return RicRequestCause.EVENT_TRIGGER_NOT_SUPPORTED
    found = []
    for action, definition in actions:
        if definition is None or action.type is not ActionType.REPORT:
            return RicRequestCause.ACTION_NOT_SUPPORTED
        if why := unbearable(wire, definition):
            return Fatal(why)
        slices = _slices(definition, wire, ran)
        if definition.style not in unit.styles or not _supported(definition, unit, ran, slices):
            return RicRequestCause.ACTION_NOT_SUPPORTED
        found.append(Asked(action.id, period / 1000, definition,
                           None if isinstance(slices, str) else slices))
    # srsRAN writes every admitted action to the same place: the last one stays.
    kept = found[-1:] if behaviour.last_action_only else found
    return Admitted(tuple(kept), tuple(one.action for one in kept))


def _supported(definition: ActionDefinition, unit: UnitBehaviour, ran: Ran,
               slices: tuple[Snssai, ...] | str | None) -> bool:
    action = definition.action
    if isinstance(action, CommonConditionAction):
        inner = action.action
        if definition.style != 4 or slices == "unknown":
            return False
    elif isinstance(action, CellAction) and definition.style == 1:
        inner = action
        if isinstance(inner.cell, NrCgi):
            if inner.cell.cell not in {one.nci for one in ran.cells}:
                return False
        elif inner.cell is not None:
            return False
    else:
        return False
    return all(one.name in unit.measurements for one in inner.measurements)


def _slices(definition: ActionDefinition, wire: Profile,
            ran: Ran) -> tuple[Snssai, ...] | str | None:
    """Whose UEs a condition means: slices, None for all, "unknown" where it cannot be judged."""
    action = definition.action
    if not isinstance(action, CommonConditionAction) or wire.conditions is Conditions.IGNORED:
        return None
    known = sorted({snssai for _, snssai in ran.shares}, key=str)
    found: list[Snssai] = []
    for place, one in enumerate(action.conditions):
        meant = _meant_by(one.condition, known)
        if meant is None or (place and not one.alternative):
            return "unknown"
        found += meant
    return tuple(found)


def _meant_by(condition: Condition, known: Sequence[Snssai]) -> list[Snssai] | None:
    """The slices that a condition names; a number is an SST, and means all slices of it."""
    if (condition.aspect, condition.relation) != (Aspect.SLICE, Relation.EQUAL):
        return None
    value = condition.value
    if isinstance(value, Chosen):
        return [one for one in known if one.sst == value.value]
    if not isinstance(value, bytes) or len(value) not in (1, 4):
        return None
    return [Snssai(value[0], int.from_bytes(value[1:]) if len(value) == 4 else None)]


def ue_id(facts: UeFacts, behaviour: Behaviour, plmn: str) -> UeId:
    """A UE as the base station's reports name it."""
    if not behaviour.ue_ran_ids:
        return GnbDuUe(facts.f1_id)
    guami = Guami(plmn_octets(plmn), *AMF)
    return GnbUe(facts.amf_id, guami, ran_id=facts.ran_id.to_bytes(8))


def header(wire: Profile, wall_ns: int) -> bytes:
    """Of an indication whose window began then; the layout says how long its time stamp is."""
    stamp = ntp_octets(wall_ns)
    try:
        return wire.kpm.header.encode(IndicationHeader(stamp))
    except ProtocolError:
        return wire.kpm.header.encode(IndicationHeader(stamp[:4]))


def message(asked: Asked, before: Snapshot, after: Snapshot, behaviour: Behaviour, wire: Profile,
            ran: Ran, strangers: bool = False) -> bytes | None:
    """An indication's values; None where no UE is meant, of which nothing is sent."""
    action = asked.definition.action
    granularity = round(asked.period * 1000)
    if isinstance(action, CellAction):
        values = _cell_values(action, before, after, behaviour, ran)
        return wire.kpm.message.encode(Report((values,), action.measurements, granularity))
    assert isinstance(action, CommonConditionAction)
    wanted = action.action.measurements
    prbs = {one.nci: one.prbs for one in ran.cells}
    reports = []
    for facts in [*_meant(asked, ran), *((STRANGER,) if strangers else ())]:
        window = ue_window(before, after, facts.f1_id, _only(asked.slices),
                           prbs.get(facts.cell, 1), ran)
        reports.append(UeReport(ue_id(facts, behaviour, ran.plmn), Report(
            (_values(wanted, window, behaviour),), wanted, granularity)))
    return wire.kpm.message.encode(UeReports(tuple(reports))) if reports else None


def _meant(asked: Asked, ran: Ran) -> list[UeFacts]:
    return [one for one in ran.ues if asked.slices is None
            or not one.slices.isdisjoint(asked.slices)]


def _only(slices: tuple[Snssai, ...] | None) -> Snssai | None:
    return slices[0] if slices is not None and len(slices) == 1 else None  # None: all of a UE


def _values(wanted: Sequence[Measurement], window: Window, behaviour: Behaviour) -> Values:
    return Values(tuple(value_of(str(one.name), window, behaviour)
                        for one in wanted for _ in one.labels))


def _cell_values(action: CellAction, before: Snapshot, after: Snapshot, behaviour: Behaviour,
                 ran: Ran) -> Values:
    """Of one cell, or of all together."""
    cells = [one for one in ran.cells
             if action.cell is None or one.nci == action.cell.cell]
    there = [one.f1_id for one in ran.ues if one.cell in {cell.nci for cell in cells}]
    prbs = sum(one.prbs for one in cells)
    total, used = NOTHING, NOTHING
    for f1_id in there:
        total = total.plus(ue_window(before, after, f1_id, None, prbs).counters)
    for cell in cells:
        used = used.plus(after.cells.get(cell.nci, NOTHING).minus(
            before.cells.get(cell.nci, NOTHING)))
    whole = type(total)(total.down_bits, total.up_bits, total.down_waited, total.up_waited,
                        total.down_dropped, total.up_dropped, used.down_prbs, used.up_prbs)
    window = Window(whole, after.at - before.at, max(1, prbs), len(there))
    return _values(action.measurements, window, behaviour)
