"""Hostile callers against an edge that is a process of its own, all at once and one after another.

After each attack the edge is ready, a phone gets the token it always gets, and the process has not
grown by more than is said here. Everything random is seeded.
"""

from __future__ import annotations

import contextlib
import json
import random
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import torch
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.identity import identity_of
from edge_server.engine.tensors import to_bytes
from edge_server.frame import Dtype, Flags, Frame, FrameType, decode, encode, token_of
from edge_server.messages import SPLIT_PATH, Hello, Mode, Welcome
from edge_server.split import LayerRange
from edge_server.tokens import TokenStore
from tests.conftest import MakeCheckpoint
from tests.models import LAYERS

WAIT, HIDDEN, SESSIONS = 60.0, 64, 4
GROWTH = 64 << 20  # bytes that no attack may cost for good
CROWD = 300  # connections: more than the sessions and the 64 besides
SENTENCE = "Once-upon-a-time-there-was-a-king-whose-name-must-not-be-told."


@dataclass
class Target:
    """The edge under attack."""

    process: subprocess.Popen[str]
    port: int
    hello: Hello
    log: Path
    secrets: list[str]  # what its log must not hold
    before: int = 0  # bytes it held after it had served somebody
    token: int = 0  # the answer a phone gets

    def dial(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), WAIT)

    def memory(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) << 10

    def ask(self) -> int:
        """One phone's conversation."""
        with session(self) as (wire, welcome):
            wire.send(rows_frame(welcome.session))
            answer = frame_from(wire)
            assert answer.type is FrameType.TOKEN
            wire.send(encode(Frame(FrameType.GOODBYE, welcome.session)))
            return token_of(answer)

    def assert_unharmed(self) -> None:
        assert httpx.get(f"http://127.0.0.1:{self.port}/readyz", timeout=WAIT).json()["ready"]
        assert self.ask() == self.token
        assert self.process.poll() is None
        assert self.memory() - self.before < GROWTH


@pytest.fixture(scope="module")
def target(
    checkpoint_folder: MakeCheckpoint, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Target]:
    folder, home = checkpoint_folder("gemma3"), tmp_path_factory.mktemp("hostile")
    token = TokenStore(home / "tokens.json").add("phone", datetime(2026, 3, 1, tzinfo=UTC))
    command = [sys.executable, "-m", "testbed.cli", "edge", "--model", str(folder), "--port", "0",
               "--threads", "1", "--sessions", str(SESSIONS), "--context", "64", "--tokens",
               str(home / "tokens.json"), "--log-level", "debug", "--log-format", "json"]
    with (home / "log").open("w") as log, subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline().rsplit(":", 1)[1])
            hello = Hello(identity_of(Checkpoint.open(folder)), LayerRange(1, LAYERS), Dtype.F32,
                          Mode.TOKENS, token=token)
            made = Target(process, port, hello, home / "log", [token])
            made.token = made.ask()
            for _ in range(20):
                assert made.ask() == made.token
            made.before = made.memory()
            yield made
        finally:
            process.kill()


def rows_frame(number: int, position: int = 0, count: int = 3) -> bytes:
    rows = torch.linspace(-1, 1, count * HIDDEN).reshape(count, HIDDEN)
    return encode(Frame(FrameType.ROWS, number, 0, position, Dtype.F32, count, HIDDEN,
                        Flags.RESULT_WANTED, to_bytes(rows)))


def frame_from(wire: ClientConnection) -> Frame:
    message = wire.recv(timeout=WAIT)
    assert isinstance(message, bytes)
    return decode(message)


@contextlib.contextmanager
def upgraded(target: Target) -> Iterator[ClientConnection]:
    with connect(f"ws://127.0.0.1:{target.port}{SPLIT_PATH}", compression=None,
                 open_timeout=WAIT, close_timeout=WAIT) as wire:
        yield wire


