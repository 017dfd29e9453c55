"""The guard: callers that drip, stay silent, read nothing or come in crowds, on real sockets.

A small application stands in for the edge's. Limits are short, and what is waited for is always
that the guard acts.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from uvicorn.server import ServerState
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from edge_server import guard
from edge_server.guard import (
    MAX_FIRST_MESSAGE,
    MAX_FRAGMENTS,
    MAX_HEAD_BYTES,
    MAX_UNREAD_MESSAGES,
    GuardedConfig,
    GuardedWebSocket,
    Limits,
    Listener,
    source_of,
)
from edge_server.server import EdgeServer
from edge_server.tls import server_context

WAIT = 60.0
SOON = Limits(connections=6, per_address=3, head_seconds=0.4, unread_seconds=0.4)
UPGRADE = (b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n")
MAX_MESSAGE = 1 << 20


class Served:
    """A running server: where it is, what it refused, and what its application does."""

    def __init__(self) -> None:
        self.port = 0
        self.denied: list[str] = []
        self.server: EdgeServer | None = None
        self.started = threading.Event()

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200,
                        "headers": [(b"content-length", b"2")]})
            await send({"type": "http.response.body", "body": b"ok"})
            return
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            data = message["bytes"]
            if data == b"flood":  # more than any buffer on the way takes
                for _ in range(64):
                    await send({"type": "websocket.send", "bytes": bytes(1 << 20)})
            else:
                await send({"type": "websocket.send", "bytes": struct.pack(">I", len(data))})

    def dial(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), WAIT)

    def assert_serves(self) -> None:
        with self.dial() as wire:
            wire.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert everything(wire).endswith(b"\r\n\r\nok")

    def connections(self) -> int:
        assert self.server is not None
        return len(self.server.server_state.connections)


async def no_drain() -> None:
    """Nothing here waits for an answer to finish."""


@contextlib.contextmanager
def serving(limits: Limits = SOON, context: ssl.SSLContext | None = None) -> Iterator[Served]:
    served = Served()

    class Observed(EdgeServer):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            served.started.set()

    served.server = Observed(GuardedConfig(
        served.app, limits, served.denied.append, log_config=None, lifespan="off",
        interface="asgi3", ws_max_size=MAX_MESSAGE, ws_per_message_deflate=False,
        ws_ping_interval=None, timeout_graceful_shutdown=1,
        ssl_context_factory=None if context is None else lambda *_: context), drain=no_drain)
    plain = socket.create_server(("127.0.0.1", 0))
    served.port = plain.getsockname()[1]
    listener = Listener(plain, limits, served.denied.append, context is not None)
    thread = threading.Thread(target=served.server.run, kwargs={"sockets": [listener]})
    thread.start()
    assert served.started.wait(WAIT)
    try:
        yield served
        if context is None:
            served.assert_serves()
    finally:
        served.server.should_exit = True
        thread.join(WAIT)
    assert not thread.is_alive()


def everything(wire: socket.socket) -> bytes:
    """What comes until the other side ends, which it must."""
    received = bytearray()
    with contextlib.suppress(ConnectionResetError):
        while data := wire.recv(1 << 16):
            received += data
    return bytes(received)


def drip(wire: socket.socket, data: bytes) -> int:
    """Send `data` byte by byte, slowly, until the other side answers or ends; how much went."""
    for sent in range(len(data)):
        if select.select([wire], [], [], 0.02)[0]:
            return sent
        wire.sendall(data[sent : sent + 1])
    return len(data)


def until(condition: Callable[[], bool]) -> None:
    """Wait for what another thread brings about."""
    waited = threading.Event()
    for _ in range(6_000):
        if condition():
            return
        waited.wait(0.01)
    pytest.fail("it did not come about")


def upgraded(served: Served) -> socket.socket:
    """A WebSocket, by hand."""
    wire = served.dial()
    wire.sendall(UPGRADE + b"\r\n")
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += wire.recv(1)
    assert head.startswith(b"HTTP/1.1 101")
    return wire


def frame(opcode: int, payload: bytes = b"", fin: bool = True) -> bytes:
    """A client's WebSocket frame; its mask is zero, which changes nothing."""
    size = len(payload)
    length = (bytes([0x80 | size]) if size < 126 else b"\xfe" + struct.pack(">H", size)
              if size < 1 << 16 else b"\xff" + struct.pack(">Q", size))
    return bytes([(0x80 if fin else 0) | opcode]) + length + bytes(4) + payload


