"""The layers the phone runs: ids to activation rows, and in private mode rows to a token.

It knows no text and no network. In private mode the phone also runs the last layers; their cache
needs the rows of every position, so a prompt's rows all come back, not the last one alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from edge_server.engine.load import Engine
from edge_server.engine.sampling import Sampler, choose_drafted
from edge_server.engine.stage import warm_up
from edge_server.errors import ConfigurationError, SessionError
from edge_server.frame import Flags
from edge_server.split import LayerRange


@dataclass(frozen=True)
class Placement:
    """Which layers run where."""

    first: LayerRange  # on the phone
    remote: LayerRange  # beyond the link
    last: LayerRange | None  # on the phone again, with the output head; None: the edge samples

    @property
    def private(self) -> bool:
        return self.last is not None


def place(split: int, total: int, tail: int | None) -> Placement:
    """Layers `[0, split)` on the phone; with `tail`, its last `tail` layers too."""
    if tail is not None and not 0 <= tail <= total:
        raise ConfigurationError(f"A model of {total} layers has no last {tail}.",
                                 f"Give --tail from 0 to {total}.")
    end = total if tail is None else total - tail
    if not 0 <= split <= end <= total:
        raise ConfigurationError(
            f"A model of {total} layers cannot be split at {split}"
            + (f" with its last {tail} on the phone." if tail is not None else "."),
            f"Give --split from 0 to {end}.")
    return Placement(LayerRange(0, split), LayerRange(split, end),
                     None if tail is None else LayerRange(end, total))


class Head:
    """The phone's share of one conversation."""

    def __init__(self, engine: Engine, placement: Placement) -> None:
        self.placement = placement
        self._embedding = engine.embedding()
        self._first = engine.stage(placement.first)
        self._last = engine.stage(placement.last) if placement.last is not None else None
        self._output = engine.output() if placement.last is not None else None
        hidden = engine.checkpoint.architecture.hidden
        warm_up(self._first, None, hidden)
        if self._last is not None:
            warm_up(self._last, self._output, hidden)

    @property
    def step_flags(self) -> Flags:
        """What to ask back for rows whose token is wanted."""
        return self.chunk_flags | Flags.RESULT_WANTED

    @property
    def chunk_flags(self) -> Flags:
        """What to ask back for rows in the middle of a prompt."""
        return Flags.ALL_ROWS if self._last is not None and len(self._last.layers) else Flags.NONE

    def rows(self, ids: Sequence[int], position: int) -> torch.Tensor:
        """The activation rows of `ids`, which stand at `position` and after."""
        positions = range(position, position + len(ids))
        return self._first.forward([0] * len(ids), positions, self._embedding.rows(ids))

    def absorb(self, hidden: torch.Tensor, position: int) -> torch.Tensor:
        """Run the last layers on rows that came back; private mode only."""
        assert self._last is not None
        positions = range(position, position + hidden.shape[0])
        return self._last.forward([0] * hidden.shape[0], positions, hidden)

    def logits(self, row: torch.Tensor) -> torch.Tensor:
        """Scores of the token after `row`, the last layer's output; private mode only."""
        assert self._output is not None
        return self._output.logits(row[-1:])[0]

    def verify(
        self, rows: torch.Tensor, sampler: Sampler, position: int, drafts: Sequence[int]
    ) -> list[int]:
        """Which tokens stand from `position` on: the drafts that come true, and the one after."""
        assert self._output is not None
        (tokens,) = choose_drafted(self._output, rows, [sampler], [position], [drafts])
        if isinstance(tokens, SessionError):
            raise tokens
        return tokens

    def bytes(self) -> int:
        """Memory held in weights and caches."""
        return sum(part.bytes() for part in (self._first, self._last, self._output)
                   if part is not None)
