"""The last minutes of every cell and slice, for the console: one point a second, in rings.

It keeps what was observed and judges nothing; what must survive is kept elsewhere.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass

from xapp.observations import CellKey, Load, Observations, Quota, Snssai

EVERY = 1.0  # seconds between points
POINTS = 600  # of each: ten minutes
MOST = 1024  # cells and slices; the one not seen for longest goes first: 600 points are some 100 kB

Subject = tuple[CellKey, Snssai | None]


@dataclass(frozen=True, slots=True)
class Point:
    """One moment; `load.at` may be older than `at`: nothing new was reported."""

    at: float
    load: Load
    quota: Quota | None = None


class Histories:
    """Rings of points."""

    def __init__(self) -> None:
        self._rings: OrderedDict[Subject, deque[Point]] = OrderedDict()
        self._last = float("-inf")

    def take(self, observations: Observations) -> None:
        if 0 <= observations.now - self._last < EVERY:
            return
        self._last = observations.now
        for key, cell in observations.cells.items():
            self._add((key, None), Point(observations.now, cell.load))
            for snssai, one in cell.slices.items():
                self._add((key, snssai), Point(observations.now, one.load, one.quota))

    def _add(self, subject: Subject, point: Point) -> None:
        ring = self._rings.get(subject)
        if ring is None:
            ring = self._rings[subject] = deque(maxlen=POINTS)
            if len(self._rings) > MOST:
                self._rings.popitem(last=False)
        self._rings.move_to_end(subject)
        ring.append(point)

    def subjects(self) -> tuple[Subject, ...]:
        return tuple(self._rings)

    def of(self, subject: Subject, since: float = float("-inf")) -> tuple[Point, ...]:
        """Oldest first."""
        return tuple(point for point in self._rings.get(subject, ()) if point.at >= since)
