"""Loads of slices and cells, summed up from those of their UEs.

Only UEs that were reported lately count, and the sum is as old as the oldest of them. Rates and
PRBs add up; of delays and drops the worst counts, since a target holds for every UE. What no UE
reports stays unknown. Whole percents of UEs that use less than one each add up to far too much:
how much, is told with the sum, and a cell's own figure bounds it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from xapp.observations import CellKey, Load, Snssai

_FULL = 100.0


class _Sum:
    __slots__ = ("at", "down_delay", "down_drops", "down_kbps", "down_prbs", "over", "up_delay",
                 "up_kbps", "up_prbs")

    def __init__(self, load: Load) -> None:
        self.at, self.over = load.at, load.prbs_over
        self.down_kbps, self.up_kbps = load.down_kbps, load.up_kbps
        self.down_prbs, self.up_prbs = load.down_prbs, load.up_prbs
        self.down_delay, self.up_delay = load.down_delay_ms, load.up_delay_ms
        self.down_drops = load.down_drops

    def add(self, load: Load) -> None:
        """One by one, as it is done for every UE at every look."""
        if load.at < self.at:
            self.at = load.at
        self.over += load.prbs_over
        if (value := load.down_kbps) is not None:
            self.down_kbps = value if self.down_kbps is None else self.down_kbps + value
        if (value := load.up_kbps) is not None:
            self.up_kbps = value if self.up_kbps is None else self.up_kbps + value
        if (value := load.down_prbs) is not None:
            self.down_prbs = value if self.down_prbs is None else self.down_prbs + value
        if (value := load.up_prbs) is not None:
            self.up_prbs = value if self.up_prbs is None else self.up_prbs + value
        if (value := load.down_delay_ms) is not None:
            self.down_delay = value if self.down_delay is None else max(self.down_delay, value)
        if (value := load.up_delay_ms) is not None:
            self.up_delay = value if self.up_delay is None else max(self.up_delay, value)
        if (value := load.down_drops) is not None:
            self.down_drops = value if self.down_drops is None else max(self.down_drops, value)

    def load(self) -> Load:
        down, up = self.down_prbs, self.up_prbs
        return Load(self.at, self.down_kbps, self.up_kbps,
                    None if down is None else min(down, _FULL),
                    None if up is None else min(up, _FULL), self.down_delay, self.up_delay,
                    self.down_drops, self.over)


class Totals:
    """Of one node's UEs at one moment."""

    def __init__(self, now: float, fresh: float) -> None:
        self._oldest = now - fresh
        self._sums: dict[CellKey, dict[Snssai | None, _Sum]] = {}
        # Those of the UE before: most often the next one is in the same cell and slice.
        self._cell: CellKey | None = None
        self._snssai: Snssai | None = None
        self._of_cell: dict[Snssai | None, _Sum] = {}
        self._of_slice: _Sum | None = None

    def add(self, cell: CellKey | None, snssai: Snssai | None, load: Load) -> None:
        if cell is None or load.at < self._oldest:
            return
        if cell is self._cell:
            self._of_cell[None].add(load)
        else:
            self._cell, self._of_slice = cell, None
            self._of_cell = self._sums.setdefault(cell, {})
            self._add_to(None, load)
        if snssai is None:
            return
        if snssai is self._snssai and self._of_slice is not None:
            self._of_slice.add(load)
        else:
            self._snssai, self._of_slice = snssai, self._add_to(snssai, load)

    def _add_to(self, snssai: Snssai | None, load: Load) -> _Sum:
        total = self._of_cell.get(snssai)
        if total is None:
            total = self._of_cell[snssai] = _Sum(load)
        else:
            total.add(load)
        return total

    def add_part(self, cell: CellKey | None, snssai: Snssai, load: Load) -> None:
        """What a UE in several slices has in one of them; it is in the cell's sum already."""
        if cell is None or load.at < self._oldest:
            return
        sums = self._sums.setdefault(cell, {})
        total = sums.get(snssai)
        if total is None:
            sums[snssai] = _Sum(load)
        else:
            total.add(load)

    def of(self, cell: CellKey, snssai: Snssai | None, reported: Load | None) -> Load:
        """What the node itself reported of it, filled up with what its UEs add up to."""
        total = self._sums.get(cell, {}).get(snssai)
        if total is None:
            return reported or Load(float("-inf"))
        summed = total.load()
        if reported is None or reported.at < self._oldest:
            return summed
        own = reported.down_prbs is not None or reported.up_prbs is not None
        return Load(
            max(reported.at, summed.at),
            _first(reported.down_kbps, summed.down_kbps), _first(reported.up_kbps, summed.up_kbps),
            _first(reported.down_prbs, summed.down_prbs), _first(reported.up_prbs, summed.up_prbs),
            _first(reported.down_delay_ms, summed.down_delay_ms),
            _first(reported.up_delay_ms, summed.up_delay_ms),
            _first(reported.down_drops, summed.down_drops),
            reported.prbs_over if own else summed.prbs_over)


def _first(own: float | None, other: float | None) -> float | None:
    return own if own is not None else other


def bounded(slices: Mapping[Snssai, Load], cell: Load) -> dict[Snssai, Load]:
    """What sums of rounded figures can be, in a cell whose own figure is better than they are.

    A slice has no more than the others, which may have less than they seem to, leave of the cell.
    """
    found, doubts = dict(slices), sum(load.prbs_over for load in slices.values())
    for snssai, load in slices.items():
        doubt = cell.prbs_over + doubts - load.prbs_over
        over = doubt + doubts - load.prbs_over  # others may have more than they seem to, as well
        if over >= load.prbs_over or (load.down_prbs is not None and cell.down_prbs is None) or (
                load.up_prbs is not None and cell.up_prbs is None):
            continue
        others = [one for key, one in slices.items() if key != snssai]
        found[snssai] = replace(
            load, prbs_over=over,
            down_prbs=_left(load.down_prbs, [one.down_prbs for one in others], cell.down_prbs,
                            doubt),
            up_prbs=_left(load.up_prbs, [one.up_prbs for one in others], cell.up_prbs, doubt))
    return found


def _left(own: float | None, others: Sequence[float | None], cell: float | None,
          doubt: float) -> float | None:
    if own is None or cell is None:
        return None
    return max(0.0, min(own, cell + doubt - sum(one or 0.0 for one in others)))
