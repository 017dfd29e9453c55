"""One phone's connection without a socket: the real WebSocket class over queues.

So the order of events is the test's, and the clock is a number that it sets.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from fastapi import WebSocket

from edge_server.config import EdgeConfig
from edge_server.connection import Connection, notice_of
from edge_server.desk import Desk
from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.load import EngineOptions
from edge_server.errors import (
    ConfigurationError,
    EdgeError,
    FrameError,
    FrameTooLarge,
    ModelError,
    SessionError,
    StageError,
)
from edge_server.frame import Frame, FrameType, decode, encode, token_frame
from edge_server.messages import SPLIT_PATH, ErrorCode, ErrorNotice, Sampling, Start, Welcome
from edge_server.serving import Edge, open_edge
from edge_server.session import Job, Session, State
from edge_server.worker import Reply, Worker
from tests.conftest import MakeCheckpoint
from tests.edge_server.frames import hello_frame, hello_of, rows_frame


@pytest.mark.parametrize(("error", "code"), [
    (SessionError(ErrorCode.TOO_LONG, "No.", "Do."), ErrorCode.TOO_LONG),
    (FrameError("No.", "Do."), ErrorCode.BAD_FRAME),
    (FrameTooLarge("No.", "Do."), ErrorCode.TOO_LARGE), (StageError("No.", "Do."),
                                                      ErrorCode.BAD_POSITION),
    (ConfigurationError("No.", "Do."), ErrorCode.INTERNAL),
    (ModelError("No.", "Do."), ErrorCode.INTERNAL), (EdgeError("No.", "Do."), ErrorCode.INTERNAL)])
def test_errors_become_codes(error: EdgeError, code: ErrorCode) -> None:
    assert notice_of(error) == ErrorNotice(code, "No.", "Do.")


class HeldWorker(Worker):
    """Keeps jobs until the test answers them."""

    def __init__(self) -> None:
        self.jobs: list[tuple[Job, Reply]] = []
        self.released: list[Session] = []
        self.answered: set[int] = set()
        self.at_once: Callable[[Job], Frame | EdgeError] | None = None  # what `submit` answers

    def start(self) -> None:
        pass

    def stop(self) -> None:
        pass

    def submit(self, job: Job, reply: Reply, at_once: bool = False) -> None:
        self.jobs.append((job, reply))
        if self.at_once is not None and at_once:
            self.answered.add(len(self.jobs) - 1)
            reply(job, self.at_once(job))

    def release(self, session: Session) -> None:
        self.released.append(session)

    def answer(self, index: int) -> None:
        """Reply with a token, as the worker's thread does, unless `submit` did."""
        if index not in self.answered:
            self.answered.add(index)
            job, reply = self.jobs[index]
            reply(job, token_after(job))


def token_after(job: Job) -> Frame:
    return token_frame(job.session.number, job.epoch, job.position + len(job.rows), 7)


class Peer:
    """A phone's end of a connection: `inbox` is what the edge reads, `sent` what it wrote."""

    def __init__(self, edge: Edge) -> None:
        self.edge = edge
        self.inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.sent: list[Frame] = []
        self.close_code: int | None = None
        self.gone = False  # nothing can be written to it any more
        self.may_close = asyncio.Event()
        self.may_close.set()
        self.task: asyncio.Task[None] | None = None

    async def _write(self, message: Any) -> None:
        if self.gone:
            raise OSError("connection lost")
        if message["type"] == "websocket.send":
            self.sent.append(decode(message["bytes"]))
        elif message["type"] == "websocket.close":
            self.close_code = message["code"]
            await self.may_close.wait()  # as when the socket's buffer is full
            self.inbox.put_nowait({"type": "websocket.disconnect", "code": message["code"]})

    async def call(self) -> Peer:
        """Connect; the handshake is still to come."""
        scope = {"type": "websocket", "path": SPLIT_PATH, "headers": []}
        websocket = WebSocket(scope, self.inbox.get, self._write)
        self.inbox.put_nowait({"type": "websocket.connect"})
        await websocket.accept()
        self.task = asyncio.create_task(Connection(self.edge.desk, websocket).run())
        return self

    def write(self, message: bytes) -> None:
        self.inbox.put_nowait({"type": "websocket.receive", "bytes": message})

    async def open(self) -> int:
        """Shake hands; the session's alias."""
        await self.call()
        return (await self.greet()).session

    async def greet(self, **changes: Any) -> Welcome:
        """Ask for a session, and be given it."""
        self.write(hello_frame(hello_of(self.edge, **changes)))
        await settle()
        assert self.sent[-1].type is FrameType.WELCOME
        return Welcome.unpack(self.sent.pop().payload)

    async def leave(self) -> None:
        self.inbox.put_nowait({"type": "websocket.disconnect", "code": 1000})
        assert self.task is not None
        await self.task


