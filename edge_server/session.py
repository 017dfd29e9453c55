"""One phone's session: its states, what it remembers, and the work its frames turn into.

Pure data with the state table; the rules of many sessions are in `sessions`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

import torch

from edge_server.encodings.encoding import Encoding
from edge_server.encodings.registry import RAW, by_name
from edge_server.encodings.wire import Chain
from edge_server.engine.sampling import Sampler
from edge_server.frame import Dtype, Flags, FrameType
from edge_server.messages import Mode, Sampling
from edge_server.split import LayerRange


class State(Enum):
    """Where a session stands."""

    ATTACHED = "attached"  # a connection carries it
    PARKED = "parked"  # the connection broke; the phone may come back
    CLOSED = "closed"  # over: its number means nothing any more


class Event(Enum):
    """What happens to a session besides frames."""

    LOST = "lost"  # its connection broke
    RESUMED = "resumed"  # the phone is back, on a new connection
    ENDED = "ended"  # the phone said goodbye
    EVICTED = "evicted"  # idle for too long, or in the way of somebody who is not
    REVOKED = "revoked"  # its token is no longer valid
    MOVED = "moved"  # this edge is shutting down
    FAILED = "failed"  # it asked what cannot be done


# The life of a session. What is not here cannot happen.
TRANSITIONS: dict[tuple[State, Event], State] = {
    (State.ATTACHED, Event.LOST): State.PARKED,
    # The edge may not have noticed yet that the old connection is dead.
    (State.ATTACHED, Event.RESUMED): State.ATTACHED,
    (State.PARKED, Event.RESUMED): State.ATTACHED,
    **{(state, event): State.CLOSED
       for state in (State.ATTACHED, State.PARKED)
       for event in (Event.ENDED, Event.EVICTED, Event.REVOKED, Event.MOVED, Event.FAILED)},
}

# What a phone may send in each state; anything else is an error of the phone's.
ALLOWED: dict[State, frozenset[FrameType]] = {
    State.ATTACHED: frozenset(
        {FrameType.START, FrameType.ROWS, FrameType.CANCEL, FrameType.GOODBYE}),
    State.PARKED: frozenset(),
    State.CLOSED: frozenset(),
}


@dataclass(frozen=True)
class Serving:
    """What an edge has loaded: what sessions may ask for."""

    identity: str
    held: LayerRange  # layers loaded
    total_layers: int
    hidden: int
    row_type: torch.dtype
    has_output: bool
    vocabulary: int = 0
    token_bytes: int = 0  # of cache, for each token a session holds


@dataclass(frozen=True)
class Owner:
    """Whose session it is: the token it was opened with, by name."""

    name: str = ""
    sessions: int | None = None  # at a time; None: as many as the edge has
    rate: float | None = None  # rows a second, over all its sessions; None: what the edge allows


@dataclass
class Session:
    """One phone's conversation; `slot` is its KV cache."""

    number: int  # in frames
    secret: bytes = field(repr=False)  # with the number, takes the session up again
    owner: Owner
    slot: int
    layers: LayerRange
    mode: Mode
    dtype: Dtype
    opened: float  # seconds, of the clock that comes in
    seen: float  # when its phone was last heard, or lost
    state: State = State.ATTACHED
    connection: int = 0  # counts its connections
    epoch: int = 0  # counts connections and answers; what its frames must name
    sampler: Sampler = field(default_factory=lambda: Sampler(Sampling()))
    answer: int = 0  # counts CANCELs
    cuts: list[tuple[int, int]] = field(default_factory=list)  # of CANCELs: number, rows kept
    length: int = 0  # tokens accepted so far, computed or waiting
    received: int = 0  # bytes of frames, over all its connections
    sent: int = 0
    asked: bool = False  # rows are missing, and the phone was told
    pending: int = 0  # jobs that wait or run
    back: Encoding = field(default_factory=lambda: by_name(RAW))  # of rows in private mode
    chain: Chain = field(default_factory=Chain)  # for rows that depend on those before

    def quiet(self, now: float) -> float:
        """Seconds without a frame; 0 while something is computed for it."""
        return 0.0 if self.pending else now - self.seen

    def cancel(self, kept: int) -> None:
        """Give up the answer; rows from `kept` on are void."""
        self.answer += 1
        # A later CANCEL that kept less says all that an earlier one does: the list stays short.
        self.cuts = [cut for cut in self.cuts if cut[1] < kept] + [(self.answer, kept)]
        self.length, self.asked = min(self.length, kept), False

    def happens(self, event: Event) -> None:
        """Move to the next state."""
        self.state = TRANSITIONS[self.state, event]


@dataclass(frozen=True)
class Job:
    """Rows to run for a session, and whether the phone waits for what follows them."""

    session: Session
    epoch: int
    answer: int  # CANCELs that came before it
    position: int
    rows: torch.Tensor
    flags: Flags
    sampler: Sampler
    drafts: tuple[int, ...] = ()  # ids of the rows after the first, as the phone guesses them
    computed: list[torch.Tensor] = field(default_factory=list)  # rows so far that all go back

    @property
    def given_up(self) -> bool:
        """Nobody waits for its result any more."""
        return self.answer != self.session.answer or self.session.state is State.CLOSED

    @property
    def end(self) -> int:
        """The position after its rows."""
        return self.position + len(self.rows)

    @property
    def cancelled(self) -> bool:
        """Nobody needs its rows either: the phone kept none of them."""
        return self.session.state is State.CLOSED or any(
            number > self.answer and kept <= self.position for number, kept in self.session.cuts)
