"""A guarded server for tests, on real sockets: a small application stands in for the edge's."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from edge_server.guard import GuardedConfig, Limits, Listener
from edge_server.server import EdgeServer

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
        self.carried = [0, 0]  # bytes that came over WebSockets, and went
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

    def count(self, received: int, sent: int) -> None:
        self.carried[0] += received
        self.carried[1] += sent

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
        served.app, limits, served.denied.append, served.count, log_config=None, lifespan="off",
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


def until(condition: Callable[[], bool]) -> None:
    """Wait for what another thread brings about."""
    waited = threading.Event()
    for _ in range(6_000):
        if condition():
            return
        waited.wait(0.01)
    pytest.fail("it did not come about")
