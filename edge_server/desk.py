"""The front desk: which connection carries which session, and how sessions end that no frame ended.

It brings sessions, connections and worker together: admits, hands a session from a dead connection
to the phone's new one, evicts who is idle and says so, and empties the edge before it shuts down.
It knows no frames beyond HELLO and no sockets: a connection is whatever can be told to stop.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from edge_server.config import EdgeConfig
from edge_server.errors import SessionError
from edge_server.logs import alias
from edge_server.messages import ErrorCode, Hello
from edge_server.metrics import Metrics
from edge_server.rate import Bucket
from edge_server.session import Event, Owner, Session, State
from edge_server.sessions import Admission, Sessions, moved
from edge_server.tokens import TokenEntry, TokenStore
from edge_server.worker import Worker

logger = logging.getLogger("edge_server.desk")
NOBODY = Owner()  # of an edge that asks for no tokens


class Stoppable(Protocol):
    """What the desk asks of a connection."""

    def stop(self, error: SessionError) -> None:
        """Tell the phone, as far as it listens, and close."""


class Desk:
    """Sessions, their connections and the worker that computes for them."""

    def __init__(
        self, config: EdgeConfig, sessions: Sessions, worker: Worker, metrics: Metrics,
        tokens: TokenStore | None, clock: Callable[[], float],
    ) -> None:
        self.config, self.sessions, self.worker, self.clock = config, sessions, worker, clock
        self.metrics, self._tokens = metrics, tokens
        self._buckets: dict[str, Bucket] = {}  # by the token's name
        self._granted: dict[int, TokenEntry] = {}  # by session
        self._connections: dict[int, Stoppable] = {}

    def admit(self, hello: Hello, connection: Stoppable) -> Admission:
        """Open a session for `connection`, or hand it the one it had."""
        entry = self._entry(hello.token)
        owner = NOBODY if entry is None else Owner(entry.name, entry.sessions, entry.rate)
        admission = self.sessions.admit(hello, owner, self.clock())
        self.settle()
        number = admission.session.number
        if entry is not None:
            self._granted[number] = entry
        if admission.resumed:
            self.metrics.resumed()
        else:
            self.metrics.opened(hello.mode.name.lower())
            if hello.session:
                self.metrics.rebuilt()
        before = self._connections.get(number)
        self._connections[number] = connection
        if before is not None:
            before.stop(SessionError(ErrorCode.TAKEN_OVER,
                                     "The phone came back on another connection."))
        logger.info("session resumed" if admission.resumed else "session opened", extra={
            "session": alias(number), "token": owner.name, "mode": hello.mode.name.lower(),
            "layers": str(hello.layers), "tokens": admission.session.length})
        return admission

    def wait_for(self, owner: Owner, rows: int) -> float:
        """Seconds until `owner` may send `rows` more; 0.0 takes them."""
        rate = owner.rate or self.config.rate
        if not rate:
            return 0.0
        bucket = self._buckets.get(owner.name)
        if bucket is None or bucket.rate != rate:
            # A chunk of a prompt is one piece, and so has to fit.
            bucket = self._buckets[owner.name] = Bucket(rate, max(rate, self.config.max_rows))
        return bucket.take(rows, self.clock())

    def leave(self, session: Session, connection: int) -> None:
        """That connection is over; the session waits for the phone's next."""
        if self.sessions.lost(session, connection, self.clock()):
            del self._connections[session.number]
            logger.info("session parked", extra={
                "session": alias(session.number), "tokens": session.length})

    def end(self, session: Session, event: Event, error: SessionError | None = None) -> None:
        """End `session`; `error` is told to the phone if it is still there."""
        self.sessions.close(session, event)
        self._release(session, event, error)

    def settle(self) -> None:
        """Free what had to make room for others."""
        for session in self.sessions.take_evicted():
            self._release(session, Event.EVICTED, SessionError(
                ErrorCode.IDLE, "The edge gave this idle session's place to another phone.",
                "Open a session again.", retry_after=0.5))

    def sweep(self) -> None:
        """End the sessions whose time is over, and those whose token is valid no longer."""
        for session in self.sessions:
            entry = self._granted.get(session.number)
            if entry is not None and self._tokens is not None and not self._tokens.holds(entry):
                self.end(session, Event.REVOKED, unauthorised())
        for session in self.sessions.overdue(self.clock()):
            self.end(session, Event.EVICTED, SessionError(
                ErrorCode.IDLE, f"Nothing came for {self.config.idle_timeout:.0f} s.",
                "Open the session again."))

    async def keep_house(self) -> None:
        """Sweep until cancelled."""
        while True:
            await asyncio.sleep(self.config.housekeeping)
            self.sweep()

    async def drain(self) -> None:
        """Admit nobody, let running answers finish within the deadline, send the rest away."""
        self.sessions.draining = True
        deadline = self.clock() + self.config.drain_timeout
        while len(self.sessions):
            now = self.clock()
            for session in self.sessions:
                running = (session.state is State.ATTACHED
                           and session.quiet(now) < self.config.drain_quiet)
                if not running or now >= deadline:
                    self.end(session, Event.MOVED, moved())
            await asyncio.sleep(0.02)

    def _entry(self, token: str) -> TokenEntry | None:
        """What is known of `token`; None where nobody is asked for one."""
        if self._tokens is None or not self._tokens.required:
            return None
        entry = self._tokens.check(token)
        if entry is None:
            raise unauthorised()
        return entry

    def _release(self, session: Session, event: Event, error: SessionError | None) -> None:
        self.worker.release(session)
        self._granted.pop(session.number, None)
        self.metrics.closed(event.value)
        if event is Event.EVICTED:
            self.metrics.evicted()
        connection = self._connections.pop(session.number, None)
        logger.info("session ended", extra={
            "session": alias(session.number), "reason": event.value, "tokens": session.length})
        if connection is not None and error is not None:
            connection.stop(error)


def unauthorised() -> SessionError:
    """What a phone is told whose token is none, or is one no longer."""
    return SessionError(ErrorCode.UNAUTHORISED, "This edge does not know the phone's token.",
                        "Ask the edge's operator for one, and give it with --token-file.")