async def settle() -> None:
    """Let everything that is ready run."""
    for _ in range(50):
        await asyncio.sleep(0)


@pytest.fixture
def worker() -> HeldWorker:
    return HeldWorker()


MakeEdge = Callable[..., Edge]


@dataclass
class Clock:
    now: float = 1000.0  # seconds

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make_edge(worker: HeldWorker, clock: Clock, checkpoint_folder: MakeCheckpoint) -> MakeEdge:
    def make(slots: int = 2, **changes: Any) -> Edge:
        config = EdgeConfig(EngineOptions("reference", "fp32", slots, 64, 1), **changes)
        edge = open_edge(config, Checkpoint.open(checkpoint_folder("gemma3")), None)
        desk = Desk(config, edge.sessions, worker, edge.metrics, None, clock)
        return replace(edge, worker=worker, desk=desk)

    return make


def perform(scene: Callable[[], Awaitable[None]]) -> None:
    async def all_of_it() -> None:
        await scene()

    asyncio.run(all_of_it())


@pytest.mark.parametrize("offset", range(8))
@pytest.mark.parametrize("first", ["cancel", "token"])
def test_nothing_of_an_answer_comes_after_its_cancel(
    offset: int, first: str, make_edge: MakeEdge, worker: HeldWorker
) -> None:
    """Whichever of token and CANCEL is how many turns of the loop ahead of the other."""
    async def scene() -> None:
        peer = Peer(make_edge())
        number = await peer.open()
        peer.write(rows_frame(number))
        await settle()
        cancel = encode(Frame(FrameType.CANCEL, number))
        events = [lambda: peer.write(cancel), lambda: worker.answer(0)]
        events[first == "token"]()
        for _ in range(offset):
            await asyncio.sleep(0)
        events[first == "cancel"]()
        await settle()
        kinds = [frame.type for frame in peer.sent]
        assert kinds in ([FrameType.CANCEL], [FrameType.TOKEN, FrameType.CANCEL])
        await peer.leave()

    perform(scene)


def test_a_slot_is_cleared_before_another_gets_it(
    make_edge: MakeEdge, worker: HeldWorker
) -> None:
    """Also when a phone says goodbye and takes no more data, so that closing it takes long."""
    async def scene() -> None:
        edge = make_edge(slots=1)
        leaving, next_one = Peer(edge), Peer(edge)
        number = await leaving.open()
        leaving.may_close.clear()
        leaving.write(encode(Frame(FrameType.GOODBYE, number)))
        await settle()
        assert leaving.close_code == 1000
        await next_one.call()
        next_one.write(hello_frame(hello_of(edge)))
        await settle()
        admitted = next_one.sent[-1].type is FrameType.WELCOME
        assert not admitted or worker.released
        leaving.may_close.set()
        await settle()
        assert len(worker.released) == 1
        await next_one.leave()

    perform(scene)


def ended_with(peer: Peer) -> ErrorNotice:
    """What the phone was told last, before the edge hung up."""
    assert peer.task is not None
    assert peer.task.done()
    assert peer.task.exception() is None
    assert peer.close_code == 1008
    assert peer.sent[-1].type is FrameType.ERROR
    return ErrorNotice.unpack(peer.sent[-1].payload)


def test_silence_before_hello(make_edge: MakeEdge, worker: HeldWorker) -> None:
    async def scene() -> None:
        edge = make_edge(hello_timeout=0.0)
        peer = await Peer(edge).call()
        assert peer.task is not None
        await peer.task
        notice = ended_with(peer)
        assert notice.code == ErrorCode.IDLE
        assert "Open the session again" in notice.remedy
        assert worker.released == []

    perform(scene)


def test_silence_in_a_session(make_edge: MakeEdge, worker: HeldWorker, clock: Clock) -> None:
    async def scene() -> None:
        edge = make_edge()
        peer = Peer(edge)
        await peer.open()
        clock.now += edge.config.idle_timeout
        edge.desk.sweep()
        await settle()
        assert len(edge.sessions) == 1
        clock.now += 1
        edge.desk.sweep()
        await settle()
        notice = ended_with(peer)
        assert notice.code == ErrorCode.IDLE
        assert "Open the session again" in notice.remedy
        assert len(worker.released) == 1
        assert len(edge.sessions) == 0

    perform(scene)


