"""What reports say, once a second, of guarantees that nothing could prove when they were given.

It joins policies, which know whose slice it is and what it may wait, with steering, which knows
what is in force. It keeps how slices fared before, which is looked up once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from xapp.effects import UNKNOWN, Evidence, evidence
from xapp.held_before import Before, fared
from xapp.histories import Histories
from xapp.limits import Limits
from xapp.observations import CellKey, Observations, Quota, Snssai
from xapp.placing import place
from xapp.slice_policy import SlicePolicy

# Of several slices, the worst counts.
RANKED = (Evidence.HELD, Evidence.HIDDEN, Evidence.FAIR, Evidence.HAS)
Doubted = Mapping[CellKey, Mapping[Snssai, Quota]]


class Weighing:
    """Looks, once a second."""

    def __init__(self, histories: Histories) -> None:
        self._histories = histories
        self._before: dict[tuple[CellKey, Snssai], tuple[float, Before]] = {}

    def weighed(self, doubted: Doubted, since: Mapping[CellKey, float],
                observations: Observations, policies: Sequence[SlicePolicy], limits: Limits,
                now: float) -> dict[CellKey, Evidence]:
        """Of each cell where anything is doubted; `since` is when that was first set there."""
        self._before = {key: one for key, one in self._before.items()
                        if since.get(key[0]) == one[0]}
        if not doubted:
            return {}
        placed = place(observations, policies, limits, now)
        found: dict[CellKey, Evidence] = {}
        for key, quotas in doubted.items():
            cell = observations.cells.get(key)
            said = set() if cell is None else {
                evidence(cell, group, quotas, limits, now, observations.ues,
                         self._fared(key, group.snssai, since.get(key)))
                for group in placed.get(key, {}).values()}
            found[key] = next((one for one in RANKED if one in said), Evidence.NO_LOAD)
        return found

    def _fared(self, cell: CellKey, snssai: Snssai, since: float | None) -> Before:
        if since is None:
            return UNKNOWN
        if (cell, snssai) not in self._before:
            self._before[cell, snssai] = since, fared(self._histories, cell, snssai, since)
        return self._before[cell, snssai][1]


def doubts(doubted: Doubted, unsettled: Collection[CellKey], observations: Observations,
           policies: Sequence[SlicePolicy], limits: Limits, now: float) -> dict[str, str]:
    """Of each policy whose quotas are only acknowledged, or on their way, why it is not in effect.
    """
    if not doubted and not unsettled:
        return {}
    found: dict[str, str] = {}
    for key, groups in place(observations, policies, limits, now).items():
        if key in unsettled or key in doubted:
            why = (f"quotas of {key} are being changed" if key in unsettled else
                   f"no report has shown yet that the quotas of {key} are in force")
            found |= {group.policy.name: why for group in groups.values()}
    return found
