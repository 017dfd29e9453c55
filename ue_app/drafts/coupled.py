"""Chooses a draft's tokens with the very random numbers that the edge will choose with.

A position's random numbers depend on the seed alone, and an index wins where its probability is
large beside its number. Two distributions that are alike therefore mostly choose alike, far more
often than two independent draws would: a drafter that has the model's own distribution is always
right, whatever the temperature. It knows no models.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from edge_server.engine.draws import Draws, open_draws
from edge_server.engine.sampling import penalised, warped
from edge_server.messages import Sampling

KEPT_STATES = 64  # of 2.5 KB: more than one draft goes back


class Coupled:
    """The choices of one answer, at any position, in any order."""

    def __init__(self, sampling: Sampling, first: int, vocabulary: int) -> None:
        """`vocabulary` is the size of the model's that is drafted for."""
        self._sampling, self._first, self._vocabulary = sampling, first, vocabulary
        self._states: dict[int, Draws] = {}  # as they are before the answer's token of that index

    def choose(self, logits: torch.Tensor, chosen: Sequence[int]) -> int:
        """The token after `chosen`, which are the answer's so far, for `logits` [vocabulary]."""
        if self._sampling.repetition_penalty != 1.0 and chosen:
            logits = penalised(logits, set(chosen), self._sampling.repetition_penalty)
        if self._sampling.temperature == 0.0:
            return int(logits.argmax())
        probabilities = torch.softmax(warped(logits, self._sampling), dim=-1)
        return self._before(len(chosen)).copy().draw(probabilities)

    def _before(self, index: int) -> Draws:
        state = self._states.get(index)
        if state is None:
            known = max((other for other in self._states if other < index), default=None)
            state = (open_draws(self._sampling.seed) if known is None
                     else self._states[known].copy())
            state.skip((index - (known or 0)) * self._vocabulary)
            self._states[index] = state
            for old in sorted(self._states)[:-KEPT_STATES]:
                del self._states[old]
        return state
