"""The front desk: who is let in, whose connection carries what, and how sessions end.

Connections and the worker only note what they are told; the clock is a number.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import torch

from edge_server.config import EdgeConfig
from edge_server.desk import Desk
from edge_server.engine.load import EngineOptions
from edge_server.errors import SessionError
from edge_server.frame import Dtype, Frame, FrameType
from edge_server.messages import ErrorCode, Hello, Mode
from edge_server.metrics import Gauges, Metrics
from edge_server.session import Event, Owner, Serving, Session, State
from edge_server.sessions import Sessions
from edge_server.split import LayerRange
from edge_server.tokens import TokenStore
from edge_server.worker import Worker

IDENTITY, SLOTS = "0a" * 32, 2
HELLO = Hello(IDENTITY, LayerRange(1, 4), Dtype.F32, Mode.TOKENS)
CREATED = datetime(2026, 3, 1, tzinfo=UTC)


@dataclass
class Clock:
    now: float = 1000.0  # seconds
    step: float = 0.0  # that pass with every look at it
    looks: int = 0

    def __call__(self) -> float:
        self.now += self.step
        self.looks += 1
        return self.now


class NotingWorker(Worker):
    """Runs nothing."""

    def __init__(self) -> None:
        self.released: list[Session] = []

    def release(self, session: Session) -> None:
        self.released.append(session)


@dataclass
class Connection:
    """What a connection was told."""

    told: list[SessionError] = field(default_factory=list)

    def stop(self, error: SessionError) -> None:
        self.told.append(error)

    @property
    def codes(self) -> list[int]:
        return [error.code for error in self.told]


class Front:
    """A desk with its sessions, and what it noted."""

    def __init__(self, tokens: TokenStore | None = None, **limits: Any) -> None:
        self.clock, self.worker, self.metrics = Clock(), NotingWorker(), Metrics()
        config = EdgeConfig(EngineOptions(slots=SLOTS, capacity=64), **limits)
        serving = Serving(IDENTITY, LayerRange(0, 4), 4, 8, torch.float32, True, 100)
        self.sessions = Sessions(config, serving)
        self.desk = Desk(config, self.sessions, self.worker, self.metrics, tokens, self.clock)

    def open(self, hello: Hello = HELLO) -> tuple[Session, Connection]:
        connection = Connection()
        return self.desk.admit(hello, connection).session, connection

    def turned_away(self, hello: Hello = HELLO) -> SessionError:
        connection = Connection()
        with pytest.raises(SessionError) as caught:
            self.desk.admit(hello, connection)
        assert connection.told == []  # whoever asked hears of it from the error
        return caught.value

    def hear(self, session: Session) -> None:
        """A sign of life."""
        frame = Frame(FrameType.CANCEL, session.number, session.epoch, session.length)
        self.sessions.accept(session, session.connection, frame, self.clock())

    def counted(self, name: str) -> float:
        """A counter of the metrics, over all its labels."""
        text = self.metrics.render(Gauges(0.0)).decode()
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines()
                   if line.startswith(f"airsplit_{name}_total"))


def again(session: Session, **changes: Any) -> Hello:
    return replace(HELLO, session=session.number, secret=session.secret, **changes)


def test_a_session_is_opened_parked_and_taken_up() -> None:
    front = Front()
    session, first = front.open()
    front.desk.leave(session, session.connection)
    assert (session.state, session.seen) == (State.PARKED, 1000.0)
    front.clock.now += 5
    resumed, second = front.open(again(session))
    assert resumed is session
    assert session.state is State.ATTACHED
    assert first.told == second.told == []  # the first was over already
    assert front.worker.released == []
    counts = [front.counted(f"sessions_{name}") for name in ("opened", "resumed", "rebuilt")]
    assert counts == [1, 1, 0]


def test_a_phone_takes_over_from_its_dead_connection() -> None:
    front = Front()
    session, dead = front.open()
    resumed, alive = front.open(again(session))
    assert resumed is session
    assert dead.codes == [ErrorCode.TAKEN_OVER]
    front.desk.leave(session, 0)  # the dead one's end is noticed at last
    assert session.state is State.ATTACHED
    front.desk.end(session, Event.REVOKED, SessionError(ErrorCode.UNAUTHORISED, "No."))
    assert alive.codes == [ErrorCode.UNAUTHORISED]
    assert len(dead.told) == 1


def test_a_phone_whose_session_is_gone_gets_another() -> None:
    front = Front()
    session, _ = front.open()
    front.desk.end(session, Event.EVICTED)
    other, _ = front.open(again(session))
    assert other is not session
    assert front.counted("sessions_rebuilt") == 1


def test_ending_frees_the_cache_once_and_tells_who_is_there() -> None:
    front = Front()
    there, connection = front.open()
    gone, lost = front.open()
    front.desk.leave(gone, gone.connection)
    error = SessionError(ErrorCode.IDLE, "Idle.")
    for session in (there, gone):
        front.desk.end(session, Event.EVICTED, error)
    assert connection.told == [error]
    assert lost.told == []
    assert front.worker.released == [there, gone]
    front.desk.leave(there, there.connection)  # its connection ends after all this
    assert len(front.sessions) == 0


def test_who_makes_room_is_told_and_its_cache_is_cleared_first() -> None:
    """The worker gets its orders in turn: the release comes before the newcomer's rows."""
    front = Front(yield_after=60.0)
    silent, connection = front.open()
    front.open()
    assert front.turned_away().code == ErrorCode.TOO_MANY_SESSIONS
    front.clock.now += 30
    busy = next(session for session in front.sessions if session is not silent)
    front.hear(busy)
    front.clock.now += 31
    newcomer, _ = front.open()
    assert newcomer.slot == silent.slot
    assert front.worker.released == [silent]
    assert connection.codes == [ErrorCode.IDLE]
    assert connection.told[0].retry_after > 0
    assert front.counted("sessions_evicted") == 1


