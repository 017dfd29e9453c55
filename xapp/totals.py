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

Key = tuple[CellKey, Snssai | None]
_FULL = 100.0


class _Sum:
    __slots__ = ("at", "over", "values")

    def __init__(self, load: Load) -> None:
        self.at, self.over = load.at, load.prbs_over
        self.values = [load.down_kbps, load.up_kbps, load.down_prbs, load.up_prbs,
                       load.down_delay_ms, load.up_delay_ms, load.down_drops]

    def add(self, load: Load) -> None:
        self.at = min(self.at, load.at)
        self.over += load.prbs_over
        values = self.values
        for place, value in enumerate((load.down_kbps, load.up_kbps, load.down_prbs,
                                       load.up_prbs)):
            if value is not None:
                before = values[place]
                values[place] = value if before is None else before + value
        for place, value in enumerate((load.down_delay_ms, load.up_delay_ms, load.down_drops), 4):
            if value is not None:
                before = values[place]
                values[place] = value if before is None else max(before, value)

    def load(self) -> Load:
        down_kbps, up_kbps, down, up, down_delay, up_delay, drops = self.values
        return Load(self.at, down_kbps, up_kbps, None if down is None else min(down, _FULL),
                    None if up is None else min(up, _FULL), down_delay, up_delay, drops, self.over)


class Totals:
    """Of one node's UEs at one moment."""

    def __init__(self, now: float, fresh: float) -> None:
        self._oldest = now - fresh
        self._sums: dict[Key, _Sum] = {}

    def add(self, cell: CellKey | None, snssai: Snssai | None, load: Load) -> None:
        if cell is None or load.at < self._oldest:
            return
        for key in ((cell, None),) if snssai is None else ((cell, None), (cell, snssai)):
            total = self._sums.get(key)
            if total is None:
                self._sums[key] = _Sum(load)
            else:
                total.add(load)

    def add_part(self, cell: CellKey | None, snssai: Snssai, load: Load) -> None:
        """What a UE in several slices has in one of them; it is in the cell's sum already."""
        if cell is None or load.at < self._oldest:
            return
        total = self._sums.get((cell, snssai))
        if total is None:
            self._sums[cell, snssai] = _Sum(load)
        else:
            total.add(load)

    def of(self, cell: CellKey, snssai: Snssai | None, reported: Load | None) -> Load:
        """What the node itself reported of it, filled up with what its UEs add up to."""
        total = self._sums.get((cell, snssai))
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
