"""Sessions of phones on one edge: what each may ask, and the work its frames turn into.

Sans-IO: `accept` takes a frame and gives a `Job` or nothing, and raises `SessionError` or
`FrameError` for what a phone may not do. States and the frames they take are a table. It knows no
sockets and no threads; `worker` runs the jobs, `app` moves the bytes.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from enum import Enum

import torch

from edge_server.config import EdgeConfig
from edge_server.engine.sampling import Sampler
from edge_server.engine.tensors import TORCH_TYPES, WIRE_TYPES, from_bytes
from edge_server.errors import SessionError
from edge_server.frame import Dtype, Flags, Frame, FrameType
from edge_server.messages import PROTOCOL, ErrorCode, Hello, Mode, Sampling, Welcome
from edge_server.split import LayerRange


class State(Enum):
    """Where a session stands."""

    OPEN = "open"
    CLOSED = "closed"


# What a phone may send in each state; anything else is an error of the phone's.
ALLOWED: dict[State, frozenset[FrameType]] = {
    State.OPEN: frozenset(
        {FrameType.SAMPLING, FrameType.ROWS, FrameType.CANCEL, FrameType.GOODBYE}),
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


@dataclass
class Session:
    """One phone's conversation; `slot` is its KV cache."""

    number: int  # alias in frames
    slot: int
    layers: LayerRange
    mode: Mode
    dtype: Dtype
    state: State = State.OPEN
    sampler: Sampler = field(default_factory=lambda: Sampler(Sampling()))
    answer: int = 0  # counts CANCELs: jobs of an earlier answer are dropped
    length: int = 0  # tokens accepted so far, computed or waiting


@dataclass(frozen=True)
class Job:
    """Rows to run for a session, and whether the phone waits for what follows them."""

    session: Session
    answer: int
    position: int
    rows: torch.Tensor
    flags: Flags
    sampler: Sampler
    computed: list[torch.Tensor] = field(default_factory=list)  # rows so far that all go back

    @property
    def cancelled(self) -> bool:
        return self.answer != self.session.answer or self.session.state is State.CLOSED


class Sessions:
    """All sessions of one edge."""

    def __init__(self, config: EdgeConfig, serving: Serving) -> None:
        self._config = config
        self._serving = serving
        self._free = list(range(config.engine.slots))
        self._open: dict[int, Session] = {}

    def __len__(self) -> int:
        return len(self._open)

    def open(self, hello: Hello) -> Session:
        """Admit a phone, or say why not."""
        self._check(hello)
        if not self._free:
            raise SessionError(
                ErrorCode.TOO_MANY_SESSIONS,
                f"This edge already serves its limit of {self._config.engine.slots} sessions.",
                "Try again shortly, or another edge.")
        session = Session(secrets.randbits(63) + 1, self._free.pop(), hello.layers, hello.mode,
                          hello.dtype)
        self._open[session.number] = session
        return session

    def welcome(self, session: Session) -> Welcome:
        return Welcome(session.number, self._config.engine.capacity, self._config.max_rows)

    def close(self, session: Session) -> None:
        """Forget a session; its slot is free for the next once it was cleared."""
        session.state = State.CLOSED
        if self._open.pop(session.number, None) is not None:
            self._free.append(session.slot)

    def _check(self, hello: Hello) -> None:
        serving = self._serving
        if hello.protocol != PROTOCOL:
            raise SessionError(ErrorCode.WRONG_PROTOCOL,
                               f"The phone speaks protocol {hello.protocol}, the edge {PROTOCOL}.",
                               "Install the same version on both sides.")
        if hello.identity != serving.identity:
            raise SessionError(
                ErrorCode.WRONG_MODEL,
                f"The phone's model ({hello.identity[:12]}…) is not the edge's "
                f"({serving.identity[:12]}…).",
                "Give both sides parts of the same model: split it once, and copy both folders.")
        last = serving.total_layers
        if hello.mode is Mode.TOKENS and (hello.layers.end != last or not serving.has_output):
            raise SessionError(
                ErrorCode.WRONG_LAYERS, f"Layers {hello.layers} of {last} end before the output.",
                "Use --private with a phone folder that holds the last layers, or a whole tail.")
        if hello.layers.start < serving.held.start or hello.layers.end > serving.held.end:
            raise SessionError(
                ErrorCode.WRONG_LAYERS,
                f"The phone needs layers {hello.layers}; this edge holds {serving.held}.",
                f"Use --split {serving.held.start} with a model that holds the layers before.")
        if TORCH_TYPES.get(hello.dtype) is not serving.row_type:
            raise SessionError(
                ErrorCode.WRONG_DTYPE,
                f"The phone sends {hello.dtype.name} rows; this edge takes "
                f"{WIRE_TYPES[serving.row_type].name}.",
                "Start both sides with the same --dtype (int8 uses bf16 rows).")

    def accept(self, session: Session, frame: Frame) -> Job | None:
        """What `frame` asks for; state changes happen here, computation does not."""
        if frame.session != session.number or frame.type not in ALLOWED[session.state]:
            raise SessionError(ErrorCode.BAD_FRAME,
                               f"A {frame.type.name} frame is not expected here.",
                               "Open the session again.")
        if frame.type is FrameType.SAMPLING:
            session.sampler = Sampler(Sampling.unpack(frame.payload))
        elif frame.type is FrameType.CANCEL:
            session.answer += 1
            session.length = min(session.length, frame.position)
        elif frame.type is FrameType.GOODBYE:
            session.state = State.CLOSED  # the slot stays taken until its cache is given up too
        else:
            return self._rows(session, frame)
        return None

    def _rows(self, session: Session, frame: Frame) -> Job:
        if frame.dtype is not session.dtype or frame.columns != self._serving.hidden:
            raise SessionError(
                ErrorCode.WRONG_DTYPE,
                f"Rows of {frame.columns} {frame.dtype.name} came; this session takes "
                f"{self._serving.hidden} {session.dtype.name}.")
        if frame.rows > self._config.max_rows:
            raise SessionError(ErrorCode.BAD_FRAME,
                               f"{frame.rows} rows came; a frame may carry "
                               f"{self._config.max_rows}.", "Send smaller chunks.")
        end = frame.position + frame.rows
        if end > self._config.engine.capacity:
            raise SessionError(ErrorCode.TOO_LONG,
                               f"The conversation would reach {end} tokens; the edge keeps "
                               f"{self._config.engine.capacity}.", "Start a new conversation.")
        if frame.position > session.length:
            raise SessionError(ErrorCode.BAD_POSITION,
                               f"Position {frame.position} leaves a gap; the edge holds "
                               f"{session.length} tokens.", "Send the rows between first.")
        session.length = end
        rows = from_bytes(memoryview(frame.payload), frame.dtype, frame.rows, frame.columns)
        return Job(session, session.answer, frame.position, rows, frame.flags, session.sampler)
