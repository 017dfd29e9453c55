"""The server's end: what a signal starts, and what a second one cuts short."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from edge_server.guard import GuardedConfig, Limits, Listener
from edge_server.server import Drain, EdgeServer

WAIT = 60.0
LIMITS = Limits(connections=10, per_address=10)


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """An application that answers messages for as long as they come."""
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "bytes": message["bytes"]})


class Running:
    """A server in a thread, with a drain that the test holds."""

    def __init__(self) -> None:
        self.port = 0
        self.draining = threading.Event()
        self.finish = threading.Event()
        self.cancelled = threading.Event()
        self.ended = threading.Event()
        self.send_signal: Callable[[int], None]

    async def drain(self) -> None:
        self.draining.set()
        try:
            await asyncio.to_thread(self.finish.wait, WAIT)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


@contextmanager
def running(drain: Callable[[Running], Drain] = lambda run: run.drain) -> Iterator[Running]:
    run, started = Running(), threading.Event()

    class Observed(EdgeServer):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            started.set()

    server = Observed(GuardedConfig(
        echo, LIMITS, lambda _: None, log_config=None, lifespan="off", interface="asgi3",
        ws_per_message_deflate=False, ws_ping_interval=None, timeout_graceful_shutdown=5),
        drain(run))
    plain = socket.create_server(("127.0.0.1", 0))
    run.port = plain.getsockname()[1]
    # A thread gets no signals: this is what the process' handler calls.
    run.send_signal = lambda number: server.handle_exit(number, None)

    def serve() -> None:
        try:
            server.run(sockets=[Listener(plain, LIMITS, lambda _: None, False)])
        finally:
            run.ended.set()

    thread = threading.Thread(target=serve)
    thread.start()
    assert started.wait(WAIT)
    try:
        yield run
    finally:
        run.finish.set()
        server.should_exit = True
        thread.join(WAIT)
    assert not thread.is_alive()


def test_a_signal_drains_before_anything_is_cut() -> None:
    with running() as run, connect(f"ws://127.0.0.1:{run.port}", compression=None) as wire:
        wire.send(b"before")
        assert wire.recv(timeout=WAIT) == b"before"
        run.send_signal(signal.SIGTERM)
        assert run.draining.wait(WAIT)
        wire.send(b"meanwhile")
        assert wire.recv(timeout=WAIT) == b"meanwhile"
        assert not run.ended.is_set()
        run.finish.set()
        assert run.ended.wait(WAIT)
        with pytest.raises(ConnectionClosed):
            wire.recv(timeout=WAIT)


def test_a_second_signal_waits_for_nothing() -> None:
    with running() as run, connect(f"ws://127.0.0.1:{run.port}", compression=None) as wire:
        run.send_signal(signal.SIGINT)
        assert run.draining.wait(WAIT)
        run.send_signal(signal.SIGINT)
        with pytest.raises(ConnectionClosed):
            wire.recv(timeout=WAIT)
        assert run.cancelled.wait(WAIT)


def test_a_drain_that_fails_ends_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    async def broken() -> None:
        raise ZeroDivisionError

    with caplog.at_level(logging.ERROR, "edge_server.server"), running(lambda _: broken) as run:
        run.send_signal(signal.SIGTERM)
        assert run.ended.wait(WAIT)
    assert [record.message for record in caplog.records] == ["the drain failed"]
