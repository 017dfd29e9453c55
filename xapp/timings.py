"""Times that were measured, counted by how long they were, as Prometheus' histograms count them.

A `Timer` counts; its `Times` are what it has counted so far, to hand on.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

# Near-RT is 10 ms to 1 s; the loop itself is to stay under 5 ms.
LOOP_SECONDS = (.0005, .001, .0015, .002, .0025, .003, .004, .005, .0075, .01, .02, .05, .1, .5, 1.)
EFFECT_SECONDS = (.1, .2, .5, 1., 2., 3., 5., 10., 20., 60.)


@dataclass(frozen=True, slots=True)
class Times:
    """How many were measured up to each bound and above the last, and their sum."""

    bounds: tuple[float, ...]  # seconds
    counts: tuple[int, ...]  # one more than bounds
    total: float  # seconds

    def cumulative(self) -> list[tuple[str, float]]:
        """Bounds as Prometheus writes them, with how many were no longer."""
        found, count = [], 0
        for bound, more in zip((*map(str, self.bounds), "+Inf"), self.counts, strict=True):
            count += more
            found.append((bound, float(count)))
        return found


class Timer:
    """Counts."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds, self._counts, self._total = bounds, [0] * (len(bounds) + 1), 0.0

    def measured(self, seconds: float) -> None:
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self._total += seconds

    def times(self) -> Times:
        return Times(self._bounds, tuple(self._counts), self._total)


NO_LOOPS = Timer(LOOP_SECONDS).times()
NO_EFFECTS = Timer(EFFECT_SECONDS).times()
