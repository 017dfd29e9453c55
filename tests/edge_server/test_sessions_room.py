"""Whose time is over, and who makes room: for another session, and for another's cache."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge_server.errors import SessionError
from edge_server.messages import ErrorCode
from edge_server.session import Event, Owner, State
from edge_server.sessions import CACHE_BLOCK, Sessions
from tests.edge_server.sessions_scene import (
    BOB,
    GRACE,
    IDLE,
    NOBODY,
    WHOLE,
    YIELD,
    accept,
    accepted,
    asking_for,
    make,
    not_admitted,
    opened,
    park,
    refused,
    rows,
    start,
)


def test_whose_time_is_over() -> None:
    sessions = make()
    attached, parked = opened(sessions, now=10.0), opened(sessions)
    park(sessions, parked, 10.0)
    assert sessions.overdue(10.0 + GRACE) == []
    assert sessions.overdue(10.1 + GRACE) == [parked]
    assert sessions.overdue(10.0 + IDLE) == [parked]
    assert set(map(id, sessions.overdue(10.1 + IDLE))) == {id(attached), id(parked)}
    accept(sessions, attached, start(attached), now=11.0)  # any frame is a sign of life
    assert sessions.overdue(10.1 + IDLE) == [parked]


def test_a_clock_that_jumps() -> None:
    """Back, nobody's time is over; forward, it is; what follows is as ever."""
    sessions = make()
    session, parked = opened(sessions, now=1000.0), opened(sessions, now=1000.0)
    park(sessions, parked, 1000.0)
    assert sessions.overdue(-1e9) == []
    assert len(sessions.overdue(1e9)) == 2
    accept(sessions, session, start(session), now=-500.0)
    assert sessions.overdue(-500.0 + IDLE) == []
    assert sessions.overdue(-499.0 + IDLE) == [session]
    assert sessions.admit(asking_for(parked), NOBODY, -600.0).resumed
    assert parked.seen == -600.0


def test_who_makes_room() -> None:
    """Parked ones first, whoever was lost first; then the silent; the busy never."""
    sessions = make(slots=4)
    silent, late, early, busy = (opened(sessions, now=0.0) for _ in range(4))
    park(sessions, early, 50.0)
    park(sessions, late, 55.0)
    accept(sessions, busy, start(busy), now=YIELD)
    now = YIELD + 1
    gone = []
    for _ in range(3):
        slots = [session.slot for session in sessions]
        newcomer = opened(sessions, now=now)
        (victim,) = sessions.take_evicted()
        assert victim.state is State.CLOSED
        assert victim.slot == newcomer.slot
        assert newcomer.slot in slots
        gone.append(victim)
    assert [id(victim) for victim in gone] == [id(early), id(late), id(silent)]
    assert not_admitted(sessions, now=now).code == ErrorCode.TOO_MANY_SESSIONS
    assert sessions.take_evicted() == []
    assert busy.state is State.ATTACHED


def test_silence_just_long_enough() -> None:
    sessions = make(slots=1)
    session = opened(sessions, now=5.0)
    assert not_admitted(sessions, now=5.0 + YIELD).code == ErrorCode.TOO_MANY_SESSIONS
    opened(sessions, now=5.1 + YIELD)
    assert sessions.take_evicted() == [session]


def test_coming_back_needs_no_room() -> None:
    sessions = make(slots=1)
    session = opened(sessions)
    park(sessions, session)
    assert sessions.admit(asking_for(session), NOBODY, 0.0).resumed
    assert sessions.take_evicted() == []


def test_a_tokens_limit_of_sessions() -> None:
    """Only its own sessions make room then: one phone's many do not cost the others theirs."""
    anna = Owner("anna", sessions=2)
    sessions = make(slots=8)
    other = opened(sessions, owner=BOB)
    park(sessions, other)
    first, second = opened(sessions, owner=anna), opened(sessions, owner=anna)
    error = not_admitted(sessions, owner=anna)
    assert error.code == ErrorCode.TOO_MANY_SESSIONS
    assert "may have 2 sessions" in error.problem
    opened(sessions, owner=BOB)
    park(sessions, second)
    third = opened(sessions, owner=anna)
    assert sessions.take_evicted() == [second]
    assert {first.state, third.state} == {State.ATTACHED}
    assert other.state is State.PARKED


def test_a_token_that_may_have_none() -> None:
    assert not_admitted(make(), owner=Owner("anna", 0)).code == ErrorCode.TOO_MANY_SESSIONS


TOKEN_BYTES = 10
BLOCK_BYTES = CACHE_BLOCK * TOKEN_BYTES


def with_caches(blocks: int) -> Sessions:
    return make(replace(WHOLE, token_bytes=TOKEN_BYTES), slots=4, capacity=4 * CACHE_BLOCK,
                max_rows=4 * CACHE_BLOCK, cache_bytes=blocks * BLOCK_BYTES)


def test_caches_are_counted_in_blocks() -> None:
    sessions = with_caches(0)  # no limit
    session, other = opened(sessions), opened(sessions)
    for length, blocks in ((0, 0), (1, 1), (CACHE_BLOCK, 1), (CACHE_BLOCK + 1, 2)):
        session.length = length
        assert sessions.cache_bytes() == blocks * BLOCK_BYTES
    other.length = 1
    assert sessions.cache_bytes() == 3 * BLOCK_BYTES
    park(sessions, other)
    assert sessions.cache_bytes() == 3 * BLOCK_BYTES
    sessions.close(other, Event.EVICTED)
    assert sessions.cache_bytes() == 2 * BLOCK_BYTES


def test_memory_runs_out() -> None:
    sessions = with_caches(2)
    session, other = opened(sessions), opened(sessions)
    accepted(sessions, other, rows(other, 0, CACHE_BLOCK))
    accepted(sessions, session, rows(session, 0, CACHE_BLOCK))
    with pytest.raises(SessionError, match=r"limit is 0\.0 MiB") as caught:
        accept(sessions, session, rows(session, CACHE_BLOCK))
    assert caught.value.code == ErrorCode.OUT_OF_MEMORY
    assert caught.value.retry_after > 0
    assert (session.length, other.length) == (CACHE_BLOCK, CACHE_BLOCK)
    accepted(sessions, session, rows(session, CACHE_BLOCK - 1))  # the same block: nothing grows
    sessions.close(other, Event.ENDED)
    accepted(sessions, session, rows(session, CACHE_BLOCK))


def test_parked_caches_make_room_first() -> None:
    """As many as needed, whoever was lost first."""
    sessions = with_caches(3)
    session, late, early = (opened(sessions) for _ in range(3))
    for parked, at in ((early, 1.0), (late, 2.0)):
        accepted(sessions, parked, rows(parked, 0))
        park(sessions, parked, at)
    accepted(sessions, session, rows(session, 0, CACHE_BLOCK))
    assert sessions.take_evicted() == []
    accepted(sessions, session, rows(session, CACHE_BLOCK))
    assert sessions.take_evicted() == [early]
    accepted(sessions, session, rows(session, CACHE_BLOCK + 1, CACHE_BLOCK))
    assert sessions.take_evicted() == [late]
    assert sessions.cache_bytes() == 3 * BLOCK_BYTES
    assert refused(sessions, session, rows(session, 2 * CACHE_BLOCK + 1, CACHE_BLOCK)) == (
        ErrorCode.OUT_OF_MEMORY)
