"""The guard of WebSockets: messages too long or in endless pieces, and peers that do not read."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from collections.abc import Iterator
from typing import Any

import pytest
from uvicorn.server import ServerState
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from edge_server.guard import (
    MAX_FIRST_MESSAGE,
    MAX_FRAGMENTS,
    MAX_UNREAD_MESSAGES,
    GuardedConfig,
    GuardedWebSocket,
    Limits,
)
from tests.edge_server.guard_scene import (
    MAX_MESSAGE,
    SOON,
    UPGRADE,
    WAIT,
    Served,
    everything,
    serving,
    until,
)


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
        until(lambda: served.denied == ["unread"])  # the system may have hung up before the edge
        until(lambda: served.connections() == 0)


def test_every_byte_on_a_websockets_socket_is_counted_and_no_other() -> None:
    """Heads, masks, fragments and pings with them; a request that stays HTTP is none of it."""
    with serving() as served, upgraded(served) as wire:
        received, sent = served.carried
        for messages, answers in (
                ((frame(2, bytes(5)),), 2 + 4), ((frame(2, bytes(300)),), 2 + 4),
                ((frame(9, b"17"),), 2 + 2), ((frame(2, bytes(70), False), frame(0, b"x")), 2 + 4)):
            for message in messages:
                wire.sendall(message)
                received += len(message)
            assert len(wire.recv(answers, socket.MSG_WAITALL)) == answers
            sent += answers
            assert served.carried == [received, sent]
        served.assert_serves()
        assert served.carried == [received, sent]


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

    def close(self) -> None: ...

    def get_write_buffer_size(self) -> int:
        return 0


@pytest.mark.parametrize(("ended", "denied"), [
    (TimeoutError(), ["unread"]), (ConnectionResetError(), []), (None, [])])
def test_where_the_system_gives_up_a_peer_that_does_not_read_it_is_told(
        ended: Exception | None, denied: list[str]) -> None:
    async def scene() -> None:
        found: list[str] = []
        config = GuardedConfig(Served().app, SOON, found.append, interface="asgi3",
                               lifespan="off", log_config=None)
        config.load()
        for paused in (False, True):
            protocol = GuardedWebSocket(config, ServerState(), {})
            protocol.connection_made(Transport())
            if paused:
                protocol.pause_writing()
            protocol.connection_lost(ended)
            assert found == (denied if paused else [])

    asyncio.run(scene())


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
