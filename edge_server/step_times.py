"""When the last steps were, for whoever measures an edge from outside and cannot see into it.

Kept where `--step-times` asks for it, so many and no more. Noting one takes a microsecond of the
step; who asks names a session as logs do. It knows no clock: times come in.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

from edge_server.logs import alias


@dataclass(frozen=True)
class StepTime:
    """One session's part of a step, by the worker's clock in seconds."""

    session: int  # its number, which nobody is told
    end: int  # position after its rows, where the token that is chosen will stand
    came: float  # the last of its rows was there
    began: float
    ended: float  # and what follows the rows was chosen


class StepTimes:
    """The last of them; any thread may ask."""

    def __init__(self, most: int) -> None:
        self._kept: deque[StepTime] = deque(maxlen=most)
        self._lock = threading.Lock()

    def add(self, one: StepTime) -> None:
        with self._lock:
            self._kept.append(one)

    def of(self, session: str) -> list[StepTime]:
        """Those of the session with that alias, the earliest first."""
        with self._lock:
            kept = list(self._kept)
        numbers = {one.session for one in kept}
        mine = {number for number in numbers if alias(number) == session}
        return [one for one in kept if one.session in mine]
