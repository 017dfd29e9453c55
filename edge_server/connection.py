"""One phone's connection: frames between its WebSocket, its session and the worker.

It moves bytes and knows no rules: what a frame may ask is in `sessions`. Reading goes on while the
worker computes, so a prompt's next chunk arrives meanwhile; a session with too many chunks waiting
is not read from, and TCP slows the phone down.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Coroutine
from typing import Any

from fastapi import WebSocket, WebSocketDisconnect
from fastapi.websockets import WebSocketState

from edge_server.config import EdgeConfig
from edge_server.desk import Desk
from edge_server.errors import EdgeError, FrameError, FrameTooLarge, SessionError, StageError
from edge_server.frame import Frame, FrameType, decode, encode
from edge_server.messages import ErrorCode, ErrorNotice, Hello
from edge_server.session import Event, Job, Session, State

logger = logging.getLogger("edge_server")
NORMAL_CLOSE = 1000
FAREWELL = 2.0  # seconds that a phone has to take the reason it is sent away for
ERROR_CLOSE = 1008  # policy violation: the ERROR frame before it says what


class Connection:
    """One phone's WebSocket, from its HELLO to its end."""

    def __init__(self, desk: Desk, websocket: WebSocket) -> None:
        self._desk = desk
        self._config: EdgeConfig = desk.config
        self._socket = websocket
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Semaphore(self._config.pending_chunks)
        self._thread = threading.get_ident()  # the event loop's
        self._due = 0  # jobs whose answers are not sent; these go out in the jobs' order
        self._submitting = False
        self._at_once: list[tuple[Job, Frame | EdgeError | None]] = []  # what `submit` answered
        self._sending = asyncio.Lock()  # answers of the worker and of the reader never interleave
        self._tasks: set[asyncio.Task[None]] = set()  # the loop itself keeps only weak references
        self._number = 0  # among the session's connections
        self._running: asyncio.Task[None] | None = None
        self._stopped = False
        self._session: Session | None = None

    async def run(self) -> None:
        """Serve the phone until either side ends it."""
        self._running = asyncio.current_task()
        session: Session | None = None
        try:
            session = await self._open()
            while session.state is State.ATTACHED and session.connection == self._number:
                await self._take(session, await self._receive())
            await self._close(NORMAL_CLOSE)
        except WebSocketDisconnect:
            pass  # the phone is gone; it may come back for its session
        except asyncio.CancelledError:
            if not self._stopped:
                raise
        except EdgeError as error:
            await self._refuse(error)
            if session is not None and not _may_return(error):
                self._end(session, Event.FAILED)
        finally:
            if session is not None:
                self._desk.leave(session, self._number)

    def stop(self, error: SessionError) -> None:
        """Tell the phone and close, without waiting for one that does not listen."""
        self._stopped = True
        self._later(self._stop(error))

    async def _stop(self, error: SessionError) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL):
                await self._refuse(error)
        if self._running is not None:
            self._running.cancel()

    async def _open(self) -> Session:
        try:
            async with asyncio.timeout(self._config.hello_timeout):
                frame = await self._receive()
        except TimeoutError:
            raise SessionError(
                ErrorCode.IDLE, f"Nothing came for {self._config.hello_timeout:.0f} s.",
                "Open the session again.") from None
        if frame.type is not FrameType.HELLO:
            raise FrameError(f"A session starts with HELLO, not {frame.type.name}.")
        admission = self._desk.admit(Hello.unpack(frame.payload), self)
        session = self._session = admission.session
        self._number = session.connection
        await self._send(Frame(FrameType.WELCOME, session.number, session.epoch,
                               payload=admission.welcome.pack()))
        return session

    async def _take(self, session: Session, frame: Frame) -> None:
        """Do what `frame` asks, as far as the session's rules allow."""
        if self._desk.sessions.would_take(session, frame):
            wait = self._desk.wait_for(session.owner, frame.rows)
            if wait:
                refusal = self._desk.sessions.too_fast(session, wait)
                if refusal is not None:
                    self._desk.metrics.refused(ErrorCode.TOO_FAST.name)
                    await self._send(refusal)
                return
        result = self._desk.sessions.accept(session, self._number, frame, self._desk.clock())
        self._desk.settle()
        if session.state is State.CLOSED:
            self._desk.end(session, Event.ENDED)
        elif isinstance(result, Frame):
            await self._send(result)
        elif result is not None:
            session.pending += 1
            # At once: what was accepted counts as held, for the phone's next connection too.
            self._due += 1
            self._submitting = True
            self._desk.worker.submit(result, self._reply_later, at_once=self._due == 1)
            self._submitting = False
            await self._room.acquire()
            if self._at_once:
                job, answer = self._at_once.pop()
                await self._answer(job, answer)

    async def _receive(self) -> Frame:
        if self._socket.application_state is not WebSocketState.CONNECTED:
            raise WebSocketDisconnect  # an answer was a refusal, or found the phone gone
        try:
            message = await self._socket.receive_bytes()
        except KeyError:  # how Starlette reports a text message
            raise FrameError("A text message came where frames are binary.") from None
        self._desk.metrics.received(len(message))
        if self._session is not None:
            self._session.received += len(message)
        return decode(message, self._config.max_payload)

    def _reply_later(self, job: Job, result: Frame | EdgeError | None) -> None:
        """Called on the worker's thread, or by `submit`: hand the result to whoever sends it."""
        if self._submitting and threading.get_ident() == self._thread:
            job.session.pending -= 1
            self._at_once.append((job, result))
            return
        with contextlib.suppress(RuntimeError):  # the loop has closed: nobody is left to tell
            self._loop.call_soon_threadsafe(self._reply, job, result)

    def _reply(self, job: Job, result: Frame | EdgeError | None) -> None:
        job.session.pending -= 1
        self._later(self._answer(job, result))

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, job: Job, result: Frame | EdgeError | None) -> None:
        try:
            if result is None or job.given_up:
                return  # the CANCEL came in between, and its echo is on the way
            if isinstance(result, Frame):
                if job.drafts:
                    self._desk.sessions.verified(job, result)
                await self._send(result)
            else:
                self._end(job.session, Event.FAILED)  # nothing more of it is read or computed
                await self._refuse(result)
        finally:
            self._due -= 1
            # Only now: a phone that does not read its answers is not read from either.
            self._room.release()

    def _end(self, session: Session, event: Event) -> None:
        if session.state is not State.CLOSED:
            self._desk.end(session, event)

    async def _send(self, frame: Frame) -> None:
        # A phone that has gone is noticed by the reader; here there is nothing more to do.
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            async with self._sending:
                message = encode(frame)
                await self._socket.send_bytes(message)
                self._desk.metrics.sent(len(message))
                if self._session is not None:
                    self._session.sent += len(message)

    async def _refuse(self, error: EdgeError) -> None:
        notice = notice_of(error)
        logger.info("refused", extra={"code": notice.code.name.lower()})
        self._desk.metrics.refused(notice.code.name)
        await self._send(Frame(FrameType.ERROR, payload=notice.pack()))
        await self._close(ERROR_CLOSE)

    async def _close(self, code: int) -> None:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # closed already
            await self._socket.close(code)


def _may_return(error: EdgeError) -> bool:
    """Whether the session is worth keeping: bytes that were damaged on the way are sent again."""
    return isinstance(error, FrameError) or (
        isinstance(error, SessionError) and error.code == ErrorCode.BAD_FRAME)


def notice_of(error: EdgeError) -> ErrorNotice:
    """What the phone is told of `error`: the one place where errors become codes."""
    if isinstance(error, SessionError):
        code = ErrorCode(error.code)
    elif isinstance(error, FrameTooLarge):
        code = ErrorCode.TOO_LARGE
    elif isinstance(error, FrameError):
        code = ErrorCode.BAD_FRAME
    elif isinstance(error, StageError):
        code = ErrorCode.BAD_POSITION
    else:
        code = ErrorCode.INTERNAL
    retry_after = error.retry_after if isinstance(error, SessionError) else 0.0
    return ErrorNotice(code, error.problem, error.remedy, int(retry_after * 1000))
