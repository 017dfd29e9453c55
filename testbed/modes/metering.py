"""What each step of an answer cost: wraps a mode's link, and changes nothing.

A step is from one token to the next. `client` is what it spent outside the exchange with the other
side, in the loop and in the layers that are here.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch

from edge_server.frame import Flags
from edge_server.messages import Sampling
from testbed.modes.policies import Reported, ServerLink
from ue_app.link import Link, LinkStatus, Result, Traffic


@dataclass(frozen=True)
class Step:
    """One token's. Seconds and bytes; None where it was not measured."""

    rows: int  # that were asked for: more than one in a prompt
    sent: float | None  # bytes on the socket; of a step of several sequences, this one's share
    received: float | None
    seconds: float  # from the token before, or from the question
    exchange: float  # from the first byte handed over to the last taken
    client: float  # the rest
    packing: float | None  # of the client's messages, within the exchange
    server: float | None  # from the last byte there to the answer ready to be sent
    computed: float | None  # of that, in the layers
    began: float  # by the client's clock
    reported: Reported | None
    sequences: int = 1  # that were in it, each with a token of its own


@dataclass
class Steps:
    """All of one answer."""

    done: list[Step] = field(default_factory=list)
    since: float = 0.0  # when the last step ended, or the question came

    def clear(self) -> None:
        self.done = []


class MeteredLink:
    """A link, timed and counted."""

    def __init__(self, link: Link, steps: Steps, clock: Callable[[], float]) -> None:
        self._link, self._steps, self._clock = link, steps, clock
        self._began: float | None = None
        self._rows = 0
        self._before: tuple[int, int, float] | None = None
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
        self._steps.since = self._clock()
        self._before = self._count()  # what START sends belongs to the prompt
        self._due.clear()
        self._link.start(sampling, kept, first)

    def send(
        self, position: int, rows: torch.Tensor, flags: Flags, drafts: Sequence[int] = ()
    ) -> None:
        if self._began is None:
            self._began = self._clock()
            self._before = self._before or self._count()
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

    def _count(self) -> tuple[int, int, float] | None:
        traffic = self._link.traffic
        if traffic is None:
            return None
        packing = self._link.channel.packing if isinstance(self._link, ServerLink) else 0.0
        return traffic.sent, traffic.received, packing

    def _end(self) -> None:
        now, began = self._clock(), self._began
        assert began is not None  # what is answered was sent
        since = self._steps.since
        before, after = self._before, self._count()
        told = self._link.reported if isinstance(self._link, ServerLink) else None
        counted = before is not None and after is not None
        self._steps.done.append(Step(
            self._rows, after[0] - before[0] if counted and after and before else None,
            after[1] - before[1] if counted and after and before else None,
            now - since, now - began, max(0.0, began - since),
            after[2] - before[2] if told and after and before else None,
            None if told is None else told.ready - told.whole,
            None if told is None else told.computed, began, told))
        self._steps.since, self._began, self._rows, self._before = now, None, 0, None
