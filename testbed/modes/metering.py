"""What each step of an answer cost: wraps a mode's link, and changes nothing.

A step is from one token to the next, each taken when the loop had it: what the client does with the
last bytes (its last layers, choosing a token) is in the step that they belong to. `client` is what
it spent outside the exchange with the other side. Where nothing is sent, all of it is the client's.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import torch

from edge_server.encodings.wire import Packed
from edge_server.frame import Flags, Frame
from edge_server.messages import Hello, Sampling
from testbed.modes.policies import Reported, ServerLink
from ue_app.client import EdgeLink
from ue_app.encoding import RowEncoder
from ue_app.encoding_choice import Choice
from ue_app.link import Link, LinkStatus, Result, Traffic
from ue_app.wire import LinkConfig


@dataclass(frozen=True)
class Step:
    """One token's. Seconds and bytes; None where it was not measured."""

    rows: int  # that were asked for: more than one in a prompt
    sent: float | None  # bytes on the socket; of a step of several sequences, this one's share
    received: float | None
    seconds: float  # from the token before, or from the question
    exchange: float  # from the first byte handed over to the last taken; 0 where none is sent
    client: float  # the rest
    packing: float | None  # of the client's messages, within the exchange
    server: float | None  # from the message read there to the answer ready to be packed
    computed: float | None  # of that, in the layers; where nothing is sent, of the client's
    began: float  # by the client's clock
    reported: Reported | None
    sequences: int = 1  # that were in it, each with a token of its own


@dataclass
class Steps:
    """All of one answer."""

    done: list[Step] = field(default_factory=list)

    def clear(self) -> None:
        self.done = []

    def settle(self, started: float, times: Sequence[float]) -> None:
        """The loop began at `started`, and had its tokens at `times`: a step for each."""
        since, settled = started, []
        for step, now in zip(self.done, times, strict=True):
            seconds = now - since
            settled.append(replace(step, seconds=seconds,
                                   client=max(0.0, seconds - step.exchange)))
            since = now
        self.done = settled


class TimedEncoder(RowEncoder):
    """Knows how long it took to write rows, seconds."""

    def __init__(self, name: str, clock: Callable[[], float], choice: Choice | None = None) -> None:
        super().__init__(name, choice)
        self._clock, self.seconds = clock, 0.0

    def encode(self, position: int, rows: torch.Tensor) -> Packed:
        began = self._clock()
        packed = super().encode(position, rows)
        self.seconds += self._clock() - began
        return packed


class TimedEdgeLink(EdgeLink):
    """The product's link to an edge, and what its rows took to be written, and its results read."""

    def __init__(self, config: LinkConfig, hello: Hello, encoding: str,
                 clock: Callable[[], float] = time.monotonic, choice: Choice | None = None) -> None:
        self._timed = TimedEncoder(encoding, clock, choice)
        self._reading, self._now = 0.0, clock
        super().__init__(config, hello, encoder=self._timed)

    @property
    def packing(self) -> float:
        """Seconds."""
        return self._timed.seconds + self._reading

    def _result(self, frame: Frame) -> Result | None:
        began = self._now()
        result = super()._result(frame)
        self._reading += self._now() - began
        return result


class MeteredLink:
    """A link, timed and counted."""

    def __init__(self, link: Link, steps: Steps, clock: Callable[[], float]) -> None:
        self._link, self._steps, self._clock = link, steps, clock
        self._began: float | None = None
        self._rows = 0
        self._before: tuple[int, int] | None = None
        self._packed: float | None = None  # seconds of packing when the exchange began
        self._due: deque[bool] = deque()  # for each result that is due: whether it ends a step

    @property
    def traffic(self) -> Traffic | None:
        return self._link.traffic

    @traffic.setter
    def traffic(self, value: Traffic | None) -> None:
        self._link.traffic = value

    @property
    def status(self) -> LinkStatus:
        return self._link.status

    @status.setter
    def status(self, value: LinkStatus) -> None:
        self._link.status = value

    @property
    def interrupted(self) -> threading.Event:
        return self._link.interrupted

    @interrupted.setter
    def interrupted(self, value: threading.Event) -> None:
        self._link.interrupted = value

    @property
    def scored(self) -> bool:
        return self._link.scored

    @scored.setter
    def scored(self, value: bool) -> None:
        self._link.scored = value

    @property
    def logits(self) -> torch.Tensor | None:
        return self._link.logits

    @logits.setter
    def logits(self, value: torch.Tensor | None) -> None:
        self._link.logits = value

    def start(self, sampling: Sampling, kept: int, first: int) -> None:
        self._before = self._count()  # what START sends belongs to the prompt
        self._due.clear()
        self._link.start(sampling, kept, first)

    def send(
        self, position: int, rows: torch.Tensor, flags: Flags, drafts: Sequence[int] = ()
    ) -> None:
        if self._began is None:
            self._began = self._clock()
            self._before, self._packed = self._before or self._count(), self._packing()
        self._rows += rows.shape[0]
        if flags & (Flags.RESULT_WANTED | Flags.ALL_ROWS):
            self._due.append(bool(flags & Flags.RESULT_WANTED))
        self._link.send(position, rows, flags, drafts)

    def receive(self) -> Result:
        result = self._link.receive()
        if self._due.popleft():
            self._end()
        return result

    def cancel(self, kept: int) -> int:
        return self._link.cancel(kept)

    def close(self) -> None:
        self._link.close()

    def _count(self) -> tuple[int, int] | None:
        traffic = self._link.traffic
        return None if traffic is None else (traffic.sent, traffic.received)

    def _packing(self) -> float | None:
        if isinstance(self._link, TimedEdgeLink):
            return self._link.packing
        return self._link.channel.packing if isinstance(self._link, ServerLink) else None

    def _end(self) -> None:
        """A result is here; `Steps.settle` says when the loop had made a token of it."""
        began = self._began
        assert began is not None  # what is answered was sent
        took, before, after = self._clock() - began, self._before, self._count()
        told = self._link.reported if isinstance(self._link, ServerLink) else None
        here = after is None  # and nowhere else
        self._steps.done.append(Step(
            self._rows, None if before is None or after is None else after[0] - before[0],
            None if before is None or after is None else after[1] - before[1],
            took, 0.0 if here else took, took if here else 0.0,
            _less(self._packing(), self._packed),
            None if told is None else told.ready - told.whole,
            took if here else None if told is None else told.computed, began, told))
        self._began, self._rows, self._before = None, 0, None


def _less(now: float | None, before: float | None) -> float | None:
    return None if now is None or before is None else now - before
