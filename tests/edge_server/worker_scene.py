"""A worker with sessions for tests, and what it has to say: as one stage with everything does."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable

import torch

from edge_server.config import EdgeConfig
from edge_server.engine.load import Engine, EngineOptions
from edge_server.engine.sampling import Sampler
from edge_server.engine.tensors import to_bytes
from edge_server.errors import EdgeError
from edge_server.frame import Dtype, Flags, Frame, FrameType
from edge_server.messages import Hello, Mode, Sampling
from edge_server.session import Event, Job, Owner, Serving, Session
from edge_server.sessions import Sessions
from edge_server.split import LayerRange
from edge_server.step_times import StepTimes
from edge_server.worker import Worker
from tests.models import LAYERS

SLOTS, CAPACITY, IDENTITY, WAIT = 3, 400, "0a" * 32, 60.0
Result = Frame | EdgeError | None


class Desk:
    """A worker with sessions, asked one frame at a time; every reply lands in `replies`."""

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.perf_counter,
                 times: StepTimes | None = None) -> None:
        self.engine, self.times = engine, times
        held = LayerRange(1, LAYERS)
        self.sessions = Sessions(
            EdgeConfig(EngineOptions(slots=SLOTS, capacity=CAPACITY)),
            Serving(IDENTITY, held, LAYERS, 64, engine.row_type, True,
                    engine.checkpoint.architecture.vocabulary))
        self.worker = Worker(engine, held, True, clock=clock, times=times)
        self.head = engine.stage(LayerRange(0, 1))
        self.replies: queue.SimpleQueue[tuple[Job, Result]] = queue.SimpleQueue()

    def open(self, mode: Mode = Mode.TOKENS, start: int = 1, end: int = LAYERS) -> Session:
        hello = Hello(IDENTITY, LayerRange(start, end), Dtype.F32, mode)
        return self.sessions.admit(hello, Owner(), 0.0).session

    def rows(self, ids: list[int], position: int = 0) -> torch.Tensor:
        """The phone's half: rows after layer 0."""
        self.head.truncate(0, 0)
        return self.head.forward([0] * len(ids), range(len(ids)),
                                 self.engine.embedding().rows(ids))[position:]

    def job(self, session: Session, rows: torch.Tensor, position: int = 0,
            flags: Flags = Flags.RESULT_WANTED) -> Job:
        job = self.accept(session, Frame(
            FrameType.ROWS, session.number, session.epoch, position, Dtype.F32, rows.shape[0],
            rows.shape[1], flags, to_bytes(rows)))
        assert isinstance(job, Job)
        return job

    def accept(self, session: Session, frame: Frame) -> Job | Frame | None:
        return self.sessions.accept(session, session.connection, frame, 0.0)

    def close(self, session: Session) -> None:
        """As the edge does: end it, then free its cache."""
        assert self.sessions.close(session, Event.ENDED)
        self.worker.release(session)

    def submit(self, job: Job) -> None:
        self.worker.submit(job, lambda job, result: self.replies.put((job, result)), at_once=True)

    def reply(self) -> tuple[Job, Result]:
        return self.replies.get(timeout=WAIT)

    def ask(self, session: Session, rows: torch.Tensor, position: int = 0,
            flags: Flags = Flags.RESULT_WANTED) -> Result:
        self.submit(self.job(session, rows, position, flags))
        return self.reply()[1]


def whole(engine: Engine, ids: list[int]) -> torch.Tensor:
    """Rows after the last layer, from one stage with everything."""
    return engine.stage(LayerRange(0, LAYERS)).forward(
        [0] * len(ids), range(len(ids)), engine.embedding().rows(ids))


def token_after(engine: Engine, ids: list[int], sampling: Sampling | None = None) -> int:
    logits = engine.output().logits(whole(engine, ids)[-1:])
    return Sampler(sampling or Sampling()).choose(logits[0], len(ids))


def frame_of(result: Result, kind: FrameType) -> Frame:
    assert isinstance(result, Frame)
    assert result.type is kind
    return result
