"""When which packet comes: one row each, the same for simulated time and for real packets.

Pure data: it knows neither sources nor sockets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

DOWN, UP = 0, 1
MADE_UP = -1  # in place of a recording's row
SECOND = 1_000_000_000  # nanoseconds
ARRIVAL = np.dtype([
    ("time", "<i8"),  # nanoseconds since the start
    ("ue", "<i4"),  # place of the UE in the cell's list
    ("session", "<i4"),  # place of the session in the UE's list
    ("size", "<i4"),  # bytes of the IP packet
    ("row", "<i4"),  # of the source's recording, or MADE_UP
    ("source", "<i2"),  # place of the source in the list of all
    ("flow", "<u2"),  # tells flows of a user apart
    ("direction", "u1"),  # DOWN or UP
], align=True)
Arrivals = NDArray[np.void]
User = tuple[int, int]  # place of the UE, place of its session


class Source(Protocol):
    """Traffic of one kind, of one user or many."""

    def until(self, end: int) -> Arrivals:
        """What comes before `end`, in nanoseconds, and was not given yet; in order of time."""


def arrivals(count: int) -> Arrivals:
    rows = np.zeros(count, ARRIVAL)
    rows["row"] = MADE_UP
    return rows


def merged(parts: Sequence[Arrivals]) -> Arrivals:
    """All of them in order of time; of one time in order of `parts`."""
    if len(parts) == 1:
        return parts[0]
    rows = np.concatenate(parts) if parts else arrivals(0)
    return rows[np.argsort(rows["time"], kind="stable")]


class Mix:
    """Several sources as one, each with its place in `source`."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources = tuple(sources)

    def until(self, end: int) -> Arrivals:
        parts = []
        for place, source in enumerate(self.sources):
            rows = source.until(end)
            rows["source"] = place
            parts.append(rows)
        return merged(parts)
