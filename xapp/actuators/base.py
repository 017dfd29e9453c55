"""What an actuator is: a way to set something on a base station, that states what it can really do.

A policy's decision is a wish. An actuator says whether it can do anything about it (`can`), and
plans the steps and what will be in force after them (`plan`); `put` makes the steps for exact
values, for undoing and putting back. Nothing here sends: a step is bytes and where they go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from xapp.actuators.targets import Settings, SliceTarget, Target, Value
from xapp.decisions import Decision, Scope
from xapp.e2.announced import Announced
from xapp.e2.common import Snssai as WireSnssai
from xapp.e2.profiles import Actuator as Known
from xapp.e2.profiles import Lever, Profile, Trust
from xapp.e2.quota import SliceQuota
from xapp.e2.ue_id import UeId
from xapp.observations import CellKey, Observations, Quota, Snssai, UeKey

# Controls of one plan: each is a round trip, and a cell has one action at a time.
MOST_STEPS = 64


@dataclass(frozen=True, slots=True)
class Function:
    """A RAN function that one unit of a node announced."""

    unit: str  # du, cu_cp, cu_up; gnb where one association is all of it
    oid: str
    id: int
    actions: frozenset[tuple[int, int]] | None = None  # RC's styles and actions; None: not said


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """A node as an actuator sees it."""

    name: str
    profile: Profile
    functions: tuple[Function, ...] = ()
    ues: Mapping[UeKey, UeId] = field(default_factory=dict)  # as its E2 messages name them
    plmn: str = "00101"
    remote: bool = False  # srsRAN's remote control is connected
    in_force: Settings = field(default_factory=dict)  # as far as is known
    touched: Settings = field(default_factory=dict)  # what was changed, and what it was before
    core_names: Mapping[UeKey, UeId] = field(default_factory=dict)  # as their AMF knows them
    remote_due: bool = False  # it has a remote control, which is not connected

    def with_settings(self, in_force: Settings, touched: Settings) -> NodeFacts:
        """The same node, of which that is known; for each decision, so in a third of the time."""
        return NodeFacts(self.name, self.profile, self.functions, self.ues, self.plmn, self.remote,
                         in_force, touched, self.core_names, self.remote_due)

    def function(self, oids: Iterable[str], unit: str,
                 action: tuple[int, int] | None = None) -> Function | None:
        """The function to ask, where the node announced it for that unit."""
        return function_of(self.functions, oids, unit, action)


def function_of(functions: Iterable[Function], oids: Iterable[str], unit: str,
                action: tuple[int, int] | None = None) -> Function | None:
    """The first of that OID and unit whose style and action were announced, or that names none.

    One that names its actions goes before one that does not.
    """
    known = tuple(oids)
    suited = [one for one in functions
              if one.oid in known and (unit == "any" or one.unit in (unit, "gnb"))
              and (action is None or one.actions is None or action in one.actions)]
    return min(suited, key=lambda one: action is not None and one.actions is None, default=None)


def functions_of(unit: str, found: Announced,
                 oids: Mapping[int, str]) -> tuple[Function, ...]:
    """The functions that a unit announced; `oids` by number."""
    rc = tuple(
        Function(unit, oids[number], number, frozenset(  # without controls it takes none
            (style.style, action.id) for style in one.controls or ()
            for action in style.actions or ()))
        for number, one in found.rc)
    return rc + tuple(Function(unit, oids[number], number) for number, _ in found.ccc)


@dataclass(frozen=True, slots=True)
class E2Control:
    """A RIC control request."""

    node: str
    unit: str
    oid: str  # of the RAN function
    function: int
    header: bytes
    message: bytes
    sets: tuple[tuple[Target, Value], ...]
    call_id: bytes | None = None  # RIC call process id
    ack: bool = True  # wanted


@dataclass(frozen=True, slots=True)
class RemoteRequest:
    """A command for srsRAN's WebSocket."""

    node: str
    command: str  # JSON
    sets: tuple[tuple[Target, Value], ...]


Step = E2Control | RemoteRequest


@dataclass(frozen=True, slots=True)
class Steps:
    """What to send, in order, and what will be in force when all of it had effect."""

    steps: tuple[Step, ...]
    shortfalls: tuple[str, ...] = ()  # of the wish: sentences for the operator

    @property
    def sets(self) -> dict[Target, Value]:
        return {target: value for step in self.steps for target, value in step.sets}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an actuator does nothing about a wish: a sentence."""

    reason: str


class Actuator(Protocol):
    """A way to act on a base station."""

    @property
    def name(self) -> str: ...

    @property
    def scope(self) -> Scope: ...

    @property
    def verified(self) -> str:
        """What was verified of it, and on which RAN."""

    def can(self, node: NodeFacts, decision: Decision) -> str | None:
        """Why it can do nothing about this wish; None where it can try."""

    def plan(self, decision: Decision, node: NodeFacts,
             observations: Observations) -> Steps | Refusal:
        """The steps for as much of the wish as it can do."""

    def reaches(self, target: Target) -> bool:
        """Whether it sets such things."""

    def put(self, node: NodeFacts, settings: Settings) -> Steps | Refusal:
        """The steps for exactly these values."""


def scope_of(known: Known) -> Scope:
    return Scope(known.scope.value)


def verified_of(profile: Profile, lever: Lever) -> str:
    """A sentence for the operator, from the profile."""
    known = profile.actuator(lever)
    if known is None:
        return f"{profile.title} is not known to have it."
    return f"{profile.title}: {known.trust.value}. {known.known}"


def unusable(profile: Profile, lever: Lever) -> str | None:
    """Why a kind of base station must not be acted on in this way."""
    known = profile.actuator(lever)
    if known is None:
        return f"{profile.title} has no {lever.value}."
    if known.usable:
        return None
    word = "may be" if known.trust is Trust.WITHHELD else "is"
    return f"{profile.title} {word} harmed by {lever.value}: {known.known}"


def wire(one: Snssai) -> WireSnssai:
    return WireSnssai(one.sst, one.sd)


def slice_quotas(settings: Sequence[tuple[Snssai, Quota]], plmn: str) -> list[SliceQuota]:
    """As the builders of controls take them."""
    return [SliceQuota(wire(snssai), quota.minimum, quota.maximum, quota.dedicated, plmn)
            for snssai, quota in settings]


def wished(cell: CellKey, quotas: Mapping[Snssai, Quota], node: NodeFacts) -> dict[Target, Value]:
    """The slices' quotas afterwards: those wished for, and back to what it was for all others."""
    back: dict[Target, Value] = {
        target: value for target, value in node.touched.items()
        if isinstance(target, SliceTarget) and target.cell == cell}
    return back | {SliceTarget(cell, snssai): quota for snssai, quota in quotas.items()}


def lowered_first(settings: Settings, in_force: Settings) -> list[tuple[Target, Value]]:
    """In such an order that guarantees never add up to more in between than before or after."""
    def growth(item: tuple[Target, Value]) -> tuple[int, str]:
        target, value = item
        now = in_force.get(target)
        grown = (value.minimum if isinstance(value, Quota) else 0) - (
            now.minimum if isinstance(now, Quota) else 0)
        return grown, str(target)

    return sorted(settings.items(), key=growth)
