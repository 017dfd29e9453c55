"""The edge's routes: hostile bytes over a real socket, and the order of events without one."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
import torch
from fastapi import WebSocket
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from edge_server.config import EdgeConfig
from edge_server.connection import Connection, notice_of
from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.load import EngineOptions
from edge_server.engine.tensors import to_bytes
from edge_server.errors import (
    ConfigurationError,
    EdgeError,
    FrameError,
    ModelError,
    SessionError,
    StageError,
)
from edge_server.frame import (
    HEADER_BYTES,
    Dtype,
    Flags,
    Frame,
    FrameType,
    decode,
    encode,
    token_frame,
    token_of,
)
from edge_server.messages import (
    SPLIT_PATH,
    ErrorCode,
    ErrorNotice,
    Hello,
    Mode,
    Sampling,
    Welcome,
)
from edge_server.serving import Edge, open_edge
from edge_server.sessions import Job, Session
from edge_server.split import LayerRange
from edge_server.worker import Reply, Worker
from tests.conftest import MakeCheckpoint, RunEdge, RunningEdge
from tests.models import LAYERS

HIDDEN, WAIT = 64, 60.0


def hello_of(edge: Edge, **changes: Any) -> Hello:
    hello = Hello(edge.serving.identity, LayerRange(1, LAYERS), Dtype.F32, Mode.TOKENS)
    return replace(hello, **changes)


def hello_frame(hello: Hello) -> bytes:
    return encode(Frame(FrameType.HELLO, payload=hello.pack()))


def rows_frame(session: int, position: int = 0, count: int = 1, value: float = 0.5) -> bytes:
    return encode(Frame(FrameType.ROWS, session, 0, position, Dtype.F32, count, HIDDEN,
                        Flags.RESULT_WANTED, to_bytes(torch.full((count, HIDDEN), value))))


@pytest.mark.parametrize(("error", "code"), [
    (SessionError(ErrorCode.TOO_LONG, "No.", "Do."), ErrorCode.TOO_LONG),
    (FrameError("No.", "Do."), ErrorCode.BAD_FRAME), (StageError("No.", "Do."),
                                                      ErrorCode.BAD_POSITION),
    (ConfigurationError("No.", "Do."), ErrorCode.INTERNAL),
    (ModelError("No.", "Do."), ErrorCode.INTERNAL), (EdgeError("No.", "Do."), ErrorCode.INTERNAL)])
def test_errors_become_codes(error: EdgeError, code: ErrorCode) -> None:
    assert notice_of(error) == ErrorNotice(code, "No.", "Do.")


# Over a real socket, with a WebSocket client that is not ours.


@contextlib.contextmanager
def dial(edge: RunningEdge) -> Iterator[ClientConnection]:
    url = f"ws://127.0.0.1:{edge.port}{SPLIT_PATH}"
    with connect(url, compression=None, open_timeout=WAIT, close_timeout=WAIT) as wire:
        yield wire


def get(wire: ClientConnection) -> Frame:
    message = wire.recv(timeout=WAIT)
    assert isinstance(message, bytes)
    return decode(message)


def open_session(wire: ClientConnection, edge: RunningEdge) -> Welcome:
    wire.send(hello_frame(hello_of(edge.edge)))
    frame = get(wire)
    assert frame.type is FrameType.WELCOME
    return Welcome.unpack(frame.payload)


def refusal(wire: ClientConnection) -> ErrorCode:
    """The typed error that comes next, after which the edge hangs up."""
    frame = get(wire)
    assert frame.type is FrameType.ERROR
    with pytest.raises(ConnectionClosed) as closed:
        wire.recv(timeout=WAIT)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008
    return ErrorNotice.unpack(frame.payload).code


def assert_serves(edge: RunningEdge) -> None:
    with dial(edge) as wire:
        welcome = open_session(wire, edge)
        wire.send(rows_frame(welcome.session))
        assert get(wire).type is FrameType.TOKEN
        wire.send(encode(Frame(FrameType.GOODBYE, welcome.session)))


@pytest.fixture
def edge(running_edge: RunEdge, checkpoint_folder: MakeCheckpoint) -> RunningEdge:
    return running_edge(checkpoint_folder("gemma3"), "--sessions", 2, "--context", 64)


def test_health_and_what_is_served(edge: RunningEdge) -> None:
    assert httpx.get(f"{edge.url}/healthz").json() == {"status": "ok"}
    served = httpx.get(f"{edge.url}/v1/models").json()
    assert served["identity"] == edge.edge.serving.identity
    assert served["layers"] == [0, LAYERS]
    assert served["limits"] == {"sessions": 2, "tokens": 64, "rows_per_frame": 256}
    assert served["sessions"] == 0
    with dial(edge) as wire:
        open_session(wire, edge)
        assert httpx.get(f"{edge.url}/v1/models").json()["sessions"] == 1


def test_a_conversation_by_hand(edge: RunningEdge) -> None:
    with dial(edge) as wire:
        welcome = open_session(wire, edge)
        assert (welcome.capacity, welcome.max_rows) == (64, 256)
        wire.send(rows_frame(welcome.session, 0, 5))
        first = get(wire)
        assert (first.session, first.position) == (welcome.session, 5)
        wire.send(encode(Frame(FrameType.SAMPLING, welcome.session, payload=Sampling().pack())))
        wire.send(rows_frame(welcome.session, 0, 5))  # once more: the same answer
        assert token_of(get(wire)) == token_of(first)
        wire.send(encode(Frame(FrameType.GOODBYE, welcome.session)))
        with pytest.raises(ConnectionClosed) as closed:
            wire.recv(timeout=WAIT)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1000


@pytest.mark.parametrize(("changes", "code"), [
    ({"protocol": 2}, ErrorCode.WRONG_PROTOCOL), ({"identity": "00" * 32}, ErrorCode.WRONG_MODEL),
    ({"layers": LayerRange(1, 3)}, ErrorCode.WRONG_LAYERS),
    ({"layers": LayerRange(2, 5)}, ErrorCode.WRONG_LAYERS),
    ({"mode": Mode.PRIVATE, "layers": LayerRange(0, 65_535)}, ErrorCode.WRONG_LAYERS),
    ({"dtype": Dtype.BF16}, ErrorCode.WRONG_DTYPE)])
def test_handshakes_that_are_refused(
    changes: dict[str, Any], code: ErrorCode, edge: RunningEdge
) -> None:
    with dial(edge) as wire:
        wire.send(hello_frame(hello_of(edge.edge, **changes)))
        assert refusal(wire) == code
    assert_serves(edge)


def test_too_many_sessions(edge: RunningEdge) -> None:
    with dial(edge) as first, dial(edge) as second, dial(edge) as third:
        open_session(first, edge)
        open_session(second, edge)
        third.send(hello_frame(hello_of(edge.edge)))
        assert refusal(third) == ErrorCode.TOO_MANY_SESSIONS


@pytest.mark.parametrize("first", [
    b"", b"x", b"GET / HTTP/1.1\r\n\r\n", bytes(32), b"\xff" * 100,
    encode(Frame(FrameType.GOODBYE)), encode(Frame(FrameType.HELLO)),
    encode(token_frame(1, 0, 0, 5)), rows_frame(1), encode(Frame(FrameType.HELLO))[:-1],
    struct.pack(">2sBBQHBBIHHII", b"aS", 1, 4, 1, 0, 3, 0, 0, 9999, 9999, 2**32 - 1, 0)],
    ids=range(11))
def test_garbage_instead_of_hello(first: bytes, edge: RunningEdge) -> None:
    with dial(edge) as wire:
        wire.send(first)
        assert refusal(wire) == ErrorCode.BAD_FRAME
    assert_serves(edge)


@pytest.mark.parametrize("text", ["", "hello", '{"type": "hello"}', "🙂" * 100])
def test_a_text_message(text: str, edge: RunningEdge) -> None:
    for opened in (False, True):
        with dial(edge) as wire:
            if opened:
                open_session(wire, edge)
            wire.send(text)
            assert refusal(wire) == ErrorCode.BAD_FRAME
    assert_serves(edge)


@pytest.mark.parametrize("make", [
    lambda number: b"garbage", lambda number: hello_frame(Hello(
        "00" * 32, LayerRange(1, 4), Dtype.F32, Mode.TOKENS)),
    lambda number: rows_frame(number + 1), lambda number: rows_frame(0),
    lambda number: encode(token_frame(number, 0, 0, 5)),
    lambda number: encode(Frame(FrameType.ERROR, number)),
    lambda number: encode(Frame(FrameType.SAMPLING, number, payload=b"short")),
    lambda number: encode(Frame(FrameType.SAMPLING, number, payload=struct.pack(
        ">dIdddQ", float("nan"), 0, 1.0, 0.0, 1.0, 0))),
], ids=range(8))
def test_what_an_open_session_may_not_send(make: Callable[[int], bytes], edge: RunningEdge) -> None:
    with dial(edge) as wire:
        wire.send(make(open_session(wire, edge).session))
        assert refusal(wire) == ErrorCode.BAD_FRAME
    assert_serves(edge)


@pytest.mark.parametrize(("position", "count", "value", "code"), [
    (1, 1, 0.5, ErrorCode.BAD_POSITION), (0, 65, 0.5, ErrorCode.TOO_LONG),
    (0, 257, 0.5, ErrorCode.BAD_FRAME), (0, 3, float("nan"), ErrorCode.UNUSABLE_ROWS),
    (0, 1, float("inf"), ErrorCode.UNUSABLE_ROWS)])
def test_rows_that_are_refused(
    position: int, count: int, value: float, code: ErrorCode, edge: RunningEdge
) -> None:
    with dial(edge) as wire:
        wire.send(rows_frame(open_session(wire, edge).session, position, count, value))
        assert refusal(wire) == code
    assert_serves(edge)


def test_many_bad_rows_at_once(edge: RunningEdge) -> None:
    """More than wait in line: the reader is stopped when the first is refused."""
    with dial(edge) as wire:
        session = open_session(wire, edge).session
        with contextlib.suppress(ConnectionClosed):
            for position in range(30):
                wire.send(rows_frame(session, position, value=float("nan")))
        frame = get(wire)
        assert ErrorNotice.unpack(frame.payload).code == ErrorCode.UNUSABLE_ROWS
    assert_serves(edge)


def test_two_hundred_random_byte_strings(edge: RunningEdge) -> None:
    """Half of them after a good handshake; each is answered, and the edge serves on."""
    chance = random.Random(7)
    for index in range(200):
        with dial(edge) as wire:
            if index % 2:
                number = open_session(wire, edge).session
                good = bytearray(rows_frame(number))
                good[chance.randrange(len(good))] ^= 1 << chance.randrange(8)
                wire.send(bytes(good) if index % 4 == 1 else chance.randbytes(index))
            else:
                wire.send(chance.randbytes(index))
            assert refusal(wire) == ErrorCode.BAD_FRAME
        if index % 2:
            assert edge.closed.acquire(timeout=WAIT)
    assert_serves(edge)


def test_a_message_over_the_limit(edge: RunningEdge) -> None:
    """It is not read to its end."""
    with dial(edge) as wire:
        with contextlib.suppress(ConnectionClosed, OSError):
            wire.send(bytes(edge.edge.config.max_message + 1))
        with pytest.raises(ConnectionClosed) as closed:
            wire.recv(timeout=WAIT)
        # With the rest of the message still on its way, the reason may be lost to a reset.
        assert closed.value.rcvd is None or closed.value.rcvd.code == 1009
    assert_serves(edge)


def test_a_frame_in_fragments(edge: RunningEdge) -> None:
    with dial(edge) as wire:
        session = open_session(wire, edge).session
        frame = rows_frame(session)
        wire.send([frame[at : at + 50] for at in range(0, len(frame), 50)])
        assert get(wire).type is FrameType.TOKEN


@pytest.mark.parametrize("when", ["before hello", "idle", "computing", "half a frame"])
def test_an_abrupt_end_frees_the_slot(
    when: str, running_edge: RunEdge, checkpoint_folder: MakeCheckpoint
) -> None:
    edge = running_edge(checkpoint_folder("gemma3"), "--sessions", 1)
    for _ in range(3):
        with dial(edge) as wire:
            if when != "before hello":
                session = open_session(wire, edge).session
            if when == "computing":
                for position in range(20):
                    wire.send(rows_frame(session, position * 100, 100))
            if when == "half a frame":
                wire.socket.sendall(b"\x82\xff\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00x")
            # A reset, as when a phone drives into a tunnel and its socket is torn down.
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            wire.socket.close()
        if when != "before hello":
            assert edge.closed.acquire(timeout=WAIT)
    assert_serves(edge)


def test_an_unknown_path(edge: RunningEdge) -> None:
    assert httpx.get(f"{edge.url}/nothing").status_code == 404
    assert httpx.get(f"{edge.url}{SPLIT_PATH}").status_code in (404, 426)


# Without a socket: the real WebSocket class over queues, so that the order of events is ours.


class HeldWorker(Worker):
    """Keeps jobs until the test answers them."""

    def __init__(self) -> None:
        self.jobs: list[tuple[Job, Reply]] = []
        self.alive: list[bool] = []  # whether a job was to be computed when it came
        self.released: list[Session] = []

    def start(self) -> None:
        pass

    def stop(self) -> None:
        pass

    def submit(self, job: Job, reply: Reply) -> None:
        self.jobs.append((job, reply))
        self.alive.append(not job.cancelled)

    def release(self, session: Session) -> None:
        self.released.append(session)

    def answer(self, index: int) -> None:
        """Reply with a token, as the worker's thread does."""
        job, reply = self.jobs[index]
        reply(job, token_frame(job.session.number, 0, job.position + len(job.rows), 7))


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
        self.task = asyncio.create_task(Connection(self.edge, websocket).run())
        return self

    def write(self, message: bytes) -> None:
        self.inbox.put_nowait({"type": "websocket.receive", "bytes": message})

    async def open(self) -> int:
        """Shake hands; the session's alias."""
        await self.call()
        self.write(hello_frame(hello_of(self.edge)))
        await settle()
        assert self.sent[-1].type is FrameType.WELCOME
        return Welcome.unpack(self.sent.pop().payload).session

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


