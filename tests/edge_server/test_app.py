"""The edge's routes over a real socket: hostile bytes, and clients that are not ours."""

from __future__ import annotations

import contextlib
import random
import socket
import struct
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from edge_server.frame import (
    HEADER_BYTES,
    Dtype,
    Frame,
    FrameType,
    decode,
    encode,
    token_frame,
    token_of,
)
from edge_server.messages import (
    PROTOCOL,
    SPLIT_PATH,
    ErrorCode,
    ErrorNotice,
    Hello,
    Mode,
    Sampling,
    Start,
    Welcome,
)
from edge_server.split import LayerRange
from tests.conftest import MakeCheckpoint, RunEdge, RunningEdge
from tests.edge_server.frames import HIDDEN, hello_frame, hello_of, rows_frame
from tests.models import LAYERS

WAIT = 60.0


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
    assert (served["limits"]["sessions"], served["limits"]["tokens"]) == (2, 64)
    assert served["limits"]["rows_per_frame"] == 256
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
        wire.send(encode(Frame(FrameType.START, welcome.session, 1, 0,
                               payload=Start(Sampling(), 5).pack())))
        wire.send(rows_frame(welcome.session, 0, 5, epoch=1))  # once more: the same answer
        assert token_of(get(wire)) == token_of(first)
        wire.send(rows_frame(welcome.session, 9, epoch=1))  # a gap
        assert get(wire) == Frame(FrameType.RESEND, welcome.session, 1, 5)
        wire.send(rows_frame(welcome.session, 5, epoch=1))
        assert get(wire).position == 6
        wire.send(encode(Frame(FrameType.GOODBYE, welcome.session, 1)))
        with pytest.raises(ConnectionClosed) as closed:
            wire.recv(timeout=WAIT)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1000


@pytest.mark.parametrize(("changes", "code"), [
    ({"protocol": PROTOCOL + 1}, ErrorCode.WRONG_PROTOCOL),
    ({"identity": "00" * 32}, ErrorCode.WRONG_MODEL),
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
    encode(token_frame(1, 0, 0, 5)), rows_frame(1), encode(Frame(FrameType.HELLO))[:-1]],
    ids=range(10))
def test_garbage_instead_of_hello(first: bytes, edge: RunningEdge) -> None:
    with dial(edge) as wire:
        wire.send(first)
        assert refusal(wire) == ErrorCode.BAD_FRAME
    assert_serves(edge)


def test_a_header_that_announces_too_much(edge: RunningEdge) -> None:
    with dial(edge) as wire:
        wire.send(struct.pack(">2sBBQHBBIHHII", b"aS", 1, 4, 1, 0, 3, 0, 0, 9999, 9999,
                              2**32 - 1, 0))
        assert refusal(wire) == ErrorCode.TOO_LARGE
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
    lambda number: encode(Frame(FrameType.START, number, 1, payload=b"short")),
    lambda number: encode(Frame(FrameType.START, number, 1, payload=struct.pack(
        ">dIdddQ", float("nan"), 0, 1.0, 0.0, 1.0, 0))),
], ids=range(8))
def test_what_an_open_session_may_not_send(make: Callable[[int], bytes], edge: RunningEdge) -> None:
    with dial(edge) as wire:
        wire.send(make(open_session(wire, edge).session))
        assert refusal(wire) == ErrorCode.BAD_FRAME
    assert_serves(edge)


@pytest.mark.parametrize(("position", "count", "value", "code"), [
    (0, 65, 0.5, ErrorCode.TOO_LONG),
    (0, 257, 0.5, ErrorCode.TOO_LARGE), (0, 3, float("nan"), ErrorCode.UNUSABLE_ROWS),
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
            assert edge.parked.acquire(timeout=WAIT)  # a good phone could come back for it
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


def test_a_frame_over_the_limit_is_told_so(edge: RunningEdge) -> None:
    """A refusal with a remedy, where there was a session to lose; one far beyond is cut off."""
    columns = edge.edge.config.max_payload // (256 * 4) + 1
    with dial(edge) as wire:
        session = open_session(wire, edge).session
        wire.send(encode(Frame(FrameType.ROWS, session, 0, 0, Dtype.F32, 256, columns,
                               payload=bytes(256 * columns * 4))))
        error = ErrorNotice.unpack(get(wire).payload).to_error()
        assert error.code == ErrorCode.TOO_LARGE
        assert "smaller chunks" in error.remedy
    with dial(edge) as wire:
        open_session(wire, edge)
        with contextlib.suppress(ConnectionClosed, OSError):
            wire.send(bytes(2 * edge.edge.config.max_message + 1))
        with pytest.raises(ConnectionClosed) as closed:
            wire.recv(timeout=WAIT)
        assert closed.value.rcvd is None or closed.value.rcvd.code == 1009
    assert_serves(edge)


def test_a_frame_in_fragments(edge: RunningEdge) -> None:
    with dial(edge) as wire:
        session = open_session(wire, edge).session
        frame = rows_frame(session)
        wire.send([frame[at : at + 50] for at in range(0, len(frame), 50)])
        assert get(wire).type is FrameType.TOKEN


def test_a_phone_comes_back_for_its_session(edge: RunningEdge) -> None:
    """Its rows are still there, its old connection's frames are nothing, and it goes on."""
    with dial(edge) as lost:
        welcome = open_session(lost, edge)
        lost.send(rows_frame(welcome.session, 0, 5))
        expected = get(lost)
        again = hello_of(edge.edge, session=welcome.session, secret=welcome.secret)
        with dial(edge) as wire:
            wire.send(hello_frame(again))
            frame = get(wire)
            back = Welcome.unpack(frame.payload)
            assert (back.session, back.secret, back.length, frame.epoch) == (
                welcome.session, welcome.secret, 5, 1)
            assert refusal(lost) == ErrorCode.TAKEN_OVER
            wire.send(rows_frame(welcome.session, 2, 3, epoch=0))  # of the old connection
            wire.send(rows_frame(welcome.session, 4, epoch=1))
            token = get(wire)
            assert (token.epoch, token.position, token_of(token)) == (1, 5, token_of(expected))
            wire.send(encode(Frame(FrameType.GOODBYE, welcome.session, 1)))
    assert edge.closed.acquire(timeout=WAIT)
    assert len(edge.edge.sessions) == 0


@pytest.mark.parametrize("when", ["before hello", "idle", "computing", "half a frame"])
def test_an_abrupt_end_parks_the_session(
    when: str, running_edge: RunEdge, checkpoint_folder: MakeCheckpoint
) -> None:
    """It keeps nobody else out: whoever comes next gets its slot."""
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
            assert edge.parked.acquire(timeout=WAIT)
    assert_serves(edge)


def test_an_unknown_path(edge: RunningEdge) -> None:
    assert httpx.get(f"{edge.url}/nothing").status_code == 404
    assert httpx.get(f"{edge.url}{SPLIT_PATH}").status_code in (404, 426)


def test_a_frame_is_at_least_its_header() -> None:
    assert len(rows_frame(1)) == HEADER_BYTES + 4 * HIDDEN
