"""What we ask a base station to measure, within what its kind bears, and the inverses.

    for asked in slice_subscriptions(PROFILES["oai"], ["DRB.UEThpDl"], 1000, [Snssai(1)]): ...

OAI ends itself on any condition but one S-NSSAI that is EQUAL; so each slice gets a subscription
of its own there, and nothing else is ever sent to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xapp.e2.aper import Chosen
from xapp.e2.common import NrCgi, Snssai
from xapp.e2.kpm import (
    ActionDefinition,
    CellAction,
    CommonConditionAction,
    EventTrigger,
    ReportStyle,
)
from xapp.e2.measurements import Aspect, CommonCondition, Condition, Measurement, Relation
from xapp.e2.profiles import Conditions, Profile
from xapp.e2.quota import check_slice
from xapp.errors import PolicyError

LONGEST_PERIOD = 2**32 - 1  # milliseconds


@dataclass(frozen=True, slots=True)
class Subscription:
    """What goes into a RIC subscription request, and what an operator should know of it."""

    trigger: bytes
    actions: tuple[bytes, ...]
    measurements: tuple[Measurement, ...]  # as asked: reports may leave their names out
    note: str = ""


def slice_condition(profile: Profile, one: Snssai) -> Condition:
    """The UEs of a slice: its SST as one octet, with its SD as four, or as a number alone."""
    check_slice(one)
    if profile.slice_as_number:
        return Condition(Aspect.SLICE, Relation.EQUAL, Chosen("valueInt", one.sst))
    sd = b"" if one.sd is None else one.sd.to_bytes(3)
    return Condition(Aspect.SLICE, Relation.EQUAL, bytes((one.sst,)) + sd)


def cell_subscription(
    profile: Profile, metrics: Sequence[str], period: int, cell: NrCgi | None = None
) -> Subscription:
    """Values of a cell, or of the whole node, every `period` milliseconds."""
    action = _cell_action(metrics, period, cell)
    return _subscription(profile, period, ActionDefinition(profile.cell_style, action), action)


def kpm_subscription(
    profile: Profile, metrics: Sequence[str], period: int, conditions: Sequence[Condition]
) -> Subscription:
    """Values of each UE that meets one of the conditions, every `period` milliseconds."""
    action = _cell_action(metrics, period, None)
    asked = CommonConditionAction(tuple(
        CommonCondition(one, True if place else None) for place, one in enumerate(conditions)),
        action)
    definition = ActionDefinition(profile.ue_style, asked)
    if why := unbearable(profile, definition):
        raise PolicyError(f"{profile.title} would not bear it: {why}.",
                          "Ask for the UEs of one slice in each subscription.")
    return _subscription(profile, period, definition, action)


def slice_subscriptions(
    profile: Profile, metrics: Sequence[str], period: int, slices: Sequence[Snssai]
) -> tuple[Subscription, ...]:
    """As many subscriptions as this kind needs for the values of all UEs of these slices."""
    if not slices:
        raise PolicyError("No slice is given whose UEs shall be measured.", "Name one at least.")
    conditions = [slice_condition(profile, one) for one in slices]
    if profile.conditions is Conditions.SLICE_EQUAL:
        return tuple(kpm_subscription(profile, metrics, period, [one]) for one in conditions)
    if profile.conditions is Conditions.IGNORED:  # it reports all UEs for whichever condition
        conditions = conditions[:1]
    return (kpm_subscription(profile, metrics, period, conditions),)


def unbearable(profile: Profile, definition: ActionDefinition) -> str:
    """Why this action would end a base station of this kind; empty where it would not."""
    action = definition.action
    if not isinstance(action, CommonConditionAction):
        return ""
    if not action.conditions:
        return "there is no condition"
    if profile.conditions is not Conditions.SLICE_EQUAL:
        return ""
    if len(action.conditions) != 1:
        return "it takes one condition"
    only = action.conditions[0].condition
    kind = Chosen if profile.slice_as_number else bytes
    if ((only.aspect, only.relation) != (Aspect.SLICE, Relation.EQUAL)
            or type(only.value) is not kind):
        return "the condition is no S-NSSAI that is EQUAL"
    return ""


def announced_metrics(style: ReportStyle | None, wanted: Sequence[str]) -> tuple[str, ...]:
    """Those of the wanted measurements that a base station announced."""
    known = {one.name for one in style.measurements} if style else set()
    return tuple(one for one in wanted if one in known)


def _cell_action(metrics: Sequence[str], period: int, cell: NrCgi | None) -> CellAction:
    if not metrics or not 1 <= period <= LONGEST_PERIOD:
        raise PolicyError(f"{len(metrics)} measurements every {period} ms cannot be meant.",
                          "Name a measurement, and a period from 1 ms on.")
    return CellAction(tuple(Measurement(one) for one in metrics), period, cell)


def _subscription(
    profile: Profile, period: int, definition: ActionDefinition, action: CellAction
) -> Subscription:
    note = ""
    if period < profile.fresh_every:
        note = (f"{profile.title} renews its values every {profile.fresh_every} ms unless it is "
                f"configured otherwise: reports every {period} ms repeat old ones.")
    return Subscription(profile.kpm.event.encode(EventTrigger(period)),
                        (profile.kpm.action.encode(definition),), action.measurements, note)
