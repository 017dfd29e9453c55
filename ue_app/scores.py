"""How likely a chosen token was, and which others were likely: where this side has the scores.

Log-probabilities are of the model's own scores, before temperature and the other choices. It knows
tokens' numbers, not their text.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class TokenScores:
    """Log-probabilities, in nats, where one token was chosen."""

    token: int
    chosen: float
    likeliest: tuple[tuple[int, float], ...]  # in falling order


def scores_of(logits: torch.Tensor, token: int, count: int) -> TokenScores:
    """The log-probability of `token`, and the `count` largest, for float32 `logits`."""
    logarithms = torch.log_softmax(logits, dim=-1)
    values, ids = torch.topk(logarithms, min(count, logits.shape[-1]))
    return TokenScores(token, float(logarithms[token]),
                       tuple(zip(ids.tolist(), values.tolist(), strict=True)))
