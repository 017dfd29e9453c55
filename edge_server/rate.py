"""A token bucket: how fast somebody may go on average, and how much at once.

Pure: `now` comes in. It knows neither what is counted nor who.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Bucket:
    """`rate` units a second on average, `burst` at once."""

    rate: float  # units a second
    burst: float  # units that may come at once after a pause
    _level: float = 0.0
    _at: float = float("-inf")  # the bucket is full before it is first used

    def take(self, count: float, now: float) -> float:
        """Take `count` and return 0.0, or take nothing and return the seconds to wait.

        More than a full bucket's worth is let through when it is full, and paid off afterwards: the
        average holds, and a chunk larger than the burst is not refused forever.
        """
        # A clock that was set back must neither add nor take anything.
        self._level = min(self.burst, self._level + max(0.0, now - self._at) * self.rate)
        self._at = now
        missing = min(count, self.burst) - self._level
        if missing > 0:
            return missing / self.rate
        self._level -= count
        return 0.0
