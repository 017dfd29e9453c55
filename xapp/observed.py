"""What is remembered of nodes between reports: cells, slices, UEs, as they were told of last.

`observing` keeps these records and makes observations of them. They know neither caps nor clocks.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace

from xapp.e2.sequences import twin
from xapp.observations import CellKey, Flow, Load, Quota, Slice, Snssai, Ue, UeKey
from xapp.reading import Figures, Reader
from xapp.ue_map import UeMap
from xapp.ue_names import Seen
from xapp.units import Units

NEVER = float("-inf")
RECENT = 12  # reports of a slice at most that are remembered
RECENT_SECONDS = 6.0
_make_ue = twin(Ue, [one.name for one in fields(Ue)])


@dataclass(slots=True)
class KnownUe:
    """One UE as its node reports it."""

    key: UeKey
    load: Load
    figures: Figures | None = None
    heard: float = NEVER  # last report, new or not
    cell: CellKey | None = None
    slice: Snssai | None = None
    neighbours: tuple[tuple[CellKey, float | None], ...] = ()
    placed: Placed | None = None
    shown: Ue | None = None  # as it was observed last
    # What reports of other slices than the last one's said of it there.
    beside: dict[Snssai, tuple[Figures | None, Load]] = field(default_factory=dict)

    def go_to(self, cell: CellKey | None) -> bool:
        """Whether it was in another cell: what was said of its slices was said of that."""
        moved = self.cell is not None and cell != self.cell
        if moved:
            self.beside.clear()
        self.cell = cell
        return moved

    def turn_to(self, snssai: Snssai, moved: bool) -> None:
        """The next figures are of that slice; those of the one before stand beside them."""
        if self.slice is not None and not moved:
            self.beside[self.slice] = self.figures, self.load
        self.slice = snssai
        self.figures, self.load = self.beside.pop(snssai, (None, self.load))


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a UE is and who it is, by all that says so; and what that was made of."""

    version: tuple[int, int, int]  # of the UE map, of moves, of what the observer was told
    said_cell: CellKey | None  # by its reports
    said_slice: Snssai | None  # likewise
    cell: CellKey | None
    slice: Snssai | None
    address: str | None
    neighbours: tuple[tuple[CellKey, float | None], ...]
    moved: float  # when it moved last
    several: tuple[tuple[str, Snssai], ...] = ()  # its sessions, where they are in several slices

    def still(self, version: tuple[int, int, int], ue: KnownUe) -> bool:
        """Whether nothing of what it was made of is another by now."""
        return (self.version == version and self.said_cell is ue.cell
                and self.said_slice is ue.slice)

    def of(self, ue: KnownUe) -> Ue:
        made: Ue = _make_ue(ue.key, self.cell, self.slice, ue.load, self.address, self.neighbours,
                            self.moved)
        made.__class__ = Ue
        return made


@dataclass(slots=True)
class KnownSlice:
    """A slice of a cell."""

    quota: Quota | None = None
    since: float = NEVER
    load: Load | None = None  # as reported, not summed up
    recent: tuple[Load, ...] = ()  # as observed

    def remember(self, load: Load) -> tuple[Load, ...]:
        """The last reports with this one, where it is new."""
        if load.at != NEVER and (not self.recent or self.recent[-1].at != load.at):
            self.recent = (*(one for one in self.recent[1 - RECENT:]
                             if 0 <= load.at - one.at <= RECENT_SECONDS), load)
        return self.recent


@dataclass(slots=True)
class KnownCell:
    """A cell, as reports and the operator describe it."""

    key: CellKey
    prbs: int | None
    load: Load | None = None
    stream: Load | None = None  # of another stream of metrics than KPM
    roomy_since: float | None = None  # as `Cell` has it
    neighbours: tuple[CellKey, ...] = ()  # as the operator says
    slices: dict[Snssai, KnownSlice] = field(default_factory=dict)


@dataclass(slots=True)
class KnownNode:
    """A node that is up, with its cells and UEs."""

    units: Units
    seen: Seen
    cells: dict[CellKey, KnownCell] = field(default_factory=dict)
    ues: dict[str, KnownUe] = field(default_factory=dict)
    readers: dict[int, Reader] = field(default_factory=dict)  # by subscription
    heard: float = NEVER  # its last report, of whatever
    missing: set[str] = field(default_factory=set)  # UEs no longer reported, maybe with all others

    @property
    def only_cell(self) -> CellKey | None:
        """Where its UEs must be, if nothing says it."""
        return next(iter(self.cells)) if len(self.cells) == 1 else None


def unless_repeated(before: Load | None, load: Load, period: float) -> Load:
    """`load`, unless it says what was said within the node's own period, or nothing at all.

    A node whose report covers no time, as it was late with the one before, has no figure for it:
    what it said last then stands until it is stale.
    """
    if before is None:
        return load
    if load == Load(load.at) or (
            load.at - before.at < period and replace(load, at=before.at) == before):
        return before
    return load


def placed_by(flow: Flow, ue_map: UeMap) -> Flow:
    """The flow, with the UE and the slice that its address belongs to."""
    if flow.address is None or (flow.ue is not None and flow.slice is not None):
        return flow
    entry = ue_map.of_address(flow.address)
    if entry is None:
        return flow
    return replace(flow, ue=flow.ue or entry.ue, slice=flow.slice or entry.slice)


def held_back(slice_: Slice, crowded: float) -> bool:
    """Whether a slice uses what it may have at most: room beside it is its cap's doing."""
    if slice_.quota is None or slice_.quota.maximum >= 100:
        return False
    load = slice_.load
    use = max((one for one in (load.down_prbs, load.up_prbs) if one is not None), default=100.0)
    return use >= crowded / 100 * slice_.quota.maximum
