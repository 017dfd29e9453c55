"""What keeps steering from doing harm: floors, rate limits, and actuators that are set aside.

Floors are the policy's business first; they are checked once more on what an actuator would really
set. Pure, but for the counts that are kept here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from xapp.actuators.targets import Settings, SliceTarget, UeTarget
from xapp.observations import CellKey, Observations, Quota, Snssai


def bad_quotas(quotas: Mapping[Snssai, Quota]) -> str | None:
    """Why these cannot be meant: a sentence."""
    for snssai, one in quotas.items():
        if not 0 <= one.dedicated <= one.minimum <= one.maximum <= 100:
            return f"Slice {snssai}: {one} is no quota."
    if (promised := sum(one.minimum for one in quotas.values())) > 100:
        return f"The minimums add up to {promised} %."
    return None if quotas else "It sets no quota."


def below_floor(quotas: Mapping[Snssai, Quota], floors: Mapping[Snssai, int]) -> str | None:
    """Which slice could get less than its floor, when all others take what they may.

    A slice that is guaranteed its floor has it; so has one that is not limited below it where the
    others' guarantees leave that much.
    """
    for snssai, floor in floors.items():
        own = quotas.get(snssai, Quota())
        others = sum(one.minimum for other, one in quotas.items() if other != snssai)
        if own.maximum < floor:
            return f"Slice {snssai} would be limited to {own.maximum} %; its floor is {floor} %."
        if own.minimum < floor and others > 100 - floor:
            return (f"Others would be guaranteed {others} %, so that {100 - others} % is left for "
                    f"slice {snssai}; its floor is {floor} %.")
    return None


def breaks_floor(cell: CellKey, settings: Settings, in_force: Settings,
                 floors: Mapping[Snssai, int], observations: Observations) -> str | None:
    """Which floor of a cell these settings, on top of those in force, would break."""
    if not floors:
        return None
    after = {**in_force, **settings}
    quotas = {target.snssai: value for target, value in after.items()
              if isinstance(target, SliceTarget) and target.cell == cell
              and isinstance(value, Quota)}
    why = below_floor(quotas, floors)
    if why is not None:
        return why
    limits = {target.ue: value.maximum for target, value in after.items()
              if isinstance(target, UeTarget) and isinstance(value, Quota)}
    totals: dict[Snssai, int] = defaultdict(int)
    for key, ue in observations.ues.items():
        if ue.cell == cell and ue.slice is not None:
            totals[ue.slice] += limits.get(key, 100)
    for snssai, floor in floors.items():
        if snssai in totals and totals[snssai] < floor:
            return (f"All UEs of slice {snssai} together would be limited to {totals[snssai]} %; "
                    f"its floor is {floor} %.")
    return None


@dataclass
class Bucket:
    """How many actions may begin now."""

    per_second: float
    most: float
    left: float
    at: float | None = None

    def ready(self, now: float) -> bool:
        """Whether one may."""
        if self.at is not None:
            self.left = min(self.most, self.left + (now - self.at) * self.per_second)
        self.at = now
        return self.left >= 1

    def take(self, now: float) -> None:
        self.ready(now)
        self.left -= 1

    def when(self, now: float) -> float:
        """When the next one may."""
        self.ready(now)
        return now + max(0.0, (1 - self.left) / self.per_second)


class Aside:
    """Actuators that failed too often lately, by node and name."""

    def __init__(self, failures: int, seconds: float) -> None:
        self._failures, self._seconds = failures, seconds
        self._counts: dict[tuple[str, str], int] = defaultdict(int)
        self._until: dict[tuple[str, str], float] = {}

    def failed(self, node: str, name: str, now: float) -> bool:
        """Count; True where it is set aside by it."""
        key = node, name
        self._counts[key] += 1
        if self._counts[key] < self._failures:
            return False
        self._counts[key] = 0
        self._until[key] = now + self._seconds
        return True

    def worked(self, node: str, name: str) -> None:
        self._counts.pop((node, name), None)

    def is_set(self, node: str, name: str, now: float) -> bool:
        return now < self._until.get((node, name), now)

    def forget(self, node: str) -> None:
        """It went away: what comes back may do better."""
        for kept in (self._counts, self._until):
            for key in [key for key in kept if key[0] == node]:
                kept.pop(key)