def test_a_phone_that_sends_faster_than_the_edge_computes_is_not_read(
    make_edge: MakeEdge, worker: HeldWorker
) -> None:
    async def scene() -> None:
        peer = Peer(make_edge(pending_chunks=2))
        number = await peer.open()
        for position in range(6):
            peer.write(rows_frame(number, position))
        await settle()
        assert len(worker.jobs) == 3  # what was read is submitted, and the reader waits for room
        assert peer.inbox.qsize() == 3
        worker.answer(0)
        await settle()
        assert len(worker.jobs) == 4
        assert peer.inbox.qsize() == 2
        for index in (1, 2, 3, 4, 5):
            worker.answer(index)
            await settle()
        assert [frame.position for frame in peer.sent] == [1, 2, 3, 4, 5, 6]
        await peer.leave()

    perform(scene)


def test_what_is_answered_at_once_is_sent_by_the_reader(
    make_edge: MakeEdge, worker: HeldWorker
) -> None:
    """Never before what the worker's thread answered earlier, and with no place left taken."""
    async def scene() -> None:
        edge = make_edge(pending_chunks=2)
        peer = Peer(edge)
        number = await peer.open()
        peer.write(rows_frame(number))
        await settle()
        worker.at_once = token_after
        peer.write(rows_frame(number, 1))
        await settle()
        assert peer.sent == []
        worker.answer(0)
        worker.answer(1)
        for position in range(2, 6):
            peer.write(rows_frame(number, position))
        await settle()
        for index in range(2, len(worker.jobs)):
            worker.answer(index)
        await settle()
        assert [frame.position for frame in peer.sent] == [1, 2, 3, 4, 5, 6]
        (session,) = edge.sessions
        assert session.pending == 0
        worker.at_once = lambda job: SessionError(ErrorCode.UNUSABLE_ROWS, "No.")
        peer.write(rows_frame(number, 6))
        await settle()
        assert ended_with(peer).code == ErrorCode.UNUSABLE_ROWS
        assert session.state is State.CLOSED

    perform(scene)


def test_a_refusal_while_the_reader_waits_for_room(
    make_edge: MakeEdge, worker: HeldWorker
) -> None:
    """The connection ends in order, and nothing more of it is computed."""
    async def scene() -> None:
        edge = make_edge(pending_chunks=1)
        peer = Peer(edge)
        number = await peer.open()
        for position in range(3):
            peer.write(rows_frame(number, position))
        await settle()
        job, reply = worker.jobs[0]
        reply(job, SessionError(ErrorCode.UNUSABLE_ROWS, "No."))
        await settle()
        assert peer.task is not None
        assert peer.task.done()
        assert peer.task.exception() is None
        assert [frame.type for frame in peer.sent] == [FrameType.ERROR]
        assert [job.cancelled for job, _ in worker.jobs] == [True, True]
        assert len(edge.sessions) == 0
        assert len(worker.released) == 1

    perform(scene)


def test_an_answer_for_a_phone_that_has_gone(make_edge: MakeEdge, worker: HeldWorker) -> None:
    async def scene() -> None:
        edge = make_edge()
        peer = Peer(edge)
        number = await peer.open()
        peer.write(rows_frame(number))
        await settle()
        await peer.leave()
        peer.gone = True
        worker.answer(0)
        await settle()
        assert peer.sent == []
        (session,) = edge.sessions
        assert (session.number, session.state, session.length) == (number, State.PARKED, 1)
        assert worker.released == []

    perform(scene)


def test_a_phone_that_goes_while_it_is_answered(make_edge: MakeEdge, worker: HeldWorker) -> None:
    """Its last frames are still in line when the answer finds nobody: an end like any other."""
    async def scene() -> None:
        edge = make_edge(pending_chunks=1)
        peer = Peer(edge)
        number = await peer.open()
        for position in range(3):
            peer.write(rows_frame(number, position))
        await settle()
        peer.gone = True
        worker.answer(0)
        await settle()
        assert peer.task is not None
        assert peer.task.done()
        assert peer.task.exception() is None
        (session,) = edge.sessions
        assert session.state is State.PARKED
        assert worker.released == []

    perform(scene)


