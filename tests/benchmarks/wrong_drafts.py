"""A drafter that costs what the exit head costs, and is never right.

It asks the exit head, which takes its time, and then guesses a token that no answer holds. So what
is seen is the worst that drafting can do: the phone's time, the link's bytes and the edge's rows,
and nothing won. Its own clock says what a guess took, as proof that it was not for nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from edge_server.messages import Sampling
from ue_app.drafts.drafter import Drafter
from ue_app.drafts.registry import DRAFTERS

WRONG = "wrong"
NEVER = 0  # the padding token


class Wrong:
    """Spends another's time on its guesses and throws them away."""

    name = WRONG

    def __init__(self, asked: Drafter) -> None:
        self._asked = asked
        self.guesses, self.seconds = 0, 0.0

    def start(self, sampling: Sampling, first: int) -> None:
        self._asked.start(sampling, first)

    def read(self, ids: Sequence[int]) -> None:
        self._asked.read(ids)

    def draft(self, ids: Sequence[int], count: int) -> list[int]:
        began = time.perf_counter()
        guesses = self._asked.draft(ids, count)
        self.seconds += time.perf_counter() - began
        self.guesses += len(guesses)
        return [NEVER] * len(guesses)

    def bytes(self) -> int:
        return self._asked.bytes()

    @property
    def milliseconds(self) -> float | None:
        """That a guess took; None before there was one."""
        return 1e3 * self.seconds / self.guesses if self.guesses else None


@contextmanager
def wrong_drafter() -> Iterator[list[Wrong]]:
    """`--speculate wrong` means something meanwhile; those that were opened are in the list."""
    opened: list[Wrong] = []

    def opening(surroundings: Any) -> Wrong:
        opened.append(Wrong(DRAFTERS["exit"](surroundings)))
        return opened[-1]

    table: Any = DRAFTERS
    table[WRONG] = opening
    try:
        yield opened
    finally:
        del table[WRONG]
