"""Notices indications that are lost, doubled or late, by their numbers or by their time stamps.

Base stations that number nothing send time stamps at least; one that is set back for good, as a
clock that was put right, is believed after a few reports. It knows nothing of what they say.
"""

from __future__ import annotations

from dataclasses import dataclass

NUMBERS = 65536  # RICindicationSN wraps there
LATE = NUMBERS // 2  # further ahead than this is behind
BELIEVED = 3  # reports in a row that seem late are a base station that counts anew


@dataclass(slots=True)
class _Last:
    number: int | None = None
    start: float | None = None
    refused: int = 0


class Sequences:
    """Of all subscriptions."""

    def __init__(self) -> None:
        self._last: dict[str, dict[int, _Last]] = {}

    def saw(
        self, node: str, subscription: int, number: int | None, start: float | None
    ) -> int | None:
        """How many were lost just before this one; None where it is doubled or late."""
        last = self._last.setdefault(node, {}).setdefault(subscription, _Last())
        lost, behind = 0, False
        if number is not None and last.number is not None:
            ahead = (number - last.number) % NUMBERS
            behind = ahead == 0 or ahead >= LATE
            lost = ahead - 1
        elif start is not None and last.start is not None:
            behind = start <= last.start
        if behind:
            last.refused += 1
            if last.refused < BELIEVED:
                return None
            lost = 0
        last.number, last.start, last.refused = number, start, 0
        return lost

    def forget(self, node: str) -> None:
        self._last.pop(node, None)
