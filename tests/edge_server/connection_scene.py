"""Connections for tests: a phone's end made of queues, and a worker that waits for the test.

The order of events is the test's, and the clock is a number that it sets.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from fastapi import WebSocket

from edge_server.connection import Connection
from edge_server.errors import EdgeError
from edge_server.frame import Frame, FrameType, decode, token_frame
from edge_server.messages import SPLIT_PATH, ErrorNotice, Welcome
from edge_server.serving import Edge
from edge_server.session import Job, Session
from edge_server.worker import Reply, Worker
from tests.edge_server.frames import hello_frame, hello_of


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


MakeEdge = Callable[..., Edge]


@dataclass
class Clock:
    now: float = 1000.0  # seconds

    def __call__(self) -> float:
        return self.now


def perform(scene: Callable[[], Awaitable[None]]) -> None:
    async def all_of_it() -> None:
        await scene()

    asyncio.run(all_of_it())


def ended_with(peer: Peer) -> ErrorNotice:
    """What the phone was told last, before the edge hung up."""
    assert peer.task is not None
    assert peer.task.done()
    assert peer.task.exception() is None
    assert peer.close_code == 1008
    assert peer.sent[-1].type is FrameType.ERROR
    return ErrorNotice.unpack(peer.sent[-1].payload)