@contextlib.contextmanager
def session(target: Target) -> Iterator[tuple[ClientConnection, Welcome]]:
    with upgraded(target) as wire:
        wire.send(encode(Frame(FrameType.HELLO, payload=target.hello.pack())))
        frame = frame_from(wire)
        assert frame.type is FrameType.WELCOME, frame
        welcome = Welcome.unpack(frame.payload)
        target.secrets += [str(welcome.session), f"{welcome.session:x}", welcome.secret.hex()]
        yield wire, welcome


def everything(wire: socket.socket) -> bytes:
    received = bytearray()
    with contextlib.suppress(ConnectionError):
        while data := wire.recv(1 << 16):
            received += data
    return bytes(received)


def raw_websocket(target: Target) -> socket.socket:
    """A WebSocket by hand, whose frames the caller cuts as it likes."""
    wire = target.dial()
    wire.sendall(f"GET {SPLIT_PATH} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                 "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                 "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += wire.recv(1)
    assert head.startswith(b"HTTP/1.1 101")
    return wire


def binary(payload: bytes) -> bytes:
    """A WebSocket frame; its mask is zero, which changes nothing."""
    size = len(payload)
    length = (bytes([0x80 | size]) if size < 126 else b"\xfe" + struct.pack(">H", size)
              if size < 1 << 16 else b"\xff" + struct.pack(">Q", size))
    return b"\x82" + length + bytes(4) + payload


def test_random_bytes_before_the_upgrade(target: Target) -> None:
    randomness = random.Random(1)
    refused = 0
    for index in range(500):
        data = randomness.randbytes(randomness.randrange(1, 2_000))
        with target.dial() as wire:
            with contextlib.suppress(ConnectionError):
                wire.sendall(data if index % 2 else b"GET / HTTP/1.1\r\n" + data + b"\r\n\r\n")
                wire.shutdown(socket.SHUT_WR)
            refused += everything(wire).startswith(b"HTTP/1.1 400 ")
    assert refused > 250  # those that had an end, and those whose first byte began no request
    target.assert_unharmed()


def test_random_bytes_after_the_upgrade(target: Target) -> None:
    randomness = random.Random(2)
    for index in range(500):
        data = randomness.randbytes(randomness.randrange(1, 2_000))
        with raw_websocket(target) as wire:
            with contextlib.suppress(ConnectionError):
                wire.sendall(binary(data) if index % 2 else data)
                wire.shutdown(socket.SHUT_WR)
            everything(wire)
    target.assert_unharmed()


def test_handshakes_that_are_too_large(target: Target) -> None:
    for size in (9_000, 20_000, 200_000):
        with target.dial() as wire:
            with contextlib.suppress(ConnectionError):
                wire.sendall(f"GET {SPLIT_PATH} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                             "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                             "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
                             f"X: {'y' * size}\r\n\r\n".encode())
            assert everything(wire)[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 431")
    target.assert_unharmed()


def test_first_messages_that_are_too_large(target: Target) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(32):
            wire = stack.enter_context(raw_websocket(target))
            with contextlib.suppress(ConnectionError):
                wire.sendall(binary(bytes(8 << 20)))
            everything(wire)
        target.assert_unharmed()


def test_a_crowd_that_says_nothing_and_leaves(target: Target) -> None:
    with contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(target.dial()) for _ in range(CROWD)]
        busy = 0
        for caller in crowd[SESSIONS + 64 :]:
            busy += everything(caller).startswith(b"HTTP/1.1 503 ")
        assert busy == CROWD - SESSIONS - 64
    target.assert_unharmed()


def test_callers_who_drip_or_stay_silent(target: Target) -> None:
    """A phone is served meanwhile, and each of them is sent away."""
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(target.dial()) for _ in range(16)]
        dripping = [stack.enter_context(target.dial()) for _ in range(16)]
        mute = [stack.enter_context(raw_websocket(target)) for _ in range(8)]
        slow = [stack.enter_context(raw_websocket(target)) for _ in range(8)]
        frame = binary(encode(Frame(FrameType.HELLO, payload=target.hello.pack())))
        sent, waiting = 0, {*silent, *dripping, *mute, *slow}
        while sent < 40:  # a byte from each of the slow ones, between the phone's conversations
            for wire in dripping:
                wire.sendall(b"GET / HTTP/1.1\r\nX: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"[
                    sent : sent + 1])
            for wire in slow:
                wire.sendall(frame[sent : sent + 1])
            sent += 1
            assert target.ask() == target.token
        assert len({wire.fileno() for wire in waiting}) == 48
        for wire in silent + dripping:
            assert everything(wire).startswith(b"HTTP/1.1 408 ")
        for wire in mute + slow:
            said = b""
            while b"Nothing came for" not in said:
                more = wire.recv(1 << 16)
                assert more, said
                said += more
        target.assert_unharmed()


