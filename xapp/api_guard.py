"""Keeps callers of the REST API at bounded memory and time, whatever they send or do not send.

A request has a deadline that its dripping in does not move, a body a cap and a deadline, a reader
that does not read is cut off, and connections are counted by the server. It knows no routes.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_HEAD_BYTES = 16 << 10  # of a request; a browser with its cookies has some 2 KiB
MAX_BODY_BYTES = 64 << 10  # a policy with every field has under 4 KiB
HEAD_SECONDS = 10.0  # to say a whole request head, and as long for the body
UNREAD_SECONDS = 30.0  # to take what was sent
CONNECTIONS = 64  # at a time: consoles, a scraper, exports

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Any, Receive, Send], Awaitable[None]]


class GuardedHttp(H11Protocol):
    """HTTP with deadlines."""

    _head: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            _stop(self._head)

    def on_response_complete(self) -> None:
        self._expect_head()
        super().on_response_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self.loop.call_later(UNREAD_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        _stop(self._unread)

    def connection_lost(self, exc: Exception | None) -> None:
        _stop(self._head)
        _stop(self._unread)
        super().connection_lost(exc)

    def _expect_head(self) -> None:
        _stop(self._head)
        self._head = self.loop.call_later(HEAD_SECONDS, self.transport.close)


def _stop(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()


class BodyCap:
    """Middleware: a body that is too long, or comes too slowly, ends in an answer that says so."""

    def __init__(
        self, app: Application, most: int = MAX_BODY_BYTES, seconds: float = HEAD_SECONDS
    ) -> None:
        self._app, self._most, self._seconds = app, most, seconds

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
            return
        body = b""
        try:
            async with asyncio.timeout(self._seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return
                    body += message.get("body", b"")
                    if len(body) > self._most:
                        await _refuse(send, 413, f"The body is longer than {self._most} bytes.",
                                      "Send a shorter one.")
                        return
                    if not message.get("more_body", False):
                        break
        except TimeoutError:
            await _refuse(send, 408, f"The body did not come within {self._seconds:g} s.",
                          "Send it at once.")
            return
        await self._app(scope, _replay(body, receive), send)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Gives the whole body first, and then whatever comes."""
    whole: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return whole.pop() if whole else await receive()

    return replayed


async def _refuse(send: Send, status: int, problem: str, remedy: str) -> None:
    content = json.dumps({"error": problem, "remedy": remedy}).encode()
    await send({"type": "http.response.start", "status": status, "headers": [
        (b"content-type", b"application/json"), (b"connection", b"close"),
        (b"content-length", str(len(content)).encode())]})
    await send({"type": "http.response.body", "body": content})


def guarded_config(app: Any) -> uvicorn.Config:
    """uvicorn's configuration with the guard's protocol and limits."""
    return uvicorn.Config(
        app, http=GuardedHttp, ws="none", loop="asyncio", lifespan="off", interface="asgi3",
        log_config=None, access_log=False, server_header=False,
        h11_max_incomplete_event_size=MAX_HEAD_BYTES, limit_concurrency=CONNECTIONS,
        timeout_keep_alive=30, timeout_graceful_shutdown=2)
