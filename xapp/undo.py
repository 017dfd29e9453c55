"""What was found, what is in force, what it goes back to: the book that steering keeps of targets.

Every change of an entry is a record, so that the store knows what the book knows. `certain` means
that reports have shown the goal to be in force; an entry that is not gets put back. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from xapp.actuators.base import Actuator, NodeFacts, Refusal, Steps
from xapp.actuators.targets import (
    FlowTarget,
    PlaceTarget,
    RuleTarget,
    Settings,
    SliceTarget,
    Target,
    UeTarget,
    Value,
    node_of,
)
from xapp.observations import CellKey, Observations, Quota, Snssai
from xapp.store_records import Held, Kind, Record


class Book:
    """The targets that were ever touched, and what is in force on them."""

    def __init__(self, remember: Callable[[Record], None]) -> None:
        self._held: dict[Target, Held] = {}
        self._remember = remember

    def __iter__(self) -> Iterator[Held]:
        return iter(list(self._held.values()))

    def get(self, target: Target) -> Held | None:
        return self._held.get(target)

    def put(self, held: Held, who: str = "xapp", why: str = "") -> None:
        """Keep an entry, and have it remembered."""
        before = self._held.get(held.target)
        self._held[held.target] = held
        if held != before:
            self._remember(held.record(who, why))

    def load(self, entries: Iterable[Held]) -> None:
        """What the last run left; it is in the store already."""
        self._held = {held.target: held for held in entries}

    def forget(self, target: Target, why: str) -> None:
        if self._held.pop(target, None) is not None:
            self._remember(Record(Kind.FORGOTTEN, str(target), why=why))

    def of_cell(self, cell: CellKey) -> list[Held]:
        return [held for held in self if held.target.cell == cell]

    def of_node(self, node: str) -> list[Held]:
        return [held for held in self if node_of(held.target) == node]

    def in_force(self, node: str) -> dict[Target, Value]:
        """As far as is known."""
        return {held.target: held.confirmed for held in self.of_node(node)}

    def touched(self, node: str) -> dict[Target, Value]:
        """What is not as it was found, and how it was."""
        return {held.target: held.found for held in self.of_node(node) if not held.resting}

    def quotas(self, cell: CellKey) -> Mapping[Snssai, tuple[Quota, float]]:
        """The slices' quotas in force, and since when."""
        return {held.target.snssai: (held.confirmed, held.since) for held in self.of_cell(cell)
                if isinstance(held.target, SliceTarget) and isinstance(held.confirmed, Quota)
                and held.certain}

    def unproven(self, cell: CellKey) -> frozenset[Snssai]:
        """The slices whose quotas in force no report has shown."""
        return frozenset(held.target.snssai for held in self.of_cell(cell)
                         if isinstance(held.target, SliceTarget) and not held.proven
                         and not held.resting)

    def base(self) -> dict[tuple[CellKey, Snssai], Quota]:
        """What touched slices had when they were found."""
        return {(held.target.cell, held.target.snssai): held.found for held in self
                if isinstance(held.target, SliceTarget) and isinstance(held.found, Quota)}

    def unsettled(self) -> frozenset[CellKey]:
        """Cells where something is under way, or was not shown to be as it should be."""
        return frozenset(held.target.cell for held in self if not held.certain)

    def touch(self, settings: Settings, actuator: str, find: Callable[[Target], tuple[Value, bool]],
              now: float) -> dict[Target, Held]:
        """These are about to change: what the book said, with what was found of the new ones."""
        before: dict[Target, Held] = {}
        for target in settings:
            if isinstance(target, PlaceTarget):
                continue  # a UE moves on by itself: where it was is nothing to go back to
            held = self._held.get(target)
            if held is None:
                value, assumed = find(target)
                held = Held(target, value, value, value, actuator, certain=True, resting=True,
                            assumed=assumed, since=now)
            before[target] = held
            self.put(replace(held, target=target, certain=False), actuator)
        return before

    def confirm(self, settings: Settings, actuator: str, now: float, why: str = "",
                proven: bool = True) -> None:
        """Reports show these."""
        for target, value in settings.items():
            held = self._held.get(target)
            if held is not None:
                self.put(replace(held, confirmed=value, goal=value, actuator=actuator, certain=True,
                                 resting=value == held.found, since=now, proven=proven),
                         actuator, why)

    def keep(self, settings: Settings, actuator: str, now: float, why: str = "") -> None:
        """The node took these, and nothing can show it."""
        self.confirm(settings, actuator, now, why, proven=False)

    def prove(self, cell: CellKey, who: str, why: str) -> None:
        """Reports have come to show what nothing could show at first."""
        for held in self.of_cell(cell):
            if held.doubted:
                self.put(replace(held, proven=True), who, why)

    def disown(self, cell: CellKey, back: Mapping[Target, Value], who: str, why: str) -> None:
        """What nothing shows is to be as it was last shown to be, or else as it was found."""
        for held in self.of_cell(cell):
            if held.doubted:
                goal = back.get(held.target, held.found)
                self.put(replace(held, goal=goal, certain=False, proven=True), who, why)

    def settled(self, settings: Settings, actuator: str, now: float) -> None:
        """Reports show what was put back; a node may have made a little of it its own way."""
        for target, value in settings.items():
            held = self._held.get(target)
            if held is not None:
                self.put(replace(held, confirmed=value, actuator=actuator, certain=True,
                                 resting=held.goal == held.found, since=now), actuator, "put back")

    def unchanged(self, before: Mapping[Target, Held], who: str) -> None:
        """Nothing became of what was to change these."""
        for held in before.values():
            self.put(held, who)

    def aim_at_found(self) -> None:
        """Everything is to be as it was found."""
        for held in self:
            if not (held.resting and held.certain):
                self.put(replace(held, goal=held.found, certain=False), why="to be as found")


