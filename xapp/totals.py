"""Loads of slices and cells, summed up from those of their UEs.

Only UEs that were reported lately count, and the sum is as old as the oldest of them. Rates and
PRBs add up; of delays and drops the worst counts, since a target holds for every UE. What no UE
reports stays unknown.
"""

from __future__ import annotations

from xapp.observations import CellKey, Load, Snssai

Key = tuple[CellKey, Snssai | None]
_FULL = 100.0


class _Sum:
    __slots__ = ("at", "values")

    def __init__(self, load: Load) -> None:
        self.at = load.at
        self.values = [load.down_kbps, load.up_kbps, load.down_prbs, load.up_prbs,
                       load.down_delay_ms, load.up_delay_ms, load.down_drops]

    def add(self, load: Load) -> None:
        self.at = min(self.at, load.at)
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
        down, up = self.values[2], self.values[3]
        self.values[2] = None if down is None else min(down, _FULL)
        self.values[3] = None if up is None else min(up, _FULL)
        return Load(self.at, *self.values)


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
        return Load(
            max(reported.at, summed.at), *(
                own if own is not None else other for own, other in (
                    (reported.down_kbps, summed.down_kbps), (reported.up_kbps, summed.up_kbps),
                    (reported.down_prbs, summed.down_prbs), (reported.up_prbs, summed.up_prbs),
                    (reported.down_delay_ms, summed.down_delay_ms),
                    (reported.up_delay_ms, summed.up_delay_ms),
                    (reported.down_drops, summed.down_drops))))