def test_a_session_whose_frame_never_ends(target: Target) -> None:
    """It holds its own place, and nobody else's."""
    with raw_websocket(target) as wire:
        wire.sendall(binary(encode(Frame(FrameType.HELLO, payload=target.hello.pack()))))
        assert wire.recv(1 << 16)
        message = binary(rows_frame(1))
        for index in range(60):
            wire.sendall(message[index : index + 1])
            assert target.ask() == target.token
    target.assert_unharmed()


def test_a_client_that_never_reads(target: Target) -> None:
    with raw_websocket(target) as wire:
        wire.sendall(binary(encode(Frame(FrameType.HELLO, payload=target.hello.pack()))))
        head = wire.recv(2, socket.MSG_WAITALL)
        answer = decode(wire.recv(head[1], socket.MSG_WAITALL))
        welcome = Welcome.unpack(answer.payload)
        # Each is answered with an echo, which nobody takes.
        cancels = binary(encode(Frame(FrameType.CANCEL, welcome.session, answer.epoch))) * 500
        wire.settimeout(2)
        with contextlib.suppress(TimeoutError, ConnectionError):
            for _ in range(2_000):  # 38 MB; the edge stops reading long before
                wire.sendall(cancels)
        target.assert_unharmed()
    target.assert_unharmed()


def test_sessions_beyond_the_limit_are_told_so(target: Target) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(SESSIONS):
            stack.enter_context(session(target))
        for _ in range(200):
            with upgraded(target) as wire:
                wire.send(encode(Frame(FrameType.HELLO, payload=target.hello.pack())))
                assert frame_from(wire).type is FrameType.ERROR
                with pytest.raises(ConnectionClosed):
                    wire.recv(timeout=WAIT)
    target.assert_unharmed()


def test_the_log_of_all_this_holds_no_secrets(target: Target) -> None:
    """At its most talkative; and no line of it is a bug's."""
    target.ask()
    # What nobody should send where it is sent here, and somebody will.
    with connect(f"ws://127.0.0.1:{target.port}{SPLIT_PATH}?prompt={SENTENCE}",
                 compression=None) as wire:
        wire.send(SENTENCE)
        assert frame_from(wire).type is FrameType.ERROR
    with upgraded(target) as wire:
        wire.send(encode(Frame(FrameType.HELLO, payload=replace(
            target.hello, token=SENTENCE).pack())))
        assert frame_from(wire).type is FrameType.ERROR
    answer = httpx.get(f"http://127.0.0.1:{target.port}/v1/models?prompt={SENTENCE}",
                       headers={"Authorization": f"Bearer {SENTENCE}"}, timeout=WAIT)
    assert answer.status_code == 401
    assert httpx.get(f"http://127.0.0.1:{target.port}/{SENTENCE}", timeout=WAIT).status_code == 404
    text = target.log.read_text()
    events = [json.loads(line) for line in text.splitlines()]
    assert len(events) > 50
    rows = to_bytes(torch.linspace(-1, 1, 3 * HIDDEN).reshape(3, HIDDEN))
    for secret in (*target.secrets, SENTENCE, rows[:8].hex(), rows[:8].hex(" "), str(rows[:8]),
                   "Bearer"):
        assert secret not in text
    assert {event["level"] for event in events} <= {"debug", "info", "warning"}
    known = {"time", "level", "logger", "event", "session", "token", "mode", "layers", "tokens",
             "reason", "code"}
    for event in events:
        assert set(event) <= known, event
        if event["logger"].startswith("edge_server"):
            assert not any(letter.isdigit() for letter in event["event"]), event
