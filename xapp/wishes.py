"""What was decided last for each cell: the same wish again and again says nothing.

A wish that could not be fulfilled is uttered again after a time, as it may be by then. In a dry run
nothing is fulfilled: there, only another wish is uttered, and one that differs by less than what is
worth telling a node is none. It knows neither why something is wished for, nor what became of it.
"""

from __future__ import annotations

from dataclasses import replace

from xapp.decisions import Decision, SetQuotas, cell_of
from xapp.observations import CellKey, Quota, Snssai

Quotas = dict[Snssai, Quota]


class Wishes:
    """Of all cells."""

    def __init__(self, repeat_every: float, smallest_step: int) -> None:
        """Seconds before the same is uttered again; and percent, less than which is the same."""
        self._repeat_every, self._step = repeat_every, smallest_step
        self._last: dict[tuple[CellKey, type[Decision]], tuple[Quotas | Decision, float]] = {}

    def is_new(self, decision: Decision, now: float, rehearsed: bool = False) -> bool:
        """Whether to utter it, which is then taken for done; `rehearsed`: in a dry run."""
        wish: Quotas | Decision = (dict(decision.quotas) if isinstance(decision, SetQuotas)
                                   else replace(decision, reason="", expected=()))
        place = cell_of(decision), type(decision)
        before = self._last.get(place)
        if before is not None and (
                self._is_same(before[0], wish) if rehearsed else
                before[0] == wish and now - before[1] < self._repeat_every):
            return False
        self._last[place] = wish, now
        return True

    def forget(self) -> None:
        """An operator changed what becomes of wishes."""
        self._last.clear()

    def _is_same(self, before: Quotas | Decision, wish: Quotas | Decision) -> bool:
        if not isinstance(before, dict) or not isinstance(wish, dict):
            return before == wish
        return before.keys() == wish.keys() and all(
            abs(before[snssai].minimum - quota.minimum) < self._step
            and abs(before[snssai].maximum - quota.maximum) < self._step
            for snssai, quota in wish.items())
