"""Several sequences in step: one forward pass, one message and one answer for all their tokens.

    lines = Together(way, capacity, clock).ask(prompts, 50)

It is the loop of all modes where a batch is answered together; what differs is the way it is handed
(`together_ways`). All prompts go in one step, then a token of each sequence in each. A sequence
that ends leaves the batch: later steps are of those that are left, and nothing is padded. It reads
time from the clock it is given and knows no text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from edge_server.errors import ConfigurationError
from edge_server.messages import Sampling
from testbed.modes.channel import Channel
from testbed.modes.metering import Step
from testbed.modes.pieces import Piece, piece_of
from testbed.modes.policies import Reported
from ue_app.link import Traffic


class Way(Protocol):
    """Where a step's layers and caches are; a mode's policy."""

    reuses_prefix: bool  # what both sides hold already is not computed again
    channel: Channel | None
    reported: Reported | None  # of the step that was answered last

    @property
    def traffic(self) -> Traffic | None:
        """None where nothing is sent."""

    def start(self, sampling: Sampling, kept: Sequence[int], first: Sequence[int]) -> None:
        """Answers begin: what each sequence keeps, and where its first token will stand."""

    def rows(self, pieces: Sequence[Piece]) -> Any:
        """What is sent of them: the client's own layers, if it has any."""

    def exchange(self, pieces: Sequence[Piece], rows: Any) -> Any:
        """What comes of it on the other side."""

    def tokens(self, pieces: Sequence[Piece], answer: Any) -> list[int]:
        """The token after each piece."""

    def close(self) -> None: ...


@dataclass
class Line:
    """One sequence's answer."""

    ids: list[int] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)  # bytes are its share, times are whole


class Together:
    """The loop, and what each sequence holds."""

    def __init__(self, way: Way, capacity: int, clock: Callable[[], float],
                 stop_ids: frozenset[int] = frozenset()) -> None:
        self._way, self._capacity, self._clock, self._stop_ids = way, capacity, clock, stop_ids
        self._held: list[list[int]] = []
        self._since = 0.0  # when the last step ended, or the question came
        self._before: tuple[int, int] | None = None

    def ask(self, prompts: Sequence[Sequence[int]], tokens: int, sampling: Sampling = Sampling()  # noqa: B008 - frozen
            ) -> list[Line]:
        """An answer to each prompt, which is all of its conversation so far."""
        for prompt in prompts:
            if not 0 < len(prompt) <= self._capacity - tokens + 1:
                raise ConfigurationError(
                    f"A conversation of {len(prompt)} tokens and {tokens} more does not fit: "
                    f"{self._capacity} do.", "Shorten it, or raise the context on both sides.")
        self._since = self._clock()
        kept = self._reused(prompts)
        self._held = [list(prompt[:count]) for prompt, count in zip(prompts, kept, strict=True)]
        lines = [Line() for _ in prompts]
        self._before = self._count()  # what START sends belongs to the prompts
        self._way.start(sampling, kept, [len(prompt) for prompt in prompts])
        pieces = [piece_of(place, count, prompt[count:])
                  for place, (prompt, count) in enumerate(zip(prompts, kept, strict=True))]
        while pieces:
            self._step(pieces, lines)
            pieces = [piece_of(one.sequence, one.end, lines[one.sequence].ids[-1:])
                      for one in pieces if self._goes_on(lines[one.sequence], tokens)]
        return lines

    def _reused(self, prompts: Sequence[Sequence[int]]) -> list[int]:
        if not self._way.reuses_prefix or len(self._held) != len(prompts):
            return [0] * len(prompts)
        return [min(common_prefix(held, prompt), len(prompt) - 1)
                for held, prompt in zip(self._held, prompts, strict=True)]

    def _goes_on(self, line: Line, tokens: int) -> bool:
        return len(line.ids) < tokens and line.ids[-1] not in self._stop_ids

    def _step(self, pieces: Sequence[Piece], lines: Sequence[Line]) -> None:
        way = self._way
        before = self._before or self._count()
        rows = way.rows(pieces)
        packed, began = self._packing(), self._clock()
        answer = way.exchange(pieces, rows)
        exchange, packed = self._clock() - began, self._packing() - packed
        tokens = way.tokens(pieces, answer)
        now, after = self._clock(), self._count()
        for piece, token in zip(pieces, tokens, strict=True):
            self._held[piece.sequence] += piece.ids
            lines[piece.sequence].ids.append(token)
            lines[piece.sequence].steps.append(_share(
                piece, len(pieces), before, after, now - self._since, exchange, packed, began,
                way.reported))
        self._since, self._before = now, None

    def _count(self) -> tuple[int, int] | None:
        traffic = self._way.traffic
        return None if traffic is None else (traffic.sent, traffic.received)

    def _packing(self) -> float:
        return 0.0 if self._way.channel is None else self._way.channel.packing


def _share(piece: Piece, sequences: int, before: tuple[int, int] | None,
           after: tuple[int, int] | None, seconds: float, exchange: float, packed: float,
           began: float, told: Reported | None) -> Step:
    """One sequence's: it waits for the whole step, and has its part of the bytes."""
    if before is None or after is None or told is None:  # nothing is sent: all of it was here
        return Step(piece.count, None, None, seconds, 0.0, seconds, None, None, exchange, began,
                    None, sequences)
    sent, received = ((after[which] - before[which]) / sequences for which in (0, 1))
    return Step(piece.count, sent, received, seconds, exchange, max(0.0, seconds - exchange),
                packed, told.ready - told.whole, told.computed, began, told,
                sequences)


def common_prefix(held: Sequence[int], prompt: Sequence[int]) -> int:
    """How many ids both begin with."""
    return next((place for place, (one, other) in enumerate(zip(held, prompt, strict=False))
                 if one != other), min(len(held), len(prompt)))
