"""One phone's connection: frames between its WebSocket, its session and the worker.

It moves bytes and knows no rules: what a frame may ask is in `sessions`. Reading goes on while the
worker computes, so a prompt's next chunk arrives meanwhile; a session with too many chunks waiting
is not read from, and TCP slows the phone down.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging

from fastapi import WebSocket, WebSocketDisconnect
from fastapi.websockets import WebSocketState

from edge_server.config import EdgeConfig
from edge_server.errors import EdgeError, FrameError, SessionError, StageError
from edge_server.frame import Frame, FrameType, decode, encode
from edge_server.messages import ErrorCode, ErrorNotice, Hello
from edge_server.serving import Edge
from edge_server.sessions import Job, Session, State

logger = logging.getLogger("edge_server")
NORMAL_CLOSE = 1000
ERROR_CLOSE = 1008  # policy violation: the ERROR frame before it says what


class Connection:
    """One phone's WebSocket, from its HELLO to its end."""

    def __init__(self, edge: Edge, websocket: WebSocket) -> None:
        self._edge = edge
        self._config: EdgeConfig = edge.config
        self._socket = websocket
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Semaphore(self._config.pending_chunks)
        self._sending = asyncio.Lock()  # answers of the worker and of the reader never interleave
        self._tasks: set[asyncio.Task[None]] = set()  # the loop itself keeps only weak references

    async def run(self) -> None:
        session: Session | None = None
        try:
            session = await self._open()
            logger.info("session opened: layers %s, %s", session.layers, session.mode.name)
            while session.state is State.OPEN:
                frame = await self._receive(self._config.idle_timeout, ErrorCode.IDLE)
                job = self._edge.sessions.accept(session, frame)
                if frame.type is FrameType.CANCEL:
                    await self._send(Frame(FrameType.CANCEL, session.number))
                if job is not None:
                    await self._room.acquire()
                    self._edge.worker.submit(job, self._reply_later)
            await self._close(NORMAL_CLOSE)
        except WebSocketDisconnect:
            pass  # the phone is gone: its session goes too
        except EdgeError as error:
            await self._refuse(error)
        finally:
            if session is not None:
                self._edge.sessions.close(session)
                self._edge.worker.release(session)
                logger.info("session closed at %d tokens", session.length)

    async def _open(self) -> Session:
        frame = await self._receive(self._config.hello_timeout, ErrorCode.IDLE)
        if frame.type is not FrameType.HELLO:
            raise FrameError(f"A session starts with HELLO, not {frame.type.name}.")
        session = self._edge.sessions.open(Hello.unpack(frame.payload))
        welcome = self._edge.sessions.welcome(session)
        await self._send(Frame(FrameType.WELCOME, session.number, payload=welcome.pack()))
        return session

    async def _receive(self, timeout: float, code: ErrorCode) -> Frame:
        if self._socket.application_state is not WebSocketState.CONNECTED:
            raise WebSocketDisconnect  # an answer was a refusal, or found the phone gone
        try:
            async with asyncio.timeout(timeout):
                message = await self._socket.receive_bytes()
        except TimeoutError:
            raise SessionError(code, f"Nothing came for {timeout:.0f} s.",
                               "Open the session again.") from None
        except KeyError:  # how Starlette reports a text message
            raise FrameError("A text message came where frames are binary.") from None
        return decode(message, self._config.max_payload)

    def _reply_later(self, job: Job, result: Frame | EdgeError | None) -> None:
        """Called on the worker's thread: hand the result to the event loop."""
        with contextlib.suppress(RuntimeError):  # the loop has closed: nobody is left to tell
            self._loop.call_soon_threadsafe(self._reply, job, result)

    def _reply(self, job: Job, result: Frame | EdgeError | None) -> None:
        if result is None or job.cancelled:
            self._room.release()
            return
        task = self._loop.create_task(self._answer(job, result))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, job: Job, result: Frame | EdgeError) -> None:
        try:
            if job.cancelled:
                return  # the CANCEL came in between, and its echo is on the way
            if isinstance(result, Frame):
                await self._send(result)
            else:
                job.session.state = State.CLOSED  # nothing more of it is read or computed
                await self._refuse(result)
        finally:
            # Only now: a phone that does not read its answers is not read from either.
            self._room.release()

    async def _send(self, frame: Frame) -> None:
        # A phone that has gone is noticed by the reader; here there is nothing more to do.
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            async with self._sending:
                await self._socket.send_bytes(encode(frame))

    async def _refuse(self, error: EdgeError) -> None:
        notice = notice_of(error)
        logger.info("session refused: %s", notice.code.name)
        await self._send(Frame(FrameType.ERROR, payload=notice.pack()))
        await self._close(ERROR_CLOSE)

    async def _close(self, code: int) -> None:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # closed already
            await self._socket.close(code)


def notice_of(error: EdgeError) -> ErrorNotice:
    """What the phone is told of `error`: the one place where errors become codes."""
    if isinstance(error, SessionError):
        code = ErrorCode(error.code)
    elif isinstance(error, FrameError):
        code = ErrorCode.BAD_FRAME
    elif isinstance(error, StageError):
        code = ErrorCode.BAD_POSITION
    else:
        code = ErrorCode.INTERNAL
    return ErrorNotice(code, error.problem, error.remedy)
