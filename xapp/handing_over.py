"""The second lever: move a UE to a neighbour where its own cell cannot give it what it needs.

Only where the neighbour is of the same node, carries the slice, has reported lately, and has room
for the UE beside what its own flows need, with the gain that policies ask for. So the UE is not
sent back by the same reckoning; and who just moved stays for a while.

A neighbour must be heard well. E2 tells nothing of that here: KPM has no measurement of neighbours,
and the RSRP that srsRAN reports is of the serving cell. So neighbours are those that the operator
names, and among them load decides; where a figure does come, by another way, it goes before. It
knows nothing of how a UE is moved.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from xapp.decisions import Expectation, HandOver, Metric
from xapp.demand import Demand, fresh, kbps_per_percent
from xapp.limits import Limits
from xapp.observations import Cell, CellKey, Observations, Ue
from xapp.placing import Group
from xapp.sharing import floors
from xapp.slice_policy import SlicePolicy


@dataclass(frozen=True, slots=True)
class Short:
    """Flows of a slice that do not get what they need where they are."""

    cell: Cell
    group: Group
    demand: Demand
    given: int  # percent that the slice is guaranteed


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a UE could go."""

    ue: Ue
    target: Cell
    rsrp: float | None  # dBm that the UE hears it with; None: nothing tells
    room: float  # percent

    @property
    def rank(self) -> tuple[bool, float]:
        """What is heard for certain goes before, and the best of it; else who has most room."""
        return self.rsrp is not None, self.room if self.rsrp is None else self.rsrp


def hand_over(
    short: Short, observations: Observations, policies: Sequence[SlicePolicy],
    needs: Mapping[CellKey, float], limits: Limits, now: float,
) -> HandOver | None:
    """Who goes where; None where nobody would be better off. `needs`: percent, of each cell's."""
    if not short.group.policy.handover or short.demand.percent is None:
        return None
    ues = _movable(short, observations, limits, now)
    if not ues:
        return None
    part = short.demand.percent / len(ues)  # of the cell, that one UE's flows need
    gain = 1 + max((policy.handover_gain for policy in policies
                    if policy.reach.covers(short.cell.key)), default=0) / 100
    best: _Place | None = None
    for ue in ues:
        for key, rsrp in ue.neighbours:
            target = observations.cells.get(key)
            if (target is None or (rsrp is not None and rsrp < limits.rsrp)
                    or not _suits(target, short, limits, now)):
                continue
            needed = part * _scale(short.cell, target, limits, now)
            room = _room(target, policies, limits) - needs.get(key, 0.0)
            place = _Place(ue, target, rsrp, room)
            if room >= needed * gain and (best is None or place.rank > best.rank):
                best = place
    return None if best is None else _move(short, best, limits)


def _movable(short: Short, observations: Observations, limits: Limits, now: float) -> list[Ue]:
    ues = {flow.ue for flow in short.group.believed if flow.ue is not None}
    return [ue for key in sorted(ues, key=str) if (ue := observations.ues.get(key)) is not None
            and ue.cell == short.cell.key and now - ue.moved >= limits.handover_pause]


def _suits(target: Cell, short: Short, limits: Limits, now: float) -> bool:
    return (target.key != short.cell.key and target.key.node == short.cell.key.node
            and short.group.snssai in target.slices and fresh(target.load, limits, now)
            and short.group.policy.reach.covers(target.key))


def _scale(source: Cell, target: Cell, limits: Limits, now: float) -> float:
    """Percent of the target's PRBs that carry what one percent of the source's does."""
    scales = []
    for upward in (True, False):
        here = kbps_per_percent(source, None, upward, limits, now)
        there = kbps_per_percent(target, None, upward, limits, now)
        if here is not None and there is not None:
            scales.append(here / there)
    return max(scales, default=1.0)


def _room(target: Cell, policies: Iterable[SlicePolicy], limits: Limits) -> float:
    kept = floors(target, policies, limits)
    return 0.0 if kept is None else limits.most_guaranteed - sum(kept.values())


def _move(short: Short, best: _Place, limits: Limits) -> HandOver:
    ue, target = best.ue, best.target
    load = ue.load
    heard = ("is a neighbour by configuration, how well the UE hears it is not reported"
             if best.rsrp is None else f"is heard with {best.rsrp:.0f} dBm")
    expected = tuple(
        Expectation(ue.key, metric, 2 * limits.settle, at_least=value * 0.5)
        for metric, value in ((Metric.DOWN_KBPS, load.down_kbps), (Metric.UP_KBPS, load.up_kbps))
        if value)
    return HandOver(
        ue.key, short.cell.key, target.key,
        f"Slice {short.group.snssai} needs {short.demand.percent:.0f} % of {short.cell.key} and "
        f"can be given {short.given} % beside the floors; {target.key} {heard}, "
        f"and has {best.room:.0f} % to give.", short.group.policy.name, expected)
