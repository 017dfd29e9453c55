"""What the phone sends its rows through: the interface, and the link that needs no network.

A link carries rows at absolute positions and gives back, in order, a token or hidden rows for each
send that asked for a result. The generation loop is the same over every link. `client` holds the
one that reaches an edge.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import torch

from edge_server.engine.load import Engine
from edge_server.engine.sampling import Sampler, choose_drafted
from edge_server.engine.stage import warm_up
from edge_server.errors import SessionError
from edge_server.frame import Flags
from edge_server.messages import Sampling
from edge_server.split import LayerRange

Result = int | tuple[int, ...] | torch.Tensor


@dataclass
class Traffic:
    """Bytes on the socket, all protocols above TCP included."""

    sent: int = 0
    received: int = 0


class LinkState(StrEnum):
    """What a person would say of the connection."""

    LOCAL = "local"  # every layer runs here: there is none
    CONNECTED = "connected"
    RECONNECTING = "reconnecting"  # it dropped; the link is trying to take the session up again
    CLOSED = "closed"


@dataclass
class LinkStatus:
    """How the link is doing; read by whoever shows it, from any thread."""

    state: LinkState
    edge: str | None = None  # address of the edge in use
    round_trip: float | None = None  # seconds, the last measured; None before that
    resumed: int = 0  # times a session was taken up again where it was
    rebuilt: int = 0  # times it had to be sent anew from this phone's history
    encoding: str | None = None  # in which the last new rows went
    slice: str | None = None  # what the network says it put this traffic in; None: it said nothing


class Link(Protocol):
    """The way to the layers that the phone does not run."""

    traffic: Traffic | None  # None where nothing is sent
    status: LinkStatus
    interrupted: threading.Event  # whoever sets it, on any thread, has the link give up soon

    scored: bool  # whether `logits` are to be had
    logits: torch.Tensor | None  # scores of the token received last, until the next is asked for

    def start(self, sampling: Sampling, kept: int, first: int) -> None:
        """A new answer begins, its first token at `first`; tokens are to be chosen so.

        Positions from `kept` on are void.
        """

    def send(
        self, position: int, rows: torch.Tensor, flags: Flags, drafts: Sequence[int] = ()
    ) -> None:
        """Rows from `position` on; `flags` say what is to come back.

        With `drafts` all rows but the first are of these ids, which are guesses.
        """

    def receive(self) -> Result:
        """The next result that a send asked for: a token, or hidden rows in private mode.

        For one with drafts, the tokens that are sure: the guesses that came true, and the one after
        them. Rows of the others are void.
        """

    def cancel(self, kept: int) -> int:
        """Give up the answer: results still due are dropped, positions from `kept` on are void.

        Returns how many positions the other side still holds: 0 where the link was rebuilt.
        """

    def close(self) -> None:
        """Free what the link holds."""


class LocalLink:
    """The later layers in this process: the unsplit model, through the same loop."""

    traffic: Traffic | None = None
    scored = True

    def __init__(self, engine: Engine, layers: LayerRange) -> None:
        self.status = LinkStatus(LinkState.LOCAL)
        self.interrupted = threading.Event()  # nothing here waits for long
        self._stage = engine.stage(layers)
        self._output = engine.output()
        self._sampler = Sampler(Sampling())
        self._results: deque[Result] = deque()
        self.logits: torch.Tensor | None = None
        warm_up(self._stage, self._output, engine.checkpoint.architecture.hidden)

    def start(self, sampling: Sampling, kept: int, first: int) -> None:
        self._sampler = Sampler(sampling, first)

    def send(
        self, position: int, rows: torch.Tensor, flags: Flags, drafts: Sequence[int] = ()
    ) -> None:
        count = rows.shape[0]
        out = self._stage.forward([0] * count, range(position, position + count), rows)
        if drafts:
            (tokens,) = choose_drafted(
                self._output, out, [self._sampler], [position + 1], [drafts])
            if isinstance(tokens, SessionError):
                raise tokens
            self._results.append(tuple(tokens))
        elif flags & Flags.RESULT_WANTED:
            self.logits = self._output.logits(out[-1:])[0]
            self._results.append(self._sampler.choose(self.logits, position + count))

    def receive(self) -> Result:
        return self._results.popleft()

    def cancel(self, kept: int) -> int:
        self._results.clear()
        self._stage.truncate(0, min(kept, self._stage.length(0)))
        return self._stage.length(0)

    def close(self) -> None:
        self._stage.truncate(0, 0)