def test_the_sweep_ends_who_is_overdue() -> None:
    front = Front(idle_timeout=900.0, grace=120.0)
    idle, connection = front.open()
    parked, _ = front.open()
    front.desk.leave(parked, parked.connection)
    front.clock.now += 120
    front.desk.sweep()
    assert len(front.sessions) == 2
    front.clock.now += 1
    front.desk.sweep()
    assert front.worker.released == [parked]
    front.clock.now += 780
    front.desk.sweep()
    assert front.worker.released == [parked, idle]
    assert connection.codes == [ErrorCode.IDLE]
    assert "900 s" in connection.told[0].problem


def test_the_sweep_spares_who_is_computed_for() -> None:
    """A long prompt on a slow edge is no silence."""
    front = Front()
    session, _ = front.open()
    session.pending = 1
    front.clock.now += 1e6
    front.desk.sweep()
    assert front.worker.released == []
    session.pending = 0
    front.desk.sweep()
    assert front.worker.released == [session]


def test_a_clock_that_jumps_back_ends_nobody() -> None:
    front = Front()
    session, _ = front.open()
    front.clock.now -= 1e9
    front.desk.sweep()
    assert session.state is State.ATTACHED


# Tokens.


@pytest.fixture
def tokens(tmp_path: Path) -> TokenStore:
    return TokenStore(tmp_path / "tokens.json")


def test_who_has_no_token(tokens: TokenStore) -> None:
    front = Front(tokens)
    front.open()  # as long as none was given out, nobody is asked
    good = tokens.add("anna", CREATED)
    for token in ("", "x", good[:-1], good + "x"):
        error = front.turned_away(replace(HELLO, token=token))
        assert error.code == ErrorCode.UNAUTHORISED
        assert error.remedy
    session, _ = front.open(replace(HELLO, token=good))
    assert session.owner == Owner("anna")


def test_a_token_names_its_owner_and_its_limits(tokens: TokenStore) -> None:
    token = tokens.add("anna", CREATED, rate=500.0, sessions=1)
    front = Front(tokens)
    session, _ = front.open(replace(HELLO, token=token))
    assert session.owner == Owner("anna", 1, 500.0)
    assert front.turned_away(replace(HELLO, token=token)).code == ErrorCode.TOO_MANY_SESSIONS
    assert front.open(again(session, token=token))[0] is session


def test_another_tokens_session_is_not_handed_out(tokens: TokenStore) -> None:
    anna, bob = (tokens.add(name, CREATED) for name in ("anna", "bob"))
    front = Front(tokens)
    session, connection = front.open(replace(HELLO, token=anna))
    other, _ = front.open(again(session, token=bob))
    assert other is not session
    assert connection.told == []
    assert front.turned_away(again(session)).code == ErrorCode.UNAUTHORISED