# Requests.


@pytest.mark.parametrize("begun", [b"", b"G", b"GET / HTTP/1.1\r\nHost: x\r\n"])
def test_a_caller_who_stops_half_way(begun: bytes) -> None:
    with serving() as served, served.dial() as wire:
        wire.sendall(begun)
        assert everything(wire).startswith(b"HTTP/1.1 408 ")
        assert served.denied == ["late_request"]


def test_a_head_that_drips_in() -> None:
    with serving() as served, served.dial() as wire:
        endless = b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 2_000
        assert drip(wire, endless) < 200
        assert everything(wire).startswith(b"HTTP/1.1 408 ")


def test_a_second_request_that_drips_in() -> None:
    with serving() as served, served.dial() as wire:
        wire.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        while not wire.recv(1 << 16).endswith(b"ok"):
            pass
        assert drip(wire, b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 2_000) < 200
        assert everything(wire).startswith(b"HTTP/1.1 408 ")


def test_a_body_that_drips_in_after_the_answer() -> None:
    with serving() as served, served.dial() as wire:
        wire.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
        while not wire.recv(1 << 16).endswith(b"ok"):
            pass
        with contextlib.suppress(ConnectionError):
            assert drip(wire, bytes(10_000)) < 200
        assert everything(wire) == b""
        assert served.denied == ["late_request"]


def test_many_requests_on_one_connection_are_welcome() -> None:
    with serving() as served, served.dial() as wire:
        wire.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 20)
        received = b""
        while received.count(b"\r\n\r\nok") < 20:
            received += wire.recv(1 << 16)
        assert served.denied == []


@pytest.mark.parametrize("head", [
    b"GET / HTTP/1.1\r\nX: " + b"y" * (MAX_HEAD_BYTES + 1), b"G" * (2 * MAX_HEAD_BYTES)])
def test_a_head_that_is_too_long(head: bytes) -> None:
    with serving() as served, served.dial() as wire:
        with contextlib.suppress(ConnectionError):
            wire.sendall(head)
        assert everything(wire).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("more", [
    b"".join(b"X-%d: y\r\n" % index for index in range(200)), b"X: " + b"y" * 9_000 + b"\r\n"])
