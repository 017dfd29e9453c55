"""How evenly tokens come: their times over the last minute, and what the strip makes of them.

It is told when each token came and reads no clock; several threads may use it.
"""

from __future__ import annotations

import math
import statistics
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ue_app.runner import Token

WINDOW = 60.0  # seconds the plot looks back
MAX_TICKS = 60_000  # a thousand tokens a second for the whole window; bounds the memory
RATE_WINDOW = 2.0  # seconds over which a running answer's speed is taken
TOGETHER = 0.0005  # seconds; tokens closer than this came in one round trip


@dataclass(frozen=True)
class Bar:
    """Gaps between tokens that fell into one slice of the window, seconds."""

    typical: float  # the median; tokens that came together share their wait
    worst: float  # as it was


@dataclass(frozen=True)
class Minute:
    """The last minute."""

    bars: tuple[Bar | None, ...]  # oldest first; None where no token came
    typical: float | None  # the same of all gaps
    worst: float | None


class Meter:
    """Remembers when tokens came."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._gaps: deque[tuple[float, float]] = deque(maxlen=MAX_TICKS)  # time, gap

    def token(self, token: Token) -> None:
        """A token came."""
        if token.gap is not None:  # the first of an answer waited for the prompt, not for a token
            with self._lock:
                self._gaps.append((token.time, token.gap))

    def minute(self, now: float, count: int) -> Minute:
        """The last minute in `count` slices, which stand still on the clock while time goes on."""
        width = WINDOW / count
        last = int(now // width)
        with self._lock:
            recent = [(time, gap) for time, gap in self._gaps
                      if last - count < int(time // width) <= last]
        shared = _shared(recent)
        slices: list[list[int]] = [[] for _ in range(count)]
        for place, (time, _) in enumerate(recent):
            slices[int(time // width) - last + count - 1].append(place)
        return Minute(
            tuple(Bar(statistics.median(shared[place] for place in part),
                      max(recent[place][1] for place in part)) if part else None
                  for part in slices),
            statistics.median(shared) if shared else None,
            max((gap for _, gap in recent), default=None))


def _shared(gaps: Sequence[tuple[float, float]]) -> list[float]:
    """Each token's part of the wait: where guesses come true, one round trip brings several."""
    groups: list[list[float]] = []
    before = -math.inf
    for time, gap in gaps:
        if time - before < TOGETHER:
            groups[-1].append(gap)
        else:
            groups.append([gap])
        before = time
    return [sum(group) / len(group) for group in groups for _ in group]


def rate_now(times: Sequence[float]) -> float | None:
    """Tokens a second of an answer that is being written, over its last moments."""
    if len(times) < 2:
        return None
    recent = [time for time in times if time >= times[-1] - RATE_WINDOW]
    if len(recent) < 2:  # tokens come slower than the window is long
        recent = list(times[-2:])
    span = recent[-1] - recent[0]
    return (len(recent) - 1) / span if span > 0 else None
