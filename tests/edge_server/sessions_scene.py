"""Sessions for tests: opened, lost and asked, one frame at a time and without sockets.

The clock is a number that the tests hand in.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from edge_server.config import EdgeConfig
from edge_server.engine.load import EngineOptions
from edge_server.engine.tensors import to_bytes
from edge_server.errors import SessionError
from edge_server.frame import EPOCHS, Dtype, Flags, Frame, FrameType
from edge_server.messages import ErrorCode, Hello, Mode, Sampling, Start
from edge_server.session import Job, Owner, Serving, Session
from edge_server.sessions import Sessions
from edge_server.split import LayerRange

IDENTITY, OTHER = "0a" * 32, "0b" * 32
HIDDEN, SLOTS, CAPACITY, MAX_ROWS, VOCABULARY = 8, 2, 64, 16, 100
GRACE, IDLE, YIELD = 120.0, 900.0, 60.0  # seconds; the defaults
WHOLE = Serving(IDENTITY, LayerRange(0, 4), 4, HIDDEN, torch.float32, True, VOCABULARY)
HELLO = Hello(IDENTITY, LayerRange(1, 4), Dtype.F32, Mode.TOKENS)
NOBODY, ANNA, BOB = Owner(), Owner("anna"), Owner("bob")


def make(serving: Serving = WHOLE, slots: int = SLOTS, capacity: int = CAPACITY,
         ignored: list[str] | None = None, **limits: Any) -> Sessions:
    config = EdgeConfig(EngineOptions(slots=slots, capacity=capacity),
                        **({"max_rows": MAX_ROWS} | limits))
    return Sessions(config, serving, (lambda _: None) if ignored is None else ignored.append)


def opened(sessions: Sessions, hello: Hello = HELLO, owner: Owner = NOBODY, now: float = 0.0
           ) -> Session:
    admission = sessions.admit(hello, owner, now)
    assert not admission.resumed
    return admission.session


def asking_for(session: Session, /, **changes: Any) -> Hello:
    """What the phone says that comes back for `session`."""
    hello = Hello(IDENTITY, session.layers, session.dtype, session.mode, session=session.number,
                  secret=session.secret)
    return replace(hello, **changes)


def rows(session: Session, position: int, count: int = 1, flags: Flags = Flags.RESULT_WANTED,
         columns: int = HIDDEN) -> Frame:
    data = torch.arange(count * columns, dtype=torch.float32).view(count, columns)
    return Frame(FrameType.ROWS, session.number, session.epoch, position, Dtype.F32, count,
                 columns, flags, to_bytes(data))


def control(kind: FrameType, session: Session, position: int = 0, payload: bytes = b"") -> Frame:
    return Frame(kind, session.number, session.epoch, position, payload=payload)


def cancel(session: Session, position: int) -> Frame:
    return control(FrameType.CANCEL, session, position)


def start(session: Session, kept: int = 0, sampling: Sampling | None = None, first: int = 0,
          chosen: tuple[int, ...] = ()) -> Frame:
    """The next answer of `session`, on the `kept` rows that still stand."""
    payload = Start(sampling or Sampling(), first, chosen).pack()
    epoch = (session.epoch + 1) % EPOCHS
    return Frame(FrameType.START, session.number, epoch, kept, payload=payload)


def accept(sessions: Sessions, session: Session, frame: Frame, now: float = 0.0
           ) -> Job | Frame | None:
    """On the connection that carries the session."""
    return sessions.accept(session, session.connection, frame, now)


def accepted(sessions: Sessions, session: Session, frame: Frame, now: float = 0.0) -> Job:
    job = accept(sessions, session, frame, now)
    assert isinstance(job, Job)
    return job


def refused(sessions: Sessions, session: Session, frame: Frame) -> ErrorCode:
    with pytest.raises(SessionError) as caught:
        accept(sessions, session, frame)
    return ErrorCode(caught.value.code)


def not_admitted(sessions: Sessions, hello: Hello = HELLO, owner: Owner = NOBODY, now: float = 0.0
                 ) -> SessionError:
    with pytest.raises(SessionError) as caught:
        sessions.admit(hello, owner, now)
    assert caught.value.remedy
    return caught.value


def park(sessions: Sessions, session: Session, now: float = 0.0) -> None:
    assert sessions.lost(session, session.connection, now)
