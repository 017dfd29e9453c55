"""Chooses a token from logits: the same choices, in the same order, as transformers' `generate`.

The library's own processors sort the whole vocabulary for top-p (15 ms at 262,144 entries, beside
20 ms for the model itself); here top-k goes first and only what it kept is sorted. Randomness comes
from the seed alone. The repetition penalty covers the tokens of the answer being written: the edge
never learns the prompt's, and every mode must choose alike.
"""

from __future__ import annotations

import math

import torch

from edge_server.errors import SessionError
from edge_server.messages import ErrorCode, Sampling


class Sampler:
    """Chooses the tokens of one answer, one after another."""

    def __init__(self, sampling: Sampling) -> None:
        self.sampling = sampling
        self._generator = torch.Generator().manual_seed(sampling.seed)
        self._chosen: set[int] = set()

    def choose(self, logits: torch.Tensor) -> int:
        """The next token for float32 `logits` [vocabulary]."""
        _check_finite(logits)
        if self.sampling.repetition_penalty != 1.0 and self._chosen:
            logits = penalised(logits, self._chosen, self.sampling.repetition_penalty)
        if self.sampling.temperature == 0.0:
            token = int(logits.argmax())
        else:
            probabilities = torch.softmax(warped(logits, self.sampling), dim=-1)
            token = int(torch.multinomial(probabilities[None], 1, generator=self._generator))
        self._chosen.add(token)
        return token


def _check_finite(values: torch.Tensor) -> None:
    # The extremes tell it in one pass over a large vocabulary; a NaN anywhere becomes both of them.
    low, high = values.aminmax()
    if not math.isfinite(float(low)) or not math.isfinite(float(high)):
        raise SessionError(ErrorCode.UNUSABLE_ROWS, "The rows lead to no usable scores.",
                           "Check that both sides run the same, undamaged model.")


def penalised(logits: torch.Tensor, chosen: set[int], penalty: float) -> torch.Tensor:
    """Scores of tokens already chosen moved towards unlikely."""
    ids = torch.tensor(sorted(chosen))
    scores = logits[ids]
    return logits.scatter(0, ids, torch.where(scores < 0, scores * penalty, scores / penalty))


def warped(logits: torch.Tensor, sampling: Sampling) -> torch.Tensor:
    """`logits` with temperature applied and what may not be chosen at minus infinity."""
    scores = logits / sampling.temperature if sampling.temperature != 1.0 else logits.clone()
    _check_finite(scores)  # a huge score over a small temperature overflows
    if 0 < sampling.top_k < scores.shape[-1]:
        weakest = torch.topk(scores, sampling.top_k).values[-1]
        scores = scores.masked_fill(scores < weakest, -torch.inf)
    if sampling.top_p < 1.0:
        scores = _keep_nucleus(scores, sampling.top_p)
    if sampling.min_p > 0.0:
        probabilities = torch.softmax(scores, dim=-1)
        scores = scores.masked_fill(
            probabilities < sampling.min_p * probabilities.max(), -torch.inf)
    return scores


def _keep_nucleus(scores: torch.Tensor, top_p: float) -> torch.Tensor:
    """Keep the likeliest tokens whose probabilities sum to `top_p`; at least one."""
    kept = torch.nonzero(scores > -torch.inf)[:, 0]
    ascending, order = torch.sort(scores[kept])
    below = torch.softmax(ascending, dim=-1).cumsum(dim=-1)
    removed = below <= 1.0 - top_p
    removed[-1] = False
    return scores.index_fill(0, kept[order[removed]], -torch.inf)
