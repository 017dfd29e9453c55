"""Puts reports, quotas, flows and the UE map together into what is observed at one moment.

    observer.node_up("gnb_1", UNITS["srsran"], {CellKey("gnb_1", "000000001"): 106})
    observer.report(Source("gnb_1", 7, names), message, now)
    observations = observer.observe(flows, ue_map, tap_heard, now)

Reports may be lost, doubled, late, stale or of UEs that nobody knows; each is noticed and counted,
and none makes a figure look newer than it is.

A UE with sessions in two slices is in the reports of both, in each with its figures there; both
count until they are stale, and what is shown as the UE's own is the last one. Where reports name no
slice (srsRAN), that of a UE is known by its addresses. Of a UE with sessions in several slices the
figures are one sum, which counts for its cell. It is divided among its slices as a tap's rates of
its addresses are (`sessions`); where no tap tells them, it counts for none of them, and their loads
are those of their other UEs, or unknown. The slices are there all the same, and flows are in the
slice of their address. It decodes nothing, opens nothing, reads no clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from xapp.e2.kpm import Report, UeReports
from xapp.e2.measurements import Measurement
from xapp.histories import Histories
from xapp.moves import Moves
from xapp.observations import (
    Cell,
    CellKey,
    Flow,
    Load,
    Observations,
    Quota,
    Slice,
    Snssai,
    Ue,
    UeKey,
)
from xapp.observed import (
    NEVER,
    KnownCell,
    KnownNode,
    KnownSlice,
    KnownUe,
    Placed,
    held_back,
    placed_by,
    unless_repeated,
)
from xapp.reading import Figures, Reader, load_of
from xapp.ric.srsran_metrics import StreamCell
from xapp.sequences import Sequences
from xapp.sessions import SessionRates
from xapp.totals import Totals, bounded
from xapp.ue_map import UeMap
from xapp.ue_names import Seen
from xapp.units import PLACE, Units


@dataclass(frozen=True, slots=True)
class ObservingConfig:
    """How reports are kept."""

    gone: float = 10.0  # seconds without a report after which a UE is forgotten
    fresh: float = 3.0  # seconds; a UE's figures that are older are left out of sums
    crowded: float = 80.0  # percent of a cell's PRBs, either way, from which it has no room
    most_ues: int = 4096  # of one node; of more, the rest is not looked at
    most_cells: int = 256  # of one node
    most_slices: int = 64  # of one cell


@dataclass(frozen=True, slots=True)
class Source:
    """What a report belongs to: one subscription of one node."""

    node: str
    subscription: int
    asked: tuple[Measurement, ...] = ()  # in this order, where a report leaves names out
    cell: CellKey | None = None  # that it was asked for
    slice: Snssai | None = None  # whose UEs were asked for
    granularity: int = 1000  # milliseconds that each set of values covers


@dataclass(slots=True)
class Counters:
    """What was noticed about reports since the start."""

    reports: int = 0
    lost: int = 0
    doubled: int = 0  # or late: older than what is known
    repeated: int = 0  # UEs' figures that the node had sent before
    unknown_ues: int = 0  # that were first seen in a report
    unknown_nodes: int = 0  # reports of nodes that are not up
    refused: int = 0  # UEs, cells and slices beyond what is remembered


class Observer:
    """All nodes."""

    def __init__(self, config: ObservingConfig = ObservingConfig()) -> None:
        self._config = config
        self._nodes: dict[str, KnownNode] = {}
        self._sequences = Sequences()
        self.counters = Counters()
        self.histories = Histories()
        self._moves = Moves()
        self._map: UeMap | None = None  # with which was looked last
        self._told = 0  # another number whenever cells, neighbours or a UE's place were told

    # Facts.

    def node_up(self, node: str, units: Units, cells: Mapping[CellKey, int | None]) -> None:
        """A node is there, with these cells and their PRBs; what was known of it is forgotten."""
        self.node_lost(node)
        known = {key: KnownCell(key, prbs) for key, prbs in
                 list(cells.items())[:self._config.most_cells]}
        self._nodes[node] = KnownNode(units, Seen(units.oai_names), known)

    def node_lost(self, node: str) -> None:
        """Its UEs' names mean nothing any more; what quotas it has is not known."""
        if self._nodes.pop(node, None) is not None:
            self._sequences.forget(node)

    def names(self, node: str) -> Seen | None:
        """The full ids of a node's UEs."""
        known = self._nodes.get(node)
        return None if known is None else known.seen

    def cell_is(self, key: CellKey, prbs: int | None) -> None:
        """A cell, as its node describes it."""
        cell = self._cell(key)
        if cell is not None and prbs is not None:
            cell.prbs = prbs

    def neighbours_are(self, key: CellKey, neighbours: tuple[CellKey, ...]) -> None:
        """Where UEs of a cell may be sent, by the operator's word."""
        cell = self._cell(key)
        if cell is not None:
            cell.neighbours, self._told = neighbours, self._told + 1

    def moves(self, key: UeKey, addresses: Iterable[str], now: float) -> None:
        """A UE is told to go to another cell; its addresses go with it, its name may not."""
        self._moves.told(key, addresses, now)

    def quota_is(self, key: CellKey, snssai: Snssai, quota: Quota | None, since: float) -> None:
        """What is in force for a slice, as was set and seen, or read; None: not known."""
        cell = self._cell(key)
        slice_ = None if cell is None else self._slice(cell, snssai)
        if slice_ is not None:
            slice_.quota, slice_.since = quota, since

    def slice_is_there(self, key: CellKey, snssai: Snssai) -> None:
        """A cell carries a slice, whatever its quota."""
        cell = self._cell(key)
        if cell is not None:
            self._slice(cell, snssai)

    def ue_is(self, key: UeKey, cell: CellKey | None = None, slice_: Snssai | None = None,
              neighbours: tuple[tuple[CellKey, float | None], ...] | None = None) -> None:
        """Where a UE is, as told by another way than KPM."""
        node = self._nodes.get(key.node)
        ue = None if node is None else node.ues.get(key.ue)
        if ue is not None:
            ue.go_to(cell or ue.cell)
            ue.slice = slice_ or ue.slice
            ue.neighbours = ue.neighbours if neighbours is None else neighbours
            self._told += 1

    def load_is(self, key: UeKey, load: Load) -> None:
        """A UE's figures from a stream of metrics instead of KPM."""
        node = self._nodes.get(key.node)
        if node is not None and (ue := self._ue(node, key.node, key.ue)) is not None:
            ue.load, ue.heard = load, load.at

    def stream_is(self, node: str, cells: Sequence[StreamCell], now: float) -> None:
        """What a node's own stream tells, in the place of KPM where that is silent.

        It names cells by another number than E2, so it counts where there is one on both sides.
        """
        known = self._nodes.get(node)
        if known is not None and len(known.cells) == len(cells) == 1:
            cell = next(iter(known.cells.values()))
            cell.stream = Load(now, cells[0].down_kbps, cells[0].up_kbps)

    # Reports.

    def report(
        self, source: Source, message: Report | UeReports, now: float,
        sequence: int | None = None, start: float | None = None,
    ) -> bool:
        """Take one indication; False where it says nothing new as a whole.

        `sequence` is RICindicationSN where there is one, `start` the header's time.
        """
        node = self._nodes.get(source.node)
        if node is None:
            self.counters.unknown_nodes += 1
            return False
        lost = self._sequences.saw(source.node, source.subscription, sequence, start)
        if lost is None:
            self.counters.doubled += 1
            return False
        self.counters.lost += lost
        self.counters.reports += 1
        node.heard = now
        reader = node.readers.get(source.subscription)
        if reader is None or (reader.source is not source and reader.source != source):
            reader = node.readers[source.subscription] = Reader(
                source, node.units, source.asked, source.granularity)
        if isinstance(message, UeReports):
            for one in message.ues:
                ue = self._ue(node, source.node, node.seen.take(one.ue))
                if ue is not None:
                    self._take_ue(node, ue, reader.of_ue(one.report), source, now)
        else:
            self._take_cell(node, reader, message, source, now)
        return True

    def _take_ue(
        self, node: KnownNode, ue: KnownUe, figures: Figures, source: Source, now: float
    ) -> None:
        ue.heard = now
        moved = ue.go_to(source.cell or ue.cell or node.only_cell)
        cell = node.cells.get(ue.cell) if ue.cell is not None else None
        if source.slice is not None and source.slice != ue.slice:
            ue.turn_to(source.slice, moved)
            if cell is not None:
                self._slice(cell, source.slice)
        if ue.figures == figures and now - ue.load.at < node.units.period:
            self.counters.repeated += 1  # the node has not measured again yet
            return
        ue.figures = figures
        ue.load = load_of(figures, now, source.granularity, None if cell is None else cell.prbs,
                          node.units)

    def _take_cell(
        self, node: KnownNode, reader: Reader, message: Report, source: Source, now: float
    ) -> None:
        key = source.cell or node.only_cell
        cell = None if key is None else self._cell(key)
        if cell is None:
            return
        for snssai, figures in reader.of_cell(message).items():
            load = load_of(figures, now, source.granularity, cell.prbs, node.units)
            used, free = figures[PLACE["down_used"]], figures[PLACE["down_available"]]
            if snssai is None:
                cell.load = unless_repeated(cell.load, load, node.units.period)
                if cell.prbs is None and used is not None and free is not None:
                    cell.prbs = round(used + free) or None
            elif (slice_ := self._slice(cell, snssai)) is not None:
                slice_.load = unless_repeated(slice_.load, load, node.units.period)

    def _ue(self, node: KnownNode, name: str, text: str) -> KnownUe | None:
        ue = node.ues.get(text)
        if ue is None:
            if len(node.ues) >= self._config.most_ues:
                self.counters.refused += 1
                return None
            self.counters.unknown_ues += 1
            ue = node.ues[text] = KnownUe(UeKey(name, text), Load(NEVER))
        return ue

    def _cell(self, key: CellKey) -> KnownCell | None:
        node = self._nodes.get(key.node)
        if node is None:
            return None
        cell = node.cells.get(key)
        if cell is None:
            if len(node.cells) >= self._config.most_cells:
                self.counters.refused += 1
                return None
            cell, self._told = KnownCell(key, None), self._told + 1
            node.cells[key] = cell
        return cell

    def _slice(self, cell: KnownCell, snssai: Snssai) -> KnownSlice | None:
        slice_ = cell.slices.get(snssai)
        if slice_ is None:
            if len(cell.slices) >= self._config.most_slices:
                self.counters.refused += 1
                return None
            slice_ = cell.slices[snssai] = KnownSlice()
        return slice_

    # What is observed.

    def observe(
        self, flows: Mapping[str, Flow], ue_map: UeMap, tap_heard: float | None, now: float,
        sessions: SessionRates | None = None,
    ) -> Observations:
        """All that is known at `now`; `sessions` as taps count them."""
        cells: dict[CellKey, Cell] = {}
        ues: dict[UeKey, Ue] = {}
        if ue_map is not self._map:
            self._map, self._told = ue_map, self._told + 1
        for node in self._nodes.values():
            self._expire(node, now)
            totals = Totals(now, self._config.fresh)
            version = ue_map.version, self._moves.version, self._told
            for one in node.ues.values():
                placed, ue = one.placed, one.shown
                if placed is None or not placed.still(version, one):
                    placed = one.placed = self._place(node, one, ue_map, version, now)
                    # One that was seen to move may have moved others that are placed by it.
                    version = ue_map.version, self._moves.version, self._told
                    ue = None
                if ue is None or ue.load is not one.load:
                    ue = one.shown = placed.of(one)
                ues[one.key] = ue
                totals.add(ue.cell, ue.slice, one.load)
                for each, (_, part) in one.beside.items():
                    totals.add(ue.cell, each, part)
                if placed.several and sessions is not None:
                    for each, part in sessions.parts(one.load, placed.several).items():
                        totals.add_part(ue.cell, each, part)
            for cell_ in node.cells.values():
                cells[cell_.key] = self._observed(cell_, totals, now - self._config.fresh)
        observations = Observations(
            now, cells, ues, {key: placed_by(flow, ue_map) for key, flow in flows.items()},
            tap_heard)
        self.histories.take(observations)
        return observations

    def _place(self, node: KnownNode, one: KnownUe, ue_map: UeMap, version: tuple[int, int, int],
               now: float) -> Placed:
        """Once for all looks until something about it changes."""
        mapped = ue_map.of_ue(one.key)
        cell = one.cell or (mapped.cell if mapped else None)
        snssai = one.slice or (mapped.slice if mapped else None)
        known = None if cell is None else node.cells.get(cell)
        mine = (snssai,) if snssai is not None else ue_map.slices_of(one.key)
        if known is not None:
            for each in mine:
                self._slice(known, each)
        return Placed(
            version, one.cell, one.slice, cell, snssai, mapped.address if mapped else None,
            one.neighbours or tuple((key, None) for key in (known.neighbours if known else ())),
            self._moves.seen(one.key, ue_map.addresses_of(one.key), cell, now),
            ue_map.sessions_of(one.key) if len(mine) > 1 else ())

    def _observed(self, cell: KnownCell, totals: Totals, oldest: float) -> Cell:
        load = totals.of(cell.key, None, cell.load)
        loads = bounded({snssai: totals.of(cell.key, snssai, one.load)
                         for snssai, one in cell.slices.items()}, load)
        slices = {snssai: Slice(snssai, one.quota, one.since, loads[snssai],
                                one.remember(loads[snssai]))
                  for snssai, one in cell.slices.items()}
        if cell.stream is not None and load.at < oldest <= cell.stream.at:
            load = cell.stream
        use = max((one for one in (load.down_prbs, load.up_prbs) if one is not None),
                  default=self._config.crowded)
        crowded = self._config.crowded
        if use >= crowded or load.at < oldest or any(
                held_back(one, crowded) for one in slices.values()):
            cell.roomy_since = None
        elif cell.roomy_since is None:
            cell.roomy_since = load.at
        return Cell(cell.key, cell.prbs, load, slices, cell.roomy_since)

    def _expire(self, node: KnownNode, now: float) -> None:
        """Forget UEs that are not reported any more; their names too, once the node reports.

        A node that says nothing at all does not say that they left.
        """
        for text in [text for text, ue in node.ues.items()
                     if now - ue.heard > self._config.gone]:
            del node.ues[text]
            node.missing.add(text)
        if node.missing and now - node.heard <= self._config.gone:
            for text in node.missing - node.ues.keys():
                node.seen.drop(text)
            node.missing.clear()