def found_value(target: Target, observations: Observations, configured: Mapping[Snssai, Quota],
                assumed: Quota, usual_drb: int = 1) -> tuple[Value, bool]:
    """What a target was before it is touched for the first time, and whether that is assumed."""
    if isinstance(target, SliceTarget):
        cell = observations.cells.get(target.cell)
        reported = cell and cell.slices.get(target.snssai)
        if reported and reported.quota is not None:
            return reported.quota, False
        if target.snssai in configured:
            return configured[target.snssai], False
        return assumed, True
    if isinstance(target, FlowTarget):
        return usual_drb, False
    if isinstance(target, RuleTarget):
        return target.home, False
    return assumed, not isinstance(target, UeTarget)


def undo_steps(actuator: Actuator, node: NodeFacts, sent: Settings,
               before: Mapping[Target, Held], places: Mapping[Target, Value]) -> Steps | Refusal:
    """Back to what was confirmed before, of those targets of which a step was sent."""
    settings: dict[Target, Value] = {
        target: held.confirmed for target, held in before.items() if target in sent}
    settings |= {target: value for target, value in places.items() if target in sent}
    facts = replace(node, in_force={**node.in_force, **sent})
    return actuator.put(facts, settings)


def put_back_steps(actuators: Iterable[Actuator], node: NodeFacts,
                   entries: Iterable[Held]) -> tuple[Actuator, Steps] | Refusal | None:
    """Steps that put uncertain entries of one cell where they belong, by one actuator.

    None where there is nothing that this node could be told.
    """
    wanted = [held for held in entries if not held.certain
              and (isinstance(held.target, SliceTarget) or held.target.ue in node.ues)]
    if not wanted:
        return None
    reasons = []
    available = list(actuators)
    for first in wanted:
        usable = [one for one in available if one.reaches(first.target)]
        usable.sort(key=lambda one: one.name != first.actuator)  # the one that set it, then others
        for one in usable:
            steps = one.put(node, {held.target: held.goal for held in wanted
                                   if one.reaches(held.target)})
            if isinstance(steps, Steps) and steps.steps:
                return one, steps
            reasons.append(steps.reason if isinstance(steps, Refusal) else "nothing to send")
    return Refusal("; ".join(dict.fromkeys(reasons)) or "no actuator reaches it")
