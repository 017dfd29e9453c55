"""The interface every way of running layers offers, and the checks they share.

A stage runs layers `[start, end)` of one model. It holds a fixed number of slots, each with a
KV cache of its own, and takes rows: row i belongs to `slots[i]` at absolute `positions[i]`. Rows of
different slots in one call are a batch; consecutive rows of one slot are a chunk of its prompt.
It does not know tokens, sessions or networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch

from edge_server.errors import StageError
from edge_server.split import LayerRange


class Stage(Protocol):
    """Layers `[start, end)` with a KV cache per slot."""

    layers: LayerRange
    dtype: torch.dtype  # of the rows in and out
    slots: int
    capacity: int  # tokens a slot holds

    def forward(
        self, slots: Sequence[int], positions: Sequence[int], rows: torch.Tensor
    ) -> torch.Tensor:
        """Run `rows` [rows, hidden] and return the same shape and type.

        A slot's rows must be consecutive positions, starting at or before its length: what it
        holds from there on is forgotten first, so a repeated row is harmless.
        """

    def length(self, slot: int) -> int:
        """Tokens that `slot` holds."""

    def truncate(self, slot: int, length: int) -> None:
        """Forget everything of `slot` from position `length` on; 0 frees it."""

    def narrowed(self, layers: LayerRange) -> Stage:
        """A stage of just these of its layers, sharing slots, and weights where it can.

        A slot may be used through one view at a time.
        """

    def bytes(self) -> int:
        """Memory held in weights and caches."""


class Embedding(Protocol):
    """Token ids to rows; the first stage's input."""

    dtype: torch.dtype

    def rows(self, ids: Sequence[int]) -> torch.Tensor:
        """[ids, hidden], scaled as the family scales."""


class Output(Protocol):
    """Final norm and output projection: rows of the last stage to logits."""

    def logits(self, rows: torch.Tensor) -> torch.Tensor:
        """float32 [rows, vocabulary] for `rows` [rows, hidden]."""

    def likeliest(
        self, rows: torch.Tensor, wanted: Sequence[int]
    ) -> tuple[list[int | None], torch.Tensor]:
        """Each row's likeliest token, of equals the first; None where a score is not finite.

        And the logits of the rows that `wanted` lists, ascending, as `logits` gives them: scores
        that nobody looks at need not be kept.
        """

    def bytes(self) -> int:
        """Memory held in weights."""


def warm_up(stage: Stage, output: Output | None, hidden: int) -> None:
    """Run one row through and forget it: threads start and memory is touched before it counts."""
    rows = stage.forward([0], [0], torch.zeros(1, hidden, dtype=stage.dtype))
    if output is not None:
        output.logits(rows)
    stage.truncate(0, 0)


def check_rows(
    stage: Stage, slots: Sequence[int], positions: Sequence[int], rows: torch.Tensor, hidden: int
) -> None:
    """Raise `StageError` unless `rows` can be run; checked before anything changes."""
    if rows.ndim != 2 or rows.shape[1] != hidden or rows.dtype != stage.dtype:
        raise StageError(f"A stage takes [rows, {hidden}] of {stage.dtype}, not "
                         f"{list(rows.shape)} of {rows.dtype}.")
    if not len(slots) == len(positions) == rows.shape[0]:
        raise StageError(f"{rows.shape[0]} rows came with {len(slots)} slots "
                         f"and {len(positions)} positions.")
    expected: dict[int, int] = {}
    for slot, position in zip(slots, positions, strict=True):
        if not 0 <= slot < stage.slots:
            raise StageError(f"Slot {slot} is not among the {stage.slots} of this stage.")
        if not 0 <= position < stage.capacity:
            raise StageError(f"Position {position} is outside a slot's {stage.capacity} tokens.",
                             "Start a new conversation, or serve with a longer --context.")
        if slot in expected and position != expected[slot]:
            raise StageError(f"Rows of slot {slot} jump to position {position}; "
                             f"{expected[slot]} comes next.")
        if slot not in expected and position > stage.length(slot):
            raise StageError(f"Position {position} of slot {slot} leaves a gap: it holds "
                             f"{stage.length(slot)} tokens.", "Send the rows between first.")
        expected[slot] = position + 1
