"""Drafts by looking up: what followed when the same words came before.

The longest end of the conversation that stood in it earlier is found, and what came after it then
is the guess. It costs no model and is good where text repeats itself: quotes, code, lists, and
small models that go round in circles.
"""

from __future__ import annotations

from collections.abc import Sequence

from edge_server.messages import Sampling

LONGEST = 8  # tokens of an end that are compared: longer ones are not rarer in practice
SHORTEST = 2  # a single token says too little


class LookupDrafter:
    """The conversation itself as the source."""

    name = "lookup"

    def __init__(self, shortest: int = SHORTEST, longest: int = LONGEST) -> None:
        self._shortest, self._longest = shortest, longest
        self._ids: list[int] = []  # what is indexed
        # By words of each length: where they ended last, before the end of the conversation.
        self._ends: dict[tuple[int, ...], int] = {}
        self.matched = 0  # tokens of the end that the last draft was found by

    def start(self, sampling: Sampling, first: int) -> None:
        """What is said matters, not how it is chosen."""

    def read(self, ids: Sequence[int]) -> None:
        if self._ids != list(ids[: len(self._ids)]):
            self._ids, self._ends = [], {}
        # An end is indexed when something follows it: the last one would find itself.
        for end in range(max(len(self._ids), 1), len(ids)):
            for length in range(self._shortest, min(self._longest, end) + 1):
                self._ends[tuple(ids[end - length : end])] = end
        self._ids = list(ids)

    def draft(self, ids: Sequence[int], count: int) -> list[int]:
        self.read(ids)
        self.matched = 0
        for length in range(min(self._longest, len(ids)), self._shortest - 1, -1):
            end = self._ends.get(tuple(ids[len(ids) - length :]))
            if end is not None:
                self.matched = length
                return _going_on(ids, end, count)
        return []

    def bytes(self) -> int:
        return 0  # a few kilobytes of the conversation's own ids


def _going_on(ids: Sequence[int], start: int, count: int) -> list[int]:
    """`count` tokens from `start` on; where they reach the end, the circle is gone round again."""
    period = len(ids) - start
    return [ids[start + index % period] for index in range(count)]
