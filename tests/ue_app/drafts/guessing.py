"""Drafters for tests: one that knows the answer and errs as often as it is told to."""

from __future__ import annotations

import random
from collections.abc import Sequence

from edge_server.messages import Sampling
from tests.models import VOCABULARY


class Oracle:
    """Guesses what it was told will come, wrong with the probability `errs`."""

    name = "oracle"

    def __init__(self, errs: float = 0.0, seed: int = 1) -> None:
        self.coming: list[int] = []  # the answer
        self._errs, self._random, self._seed = errs, random.Random(seed), seed
        self._first = 0
        self.guessed = 0

    def start(self, sampling: Sampling, first: int) -> None:
        self._first = first

    def read(self, ids: Sequence[int]) -> None:
        pass

    def draft(self, ids: Sequence[int], count: int) -> list[int]:
        known = self.coming[len(ids) - self._first :][:count]
        guesses = [token if self._random.random() >= self._errs else (token + 1) % VOCABULARY
                   for token in known]
        self.guessed += len(guesses)
        return guesses

    def restart(self) -> None:
        """Err from now on where it erred from the beginning on."""
        self._random.seed(self._seed)

    def bytes(self) -> int:
        return 0
