"""Callers who drip, do not read, send too much or are too many; over sockets, and in memory."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from xapp import api_guard
from xapp.api import _Server
from xapp.api_guard import CONNECTIONS, MAX_HEAD_BYTES, BodyCap, Message, guarded_config

PATIENCE = 20.0
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
PIECE, PIECES = b"x" * (1 << 20), 64


class App:
    """Answers with one word, or with more than any socket holds."""

    def __init__(self, large: bool = False) -> None:
        self.large, self.over = large, threading.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for _ in range(PIECES if self.large else 0):
                await send({"type": "http.response.body", "body": PIECE, "more_body": True})
            await send({"type": "http.response.body", "body": b"well"})
        finally:
            self.over.set()


@contextmanager
def served(app: App) -> Iterator[tuple[str, int]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = _Server(guarded_config(app))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        assert server.ready.wait(PATIENCE)
        try:
            yield listener.getsockname()
        finally:
            server.should_exit = True
            thread.join(PATIENCE)
            assert not thread.is_alive()


def connect(address: tuple[str, int]) -> socket.socket:
    return socket.create_connection(address, timeout=PATIENCE)


def read_all(caller: socket.socket) -> int:
    """How many bytes come until the end."""
    count = 0
    try:
        while data := caller.recv(1 << 20):
            count += len(data)
    except ConnectionResetError:
        pass
    return count


def test_a_reader_that_does_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_guard, "UNREAD_SECONDS", 0.2)
    app = App(large=True)
    with served(app) as address, connect(address) as caller:
        caller.sendall(GET)
        assert app.over.wait(PATIENCE)
        assert read_all(caller) < len(PIECE) * PIECES


def test_a_reader_that_reads_gets_all_of_it() -> None:
    with served(App(large=True)) as address, connect(address) as caller:
        caller.sendall(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert read_all(caller) > len(PIECE) * PIECES


def test_one_caller_too_many_is_told_so_and_the_next_is_served_when_others_left() -> None:
    with served(App()) as address:
        with ExitStack() as stack:
            for _ in range(CONNECTIONS):
                stack.enter_context(connect(address))
            late = stack.enter_context(connect(address))
            late.sendall(GET)
            assert late.recv(100).startswith(b"HTTP/1.1 503")
        deadline = time.monotonic() + PATIENCE
        answer = b""
        while not answer.startswith(b"HTTP/1.1 200"):  # it notices their ends one by one
            assert time.monotonic() < deadline
            with connect(address) as caller:
                caller.sendall(GET)
                answer = caller.recv(100)


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHo"])
def test_who_says_no_whole_head_is_cut_off(begun: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_guard, "HEAD_SECONDS", 0.2)
    app = App()
    with served(app) as address, connect(address) as caller:
        caller.sendall(begun)
        assert read_all(caller) == 0
        assert not app.over.is_set()


def test_a_head_that_is_too_long_is_refused() -> None:
    app = App()
    with served(app) as address, connect(address) as caller:
        caller.sendall(b"GET / HTTP/1.1\r\nX: " + b"x" * (MAX_HEAD_BYTES + 10_000))
        assert caller.recv(100).startswith(b"HTTP/1.1 400")
        assert not app.over.is_set()


# The cap of bodies, in memory.


class Call:
    """One request through the cap, and what was answered."""

    def __init__(self, *messages: Message, method: str = "PUT") -> None:
        self.messages, self.scope = list(messages), {"type": "http", "method": method}
        self.sent: list[Message] = []
        self.body: bytes | None = None

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        self.body = (await receive())["body"] if scope["method"] != "GET" else b""
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive(self) -> Message:
        if not self.messages:
            await asyncio.Event().wait()
        return self.messages.pop(0)

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    def run(self, most: int = 10, seconds: float = PATIENCE) -> Call:
        asyncio.run(BodyCap(self.app, most, seconds)(self.scope, self.receive, self.send))
        return self

    @property
    def status(self) -> int | None:
        return self.sent[0]["status"] if self.sent else None


def part(body: bytes, more: bool = False) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


def test_a_body_comes_whole_whatever_its_pieces() -> None:
    call = Call(part(b"12345", True), part(b"", True), part(b"67890")).run()
    assert (call.status, call.body) == (200, b"1234567890")


def test_a_body_that_is_too_long_is_refused_before_it_is_all_here() -> None:
    call = Call(part(b"12345", True), part(b"678901", True)).run()
    assert (call.status, call.body) == (413, None)
    assert "10 bytes" in json.loads(call.sent[1]["body"])["error"]
    assert (b"connection", b"close") in call.sent[0]["headers"]


def test_a_body_that_never_ends_is_refused() -> None:
    call = Call(part(b"1", True)).run(seconds=0.05)
    assert (call.status, call.body) == (408, None)
    assert json.loads(call.sent[1]["body"])["remedy"]


def test_a_caller_that_left_is_not_answered() -> None:
    call = Call(part(b"1", True), {"type": "http.disconnect"}).run()
    assert (call.sent, call.body) == ([], None)


def test_reading_needs_no_body() -> None:
    assert Call(method="GET").run().status == 200
