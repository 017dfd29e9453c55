"""Runs the jobs of all sessions on one thread of its own, in the order they came.

The thread owns stages and caches, so nothing else locks them; results go to a callback, which the
server hands over to its event loop. It knows no sockets.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

from edge_server.engine.load import Engine
from edge_server.engine.stage import Output, Stage, warm_up
from edge_server.engine.tensors import to_bytes
from edge_server.errors import EdgeError, SessionError
from edge_server.frame import Flags, Frame, FrameType, token_frame
from edge_server.messages import ErrorCode, Mode
from edge_server.sessions import Job, Session
from edge_server.split import LayerRange

logger = logging.getLogger("edge_server.worker")
Reply = Callable[[Job, Frame | EdgeError | None], None]  # an answer, a refusal, or nothing


class Worker:
    """One thread that runs layers `[start, end)` for every session."""

    def __init__(self, engine: Engine, held: LayerRange, has_output: bool) -> None:
        self._stage: Stage = engine.stage(held)
        self._views: dict[LayerRange, Stage] = {held: self._stage}
        self._output: Output | None = engine.output() if has_output else None
        warm_up(self._stage, self._output, engine.checkpoint.architecture.hidden)
        self._queue: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._loop, name="edge-worker", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Finish what is queued, then end the thread."""
        self._queue.put(None)
        self._thread.join()

    def memory(self) -> int:
        """Bytes held in weights and caches."""
        return self._stage.bytes() + (self._output.bytes() if self._output else 0)

    def submit(self, job: Job, reply: Reply) -> None:
        self._queue.put(lambda: reply(job, self._guarded(job)))

    def release(self, session: Session) -> None:
        """Free the session's cache, after whatever it still has queued."""
        self._queue.put(lambda: self._view(session.layers).truncate(session.slot, 0))

    def _loop(self) -> None:
        while (task := self._queue.get()) is not None:
            task()

    def _guarded(self, job: Job) -> Frame | EdgeError | None:
        if job.cancelled:
            return None
        try:
            return self._run(job)
        except EdgeError as error:
            return error
        except Exception:
            # The boundary of one session: a bug met by one phone must not end the others'.
            logger.exception("a job of %d rows failed", job.rows.shape[0])
            return SessionError(ErrorCode.INTERNAL, "The edge failed on these rows.",
                                "Try again; if it stays, the edge's log says more.")

    def _run(self, job: Job) -> Frame | None:
        session, count = job.session, job.rows.shape[0]
        positions = range(job.position, job.position + count)
        rows = self._view(session.layers).forward([session.slot] * count, positions, job.rows)
        if not job.flags & (Flags.RESULT_WANTED | Flags.ALL_ROWS):
            return None
        if session.mode is Mode.PRIVATE:
            back = rows if job.flags & Flags.ALL_ROWS else rows[-1:]
            first = job.position + count - back.shape[0]
            return Frame(FrameType.HIDDEN, session.number, 0, first, session.dtype,
                         back.shape[0], back.shape[1], payload=to_bytes(back))
        last = rows[-1:]
        assert self._output is not None  # the handshake admits TOKENS only where it is loaded
        token = job.sampler.choose(self._output.logits(last)[0])
        return token_frame(session.number, 0, job.position + count, token)

    def _view(self, layers: LayerRange) -> Stage:
        """The layers a session asked for, out of those loaded."""
        if layers not in self._views:
            self._views[layers] = self._stage.narrowed(layers)
        return self._views[layers]