@pytest.fixture
def make_edge(worker: HeldWorker, checkpoint_folder: MakeCheckpoint) -> MakeEdge:
    def make(slots: int = 2, **changes: Any) -> Edge:
        config = EdgeConfig(EngineOptions("reference", "fp32", slots, 64, 1), **changes)
        edge = open_edge(config, Checkpoint.open(checkpoint_folder("gemma3")), None)
        return replace(edge, worker=worker)

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


@pytest.mark.parametrize(("changes", "opened"), [
    ({"hello_timeout": 0.0}, False), ({"idle_timeout": 0.0}, True)])
def test_silence_is_told_and_ended(
    changes: dict[str, float], opened: bool, make_edge: MakeEdge, worker: HeldWorker
) -> None:
    async def scene() -> None:
        edge = make_edge(**changes)
        peer = await Peer(edge).call()
        if opened:
            peer.write(hello_frame(hello_of(edge)))
        assert peer.task is not None
        await peer.task
        notice = ErrorNotice.unpack(peer.sent[-1].payload)
        assert notice.code == ErrorCode.IDLE
        assert "Open the session again" in notice.remedy
        assert peer.close_code == 1008
        assert len(worker.released) == opened
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
        assert len(worker.jobs) == 2
        assert peer.inbox.qsize() == 3  # one was taken and waits for room
        worker.answer(0)
        await settle()
        assert len(worker.jobs) == 3
        for index in (1, 2, 3, 4, 5):
            worker.answer(index)
            await settle()
        assert [frame.position for frame in peer.sent] == [1, 2, 3, 4, 5, 6]
        await peer.leave()

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
        assert worker.alive in ([True], [True, False])
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
        worker.answer(0)
        await settle()
        assert peer.sent == []
        assert len(edge.sessions) == 0
        assert [session.number for session in worker.released] == [number]

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
        assert len(edge.sessions) == 0
        assert len(worker.released) == 1

    perform(scene)


def test_a_frame_is_at_least_its_header() -> None:
    assert len(rows_frame(1)) == HEADER_BYTES + 4 * HIDDEN
