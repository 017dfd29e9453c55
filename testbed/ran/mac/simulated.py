"""Slots without packets' bytes: arrivals come from sources, and time is only a number.

    cell = Simulated(mac, source, bearers, slot_us=1000)
    cell.advance(60.0)                     # seconds of the cell's time, as fast as it goes

The scheduler is the one that carries real packets. What of packets matters here are times and
sizes; nobody answers, so sources that would wait for an answer do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from testbed.ran.mac.kernel import enqueue, run_slot
from testbed.ran.mac.state import Mac, N
from testbed.ran.plane.compiled import compiled
from testbed.ran.traffic.arrivals import Arrivals, User

CHUNK_SLOTS = 200  # between two calls of Python's


class Comes(Protocol):
    """Traffic: see `traffic.arrivals.Source`."""

    def until(self, end: int) -> Arrivals: ...


class Simulated:
    """A cell that runs when told to."""

    def __init__(self, mac: Mac, source: Comes, bearers: Mapping[User, int],
                 slot_us: int) -> None:
        self._mac, self._source = mac, source
        self._slot_ns = slot_us * 1000
        most = 1 + max((session for _, session in bearers), default=0)
        self._bearers = np.full((1 + max((ue for ue, _ in bearers), default=0), most), -1, np.int64)
        for (ue, session), bearer in bearers.items():
            self._bearers[ue, session] = bearer
        self._slot = 0
        self.offered = np.zeros(2, np.int64)  # packets

    @property
    def now(self) -> float:
        """Seconds that have passed."""
        return self._slot * self._slot_ns / 1e9

    @property
    def inside(self) -> int:
        """Packets that are neither delivered nor dropped."""
        return int(self._mac.numbers[N.INSIDE])

    def advance(self, now: float) -> None:
        """Run slots up to `now`."""
        last = round(now * 1e9) // self._slot_ns
        while self._slot < last:
            count = min(CHUNK_SLOTS, last - self._slot)
            rows = self._source.until((self._slot + count) * self._slot_ns)
            self.offered += np.bincount(rows["direction"], minlength=2)[:2]
            bearers = self._bearers[rows["ue"], rows["session"]]
            run_many(self._mac, self._slot, count, self._slot_ns,
                     np.ascontiguousarray(rows["time"]), bearers,
                     rows["direction"].astype(np.int64), rows["size"].astype(np.int64))
            self._slot += count


@compiled
def run_many(mac: Mac, slot: int, count: int, slot_ns: int, times: NDArray[np.int64],
             bearers: NDArray[np.int64], directions: NDArray[np.int64],
             sizes: NDArray[np.int64]) -> None:
    """Slots in a row; what comes during one can be sent in the next."""
    place = 0
    for step in range(count):
        begin = (slot + step) * slot_ns
        while place < len(times) and times[place] <= begin:
            enqueue(mac, bearers[place], directions[place], place, sizes[place], times[place])
            place += 1
        run_slot(mac, slot + step, begin)
        mac.ends[0] = 0
        mac.ends[1] = 0
    while place < len(times):  # in the last slot
        enqueue(mac, bearers[place], directions[place], place, sizes[place], times[place])
        place += 1