def test_a_phone_that_comes_back_is_answered_on_its_new_connection(
    make_edge: MakeEdge, worker: HeldWorker
) -> None:
    """What the old connection asked for is computed, and told to nobody."""
    async def scene() -> None:
        edge = make_edge()
        lost, back = Peer(edge), await Peer(edge).call()
        await lost.call()
        welcome = await lost.greet()
        lost.write(rows_frame(welcome.session, 0, 3))
        await settle()
        again = await back.greet(session=welcome.session, secret=welcome.secret)
        assert (again.session, again.length) == (welcome.session, 3)
        await settle()
        assert ended_with(lost).code == ErrorCode.TAKEN_OVER
        worker.answer(0)
        await settle()
        assert back.sent == []
        back.write(rows_frame(welcome.session, 2, epoch=1))
        await settle()
        worker.answer(1)
        await settle()
        assert [(frame.type, frame.epoch) for frame in back.sent] == [(FrameType.TOKEN, 1)]
        assert len(edge.sessions) == 1
        assert worker.released == []
        await back.leave()

    perform(scene)


@pytest.mark.parametrize("bad", [
    b"garbage", rows_frame(1), rows_frame(1)[:-1], encode(Frame(FrameType.HELLO))], ids=range(4))
def test_damaged_bytes_cost_the_connection_and_not_the_session(
    bad: bytes, make_edge: MakeEdge, worker: HeldWorker
) -> None:
    async def scene() -> None:
        edge = make_edge()
        peer, back = Peer(edge), Peer(edge)
        await peer.call()
        welcome = await peer.greet()
        peer.write(rows_frame(welcome.session, 0, 3))
        peer.write(bad)
        await settle()
        assert ended_with(peer).code == ErrorCode.BAD_FRAME
        (session,) = edge.sessions
        assert session.state is State.PARKED
        await back.call()
        again = await back.greet(session=welcome.session, secret=welcome.secret)
        assert (again.session, again.length) == (welcome.session, 3)
        await back.leave()

    perform(scene)


def test_rows_that_cannot_be_run_end_the_session(
    make_edge: MakeEdge, worker: HeldWorker
) -> None:
    async def scene() -> None:
        edge = make_edge()
        peer = Peer(edge)
        number = await peer.open()
        peer.write(rows_frame(number, 0, 65))
        await settle()
        assert ended_with(peer).code == ErrorCode.TOO_LONG
        assert len(edge.sessions) == 0
        assert [session.number for session in worker.released] == [number]

    perform(scene)


def test_an_answer_that_goes_on_here(make_edge: MakeEdge, worker: HeldWorker) -> None:
    """Its rows are run with the choice, and the tokens, that START named."""
    async def scene() -> None:
        peer = Peer(make_edge())
        number = await peer.open()
        start = Start(Sampling(temperature=1.0, seed=3), 1, (1, 2, 3))
        peer.write(encode(Frame(FrameType.START, number, 1, 0, payload=start.pack())))
        peer.write(rows_frame(number, epoch=1))
        await settle()
        job, _ = worker.jobs[0]
        assert job.epoch == 1
        assert job.sampler.continues(start.sampling, start.first, start.chosen)
        await peer.leave()

    perform(scene)


def test_a_gap_is_answered_at_once(make_edge: MakeEdge, worker: HeldWorker) -> None:
    async def scene() -> None:
        peer = Peer(make_edge())
        number = await peer.open()
        for position in (4, 5, 6):
            peer.write(rows_frame(number, position))
        await settle()
        assert peer.sent == [Frame(FrameType.RESEND, number, 0, 0)]
        assert worker.jobs == []
        await peer.leave()

    perform(scene)


def test_an_evicted_phone_is_told(make_edge: MakeEdge, worker: HeldWorker, clock: Clock) -> None:
    """The cache is cleared before the newcomer's rows, and a slow farewell keeps nobody waiting."""
    async def scene() -> None:
        edge = make_edge(slots=1)
        silent, newcomer = Peer(edge), Peer(edge)
        await silent.open()
        silent.may_close.clear()
        clock.now += edge.config.yield_after + 1
        number = await newcomer.open()
        await settle()
        assert ErrorNotice.unpack(silent.sent[-1].payload).code == ErrorCode.IDLE
        assert len(worker.released) == 1
        newcomer.write(rows_frame(number))
        await settle()
        worker.answer(0)
        await settle()
        assert [frame.type for frame in newcomer.sent] == [FrameType.TOKEN]
        silent.may_close.set()
        await settle()
        assert ended_with(silent).code == ErrorCode.IDLE
        await newcomer.leave()

    perform(scene)


def test_a_connection_that_is_torn_down_from_outside(make_edge: MakeEdge) -> None:
    """Its own stopping is an end in order; a cancellation by somebody else passes on."""
    async def scene() -> None:
        edge = make_edge()
        peer = Peer(edge)
        await peer.open()
        assert peer.task is not None
        peer.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await peer.task
        (session,) = edge.sessions
        assert session.state is State.PARKED

    perform(scene)