def test_a_websocket_handshake_that_is_too_long(
    more: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Longer than the WebSocket library takes, and not than HTTP does."""
    with serving() as served:
        with served.dial() as wire:
            wire.sendall(UPGRADE + more + b"\r\n")
            assert everything(wire).startswith(b"HTTP/1.1 431 ")
        assert served.denied == ["handshake"]
        until(lambda: served.connections() == 0)
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_random_bytes(caplog: pytest.LogCaptureFixture) -> None:
    """They are counted, and leave no line each in a log."""
    randomness = random.Random(20260301)
    with serving() as served:
        for _ in range(300):
            with served.dial() as wire:
                with contextlib.suppress(ConnectionError):
                    wire.sendall(b"\0" + randomness.randbytes(randomness.randrange(1, 400)))
                    wire.shutdown(socket.SHUT_WR)
                everything(wire)
        until(lambda: served.connections() == 0)
        assert served.denied == ["bad_request"] * 300
    assert caplog.records == []


def test_a_tls_handshake_that_does_not_come(tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = tmp_path / "edge.pem"
    certificate.write_bytes(
        authority.issue_cert("localhost").private_key_and_cert_chain_pem.bytes())
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with serving(context=server_context(certificate, certificate)) as served:
        with served.dial() as silent:
            assert everything(silent) == b""
        with served.dial() as wire, trusting.wrap_socket(
                wire, server_hostname="localhost") as secure:
            assert drip(secure, b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 2_000) < 200
            assert everything(secure).startswith(b"HTTP/1.1 408 ")
        with served.dial() as wire, trusting.wrap_socket(
                wire, server_hostname="localhost") as secure:
            secure.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert everything(secure).endswith(b"ok")


# Crowds.


def test_more_callers_than_there_is_room_for() -> None:
    patient = Limits(connections=6, per_address=3)
    with serving(patient) as served, contextlib.ExitStack() as stack:
        # Callers of this machine itself have no limit by address.
        callers = [stack.enter_context(served.dial()) for _ in range(6)]
        for caller in callers:  # an answer shows that it was let in
            caller.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert caller.recv(1 << 16).startswith(b"HTTP/1.1 200 ")
        for _ in range(200):
            with served.dial() as refused:
                assert everything(refused).startswith(b"HTTP/1.1 503 ")
        assert served.denied == ["connections"] * 200
        assert served.connections() == 6
        callers[0].close()
        until(lambda: served.connections() < 6)
        served.assert_serves()
        callers[1].sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert everything(callers[1]).endswith(b"ok")


def test_one_address_takes_not_all_the_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "source_of", lambda host: host)  # as if this machine were another
    patient = Limits(connections=6, per_address=3)
    with serving(patient) as served, contextlib.ExitStack() as stack:
        for _ in range(3):
            caller = stack.enter_context(served.dial())
            caller.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert caller.recv(1 << 16).startswith(b"HTTP/1.1 200 ")
        with served.dial() as refused:
            assert everything(refused).startswith(b"HTTP/1.1 503 ")
        assert served.denied == ["connections_of_address"]
        other = socket.create_connection(("127.0.0.1", served.port), WAIT, ("127.0.0.2", 0))
        with other:
            other.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert everything(other).endswith(b"ok")
        stack.close()
        until(lambda: served.connections() == 0)


def test_a_crowd_that_says_nothing_makes_room_by_and_by() -> None:
    with serving() as served, contextlib.ExitStack() as stack:
        silent = [stack.enter_context(served.dial()) for _ in range(40)]
        answers = [everything(caller)[:12] for caller in silent]
        assert set(answers) == {b"HTTP/1.1 408", b"HTTP/1.1 503"}
        assert answers.count(b"HTTP/1.1 408") == 6


def test_a_connection_that_is_dropped_unclosed_is_not_counted_on() -> None:
    plain = socket.create_server(("127.0.0.1", 0))
    with Listener(plain, Limits(1, 1), pytest.fail, False) as listener:
        for _ in range(3):
            with socket.create_connection(listener.getsockname(), WAIT):
                accepted, _ = listener.accept()
                os.close(accepted.detach())
                del accepted


@pytest.mark.parametrize(("host", "source"), [
    ("127.0.0.1", None), ("127.8.0.1", None), ("::1", None), ("::ffff:127.0.0.1", None),
    ("192.0.2.7", "192.0.2.7"), ("::ffff:192.0.2.7", "192.0.2.7"),
    ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"), ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
    ("fe80::1%eth0", "fe80::/64")])
def test_who_counts_as_one_caller(host: str, source: str | None) -> None:
    assert source_of(host) == source


# WebSockets.


@contextlib.contextmanager
def talking(served: Served) -> Iterator[ClientConnection]:
    with connect(f"ws://127.0.0.1:{served.port}", compression=None, max_size=None,
                 open_timeout=WAIT) as wire:
        yield wire


def refused(wire: ClientConnection, message: bytes) -> ConnectionClosed:
    """How the connection ended that `message` was too much for."""
    try:
        wire.send(message)
        wire.recv(timeout=WAIT)
    except ConnectionClosed as end:
        return end
    raise AssertionError("the message was taken")


def test_the_first_message_is_short_and_later_ones_need_not_be() -> None:
    with serving() as served:
        with talking(served) as wire:
            for size in (MAX_FIRST_MESSAGE, MAX_MESSAGE):
                wire.send(bytes(size))
                assert wire.recv(timeout=WAIT) == struct.pack(">I", size)
            end = refused(wire, bytes(MAX_MESSAGE + 1))
            # The server hangs up before it has read all, and the reset may overtake its reason.
            assert end.rcvd is None or end.rcvd.code == 1009
        with talking(served) as wire:
            refused(wire, bytes(MAX_FIRST_MESSAGE + 1))


def test_a_message_in_fragments_without_end() -> None:
    with serving() as served, upgraded(served) as wire:
        wire.sendall(frame(2, b"x", fin=False))
        with contextlib.suppress(ConnectionError):
            wire.sendall(frame(0, b"", fin=False) * (MAX_FRAGMENTS + 10))
        assert everything(wire) == b""
        assert served.denied == ["fragments"]


def test_a_message_in_some_fragments_is_whole() -> None:
    with serving() as served, upgraded(served) as wire:
        wire.sendall(frame(2, b"x" * 10, fin=False) + frame(0, b"y" * 20, fin=False)
                     + frame(0, b"z" * 30))
        assert wire.recv(100) == b"\x82\x04" + struct.pack(">I", 60)


def test_a_peer_that_never_reads_what_it_asked_for() -> None:
    with serving() as served, upgraded(served) as wire:
        wire.sendall(frame(2, b"flood"))
        until(lambda: served.denied == ["unread"])
        until(lambda: served.connections() == 0)


def test_pings_whose_answers_nobody_reads() -> None:
    with serving() as served, upgraded(served) as wire:
        ping = frame(9, bytes(125)) * 500
        with contextlib.suppress(ConnectionError):
            while True:  # until the edge has had enough
                wire.sendall(ping)
        assert served.denied == ["unread"]
        until(lambda: served.connections() == 0)


def test_a_peer_that_reads_late_but_does() -> None:
    lenient = Limits(connections=6, per_address=3, unread_seconds=WAIT)
    with serving(lenient) as served, talking(served) as wire:
        wire.send(b"flood")
        assert sum(len(wire.recv(timeout=WAIT)) for _ in range(64)) == 64 << 20
        assert served.denied == []


def test_random_bytes_after_the_upgrade() -> None:
    randomness = random.Random(20260302)
    with serving() as served:
        for _ in range(200):
            with upgraded(served) as wire:
                with contextlib.suppress(ConnectionError):
                    wire.sendall(randomness.randbytes(randomness.randrange(1, 400)))
                    wire.shutdown(socket.SHUT_WR)
                everything(wire)
        until(lambda: served.connections() == 0)


class Transport(asyncio.Transport):
    """Takes everything and notes whether it was cut."""

    def __init__(self) -> None:
        super().__init__()
        self.cut = False

    def write(self, data: Any) -> None: ...

    def pause_reading(self) -> None: ...

    def is_closing(self) -> bool:
        return self.cut

    def abort(self) -> None:
        self.cut = True

    def get_write_buffer_size(self) -> int:
        return 0


def test_more_messages_in_one_read_than_anybody_needs() -> None:
    async def scene() -> None:
        denied: list[str] = []
        async def deaf(scope: Any, receive: Any, send: Any) -> None:
            await asyncio.Event().wait()

        config = GuardedConfig(deaf, SOON, denied.append, interface="asgi3", lifespan="off",
                               log_config=None, ws_per_message_deflate=False)
        config.load()
        state, transport = ServerState(), Transport()
        protocol = GuardedWebSocket(config, state, {})
        protocol.connection_made(transport)
        protocol.data_received(UPGRADE + b"\r\n")
        protocol.data_received(frame(2) * (MAX_UNREAD_MESSAGES - 1))  # and one is the handshake's
        assert not transport.cut
        protocol.data_received(frame(2) * 10)
        assert transport.cut
        assert denied[0] == "messages"
        assert protocol.queue.qsize() == MAX_UNREAD_MESSAGES
        for task in state.tasks:
            task.cancel()

    asyncio.run(scene())
