"""A recording as a source: at its own pace or another, once or again and again, for one user.

Many users are many replays of one recording, each with its own start. Arrivals name the
recording's rows, so that a sender finds the packets. It reads no files.
"""

from __future__ import annotations

import numpy as np

from testbed.ran.traffic.arrivals import Arrivals, User, arrivals, merged
from testbed.ran.traffic.config import TrafficConfig
from testbed.ran.traffic.recording import Recording

LEAST_ROUND = 1_000_000  # nanoseconds: a recording of one packet is not sent without end at once


class Replay:
    """`config`'s recording for one user from `begin` on, in nanoseconds.

    `passed` is the share of the first round that is over then: it was heard by nobody.
    """

    def __init__(self, recording: Recording, config: TrafficConfig, user: User,
                 begin: int, passed: float = 0.0) -> None:
        self.recording = recording
        self._config, self._user = config, user
        # Many users share one array where it is as it was recorded.
        self._times = recording.time if config.speed == 1 else (
            np.rint(recording.time / config.speed).astype(np.int64))
        count = len(self._times)
        # From its last packet to its first again: as from packet to packet in the mean.
        gap = int(self._times[-1]) // max(1, count - 1)
        self._round = max(LEAST_ROUND, int(self._times[-1]) + gap)
        over = int(passed * self._round)
        self._begin = begin - over
        self._next = int(np.searchsorted(self._times, over, side="left"))

    def until(self, end: int) -> Arrivals:
        parts = []
        while True:
            last = int(np.searchsorted(self._times, end - self._begin, side="left"))
            if last > self._next:
                parts.append(self._rows(self._next, last))
                self._next = last
            if self._next < len(self._times) or not self._config.loop:
                return merged(parts)
            if self._begin + self._round >= end:
                return merged(parts)
            self._begin, self._next = self._begin + self._round, 0

    def _rows(self, first: int, last: int) -> Arrivals:
        rows, recording = arrivals(last - first), self.recording
        rows["time"] = self._begin + self._times[first:last]
        rows["ue"], rows["session"] = self._user
        rows["size"] = recording.size[first:last]
        rows["row"] = np.arange(first, last)
        rows["flow"] = recording.flow[first:last]
        rows["direction"] = recording.direction[first:last]
        return rows