def test_a_revoked_token_ends_its_sessions(tokens: TokenStore) -> None:
    anna, bob = (tokens.add(name, CREATED) for name in ("anna", "bob"))
    front = Front(tokens)
    session, connection = front.open(replace(HELLO, token=anna))
    other, others = front.open(replace(HELLO, token=bob))
    front.desk.sweep()
    assert len(front.sessions) == 2
    tokens.revoke("anna")
    front.desk.sweep()
    assert (session.state, other.state) == (State.CLOSED, State.ATTACHED)
    assert connection.codes == [ErrorCode.UNAUTHORISED]
    assert others.told == []
    assert front.worker.released == [session]
    assert front.turned_away(again(session, token=anna)).code == ErrorCode.UNAUTHORISED


# Rates.


def test_rows_without_a_rate_never_wait() -> None:
    front = Front()
    assert front.desk.wait_for(Owner(), 10**9) == 0.0


def test_a_rate_is_shared_by_a_tokens_sessions() -> None:
    front = Front(rate=100.0, max_rows=256)
    anna, bob = Owner("anna"), Owner("bob")
    assert front.desk.wait_for(anna, 256) == 0.0  # a chunk fits, however small the rate
    wait = front.desk.wait_for(anna, 50)
    assert wait == pytest.approx(0.5)
    assert front.desk.wait_for(bob, 256) == 0.0
    front.clock.now += wait
    assert front.desk.wait_for(anna, 50) == 0.0
    assert front.desk.wait_for(anna, 50) > 0.0


def test_a_tokens_own_rate_counts_before_the_edges() -> None:
    front = Front(rate=1.0, max_rows=10)
    fast = Owner("anna", rate=1000.0)
    assert front.desk.wait_for(fast, 1000) == 0.0
    assert front.desk.wait_for(fast, 100) == pytest.approx(0.1)
    slower = replace(fast, rate=100.0)  # the operator changed his mind
    assert front.desk.wait_for(slower, 100) == 0.0
    assert front.desk.wait_for(slower, 100) == pytest.approx(1.0)


# Shutting down.


def test_a_drain_sends_away_who_is_quiet() -> None:
    front = Front()
    quiet, connection = front.open()
    parked, _ = front.open()
    front.desk.leave(parked, parked.connection)
    front.clock.now += front.desk.config.drain_quiet
    asyncio.run(front.desk.drain())
    assert connection.codes == [ErrorCode.MOVED]
    assert set(map(id, front.worker.released)) == {id(quiet), id(parked)}
    assert front.clock.now == 1000.0 + front.desk.config.drain_quiet  # nobody was waited for
    for hello in (HELLO, again(quiet)):
        assert front.turned_away(hello).code == ErrorCode.MOVED


def test_a_drain_lets_an_answer_finish() -> None:
    front = Front(drain_timeout=1e6, drain_quiet=1.0)
    session, connection = front.open()

    async def scene() -> None:
        draining = asyncio.create_task(front.desk.drain())
        for _ in range(3):  # its phone sends a row now and then
            front.clock.now += 0.9
            front.hear(session)
            looks = front.clock.looks
            while front.clock.looks == looks:  # the drain looks who is quiet
                await asyncio.sleep(0)
            assert not draining.done()
            assert connection.told == []
        front.clock.now += 1.0
        await draining

    asyncio.run(scene())
    assert connection.codes == [ErrorCode.MOVED]
    assert session.state is State.CLOSED


def test_a_drain_has_an_end() -> None:
    """Whatever is still being computed then."""
    front = Front(drain_timeout=10.0)
    session, connection = front.open()
    session.pending = 1
    front.clock.step = 2.5
    asyncio.run(front.desk.drain())
    assert connection.codes == [ErrorCode.MOVED]
    assert 1010.0 <= front.clock.now <= 1020.0


def test_keeping_house_sweeps_until_it_is_cancelled() -> None:
    front = Front(housekeeping=0.001, idle_timeout=900.0)
    session, connection = front.open()

    async def scene() -> None:
        house = asyncio.create_task(front.desk.keep_house())
        front.clock.now += 901
        while not connection.told:
            await asyncio.sleep(0)
        house.cancel()
        with pytest.raises(asyncio.CancelledError):
            await house

    asyncio.run(scene())
    assert session.state is State.CLOSED
