"""Sessions without sockets: who is admitted and comes back, and the life of a session.

The clock is a number that the tests hand in; connections are the epochs they are told apart by.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from edge_server.errors import SessionError
from edge_server.frame import EPOCHS, Dtype, FrameType
from edge_server.messages import ErrorCode, Hello, Mode
from edge_server.session import ALLOWED, Event, Owner, Serving, Session, State
from edge_server.split import LayerRange
from tests.edge_server.sessions_scene import (
    ANNA,
    BOB,
    CAPACITY,
    GRACE,
    HELLO,
    IDENTITY,
    MAX_ROWS,
    NOBODY,
    OTHER,
    SLOTS,
    WHOLE,
    accept,
    accepted,
    asking_for,
    cancel,
    control,
    make,
    not_admitted,
    opened,
    park,
    refused,
    rows,
    start,
)

# Who is admitted.


@pytest.mark.parametrize("hello", [
    HELLO, replace(HELLO, layers=LayerRange(0, 4)), replace(HELLO, layers=LayerRange(4, 4)),
    replace(HELLO, mode=Mode.PRIVATE, layers=LayerRange(1, 3)),
    replace(HELLO, mode=Mode.PRIVATE, layers=LayerRange(0, 4)),
    replace(HELLO, mode=Mode.PRIVATE, layers=LayerRange(2, 2))])
def test_who_is_admitted(hello: Hello) -> None:
    sessions = make()
    admission = sessions.admit(hello, NOBODY, 0.0)
    session, welcome = admission.session, admission.welcome
    assert (session.layers, session.mode, session.dtype) == (hello.layers, hello.mode, hello.dtype)
    assert (session.state, session.epoch) == (State.ATTACHED, 0)
    assert (welcome.session, welcome.capacity, welcome.max_rows) == (
        session.number, CAPACITY, MAX_ROWS)
    assert (welcome.secret, welcome.length, welcome.seen, welcome.grace) == (
        session.secret, 0, 0, int(GRACE * 1000))


TAIL = replace(WHOLE, held=LayerRange(2, 4))
MIDDLE = replace(WHOLE, held=LayerRange(1, 3), has_output=False)


@pytest.mark.parametrize(("serving", "hello", "code", "said"), [
    (WHOLE, replace(HELLO, identity=OTHER), ErrorCode.WRONG_MODEL,
     f"{OTHER[:12]}.*{IDENTITY[:12]}.*split it once"),
    (WHOLE, replace(HELLO, layers=LayerRange(1, 3)), ErrorCode.WRONG_LAYERS,
     r"\[1, 3\) of 4 end before the output.*--private"),
    (WHOLE, replace(HELLO, layers=LayerRange(1, 5)), ErrorCode.WRONG_LAYERS, r"\[1, 5\)"),
    (WHOLE, replace(HELLO, layers=LayerRange(1, 9), mode=Mode.PRIVATE), ErrorCode.WRONG_LAYERS,
     r"\[1, 9\); this edge holds \[0, 4\)"),
    (TAIL, HELLO, ErrorCode.WRONG_LAYERS, r"\[1, 4\); this edge holds \[2, 4\).*--split 2"),
    (MIDDLE, replace(HELLO, layers=LayerRange(2, 4)), ErrorCode.WRONG_LAYERS, "output"),
    (MIDDLE, replace(HELLO, layers=LayerRange(1, 4), mode=Mode.PRIVATE), ErrorCode.WRONG_LAYERS,
     r"this edge holds \[1, 3\)"),
    (WHOLE, replace(HELLO, dtype=Dtype.BF16), ErrorCode.WRONG_DTYPE,
     "BF16 rows; this edge takes F32.*same --dtype"),
    (WHOLE, replace(HELLO, dtype=Dtype.BYTES), ErrorCode.WRONG_DTYPE, "BYTES"),
    (WHOLE, replace(HELLO, dtype=Dtype.U32), ErrorCode.WRONG_DTYPE, "U32"),
])
def test_who_is_refused(serving: Serving, hello: Hello, code: ErrorCode, said: str) -> None:
    sessions = make(serving)
    with pytest.raises(SessionError, match=said) as caught:
        sessions.admit(hello, NOBODY, 0.0)
    assert caught.value.code == code
    assert caught.value.remedy
    assert len(sessions) == 0


def test_too_many_sessions() -> None:
    sessions = make()
    sessions_open = [opened(sessions) for _ in range(SLOTS)]
    assert sorted(session.slot for session in sessions_open) == [0, 1]
    with pytest.raises(SessionError, match=r"limit of 2.*Try again") as caught:
        sessions.admit(HELLO, NOBODY, 0.0)
    assert caught.value.code == ErrorCode.TOO_MANY_SESSIONS
    assert caught.value.retry_after > 0
    sessions.close(sessions_open[0], Event.ENDED)
    assert opened(sessions).slot == sessions_open[0].slot


def test_numbers_and_secrets_cannot_be_guessed() -> None:
    sessions, numbers, secrets = make(), set(), set()
    for _ in range(50):
        session = opened(sessions)
        numbers.add(session.number)
        secrets.add(session.secret)
        sessions.close(session, Event.ENDED)
    assert len(numbers) == len(secrets) == 50
    assert all(0 < number < 2**64 for number in numbers)
    assert max(numbers) > 2**48
    assert all(len(secret) == 16 for secret in secrets)


def test_an_edge_that_shuts_down_admits_nobody() -> None:
    sessions = make()
    session = opened(sessions)
    park(sessions, session)
    sessions.draining = True
    for hello in (HELLO, asking_for(session)):
        error = not_admitted(sessions, hello)
        assert error.code == ErrorCode.MOVED
        assert error.retry_after > 0


# The life of a session.


@pytest.mark.parametrize("kind", sorted(FrameType))
@pytest.mark.parametrize("state", list(State))
def test_the_table_of_frames(kind: FrameType, state: State) -> None:
    sessions = make()
    session = opened(sessions)
    frames = {FrameType.ROWS: rows(session, 0),
              FrameType.HIDDEN: replace(rows(session, 0), type=FrameType.HIDDEN),
              FrameType.START: start(session)}
    session.state = state
    frame = frames.get(kind, control(kind, session))
    phones_own = {FrameType.START, FrameType.ROWS, FrameType.CANCEL, FrameType.GOODBYE}
    if state is State.ATTACHED and kind in phones_own:
        accept(sessions, session, frame)
    else:
        assert refused(sessions, session, frame) == ErrorCode.BAD_FRAME
    assert ALLOWED[State.CLOSED] == ALLOWED[State.PARKED] == frozenset()


def test_frames_of_another_session() -> None:
    sessions = make()
    session, other = opened(sessions), opened(sessions)
    for number in (other.number, 0, session.number + 1):
        frame = replace(rows(session, 0), session=number)
        assert refused(sessions, session, frame) == ErrorCode.BAD_FRAME
    assert session.length == other.length == 0


def test_goodbye_ends_it() -> None:
    """The slot is another's from then on: whoever owns the cache clears it before its rows."""
    sessions = make()
    session, other = opened(sessions), opened(sessions)
    job = accepted(sessions, session, rows(session, 0))
    assert accept(sessions, session, control(FrameType.GOODBYE, session)) is None
    assert session.state is State.CLOSED
    assert job.given_up
    assert job.cancelled
    assert opened(sessions).slot == session.slot != other.slot


def test_closing_twice_frees_once() -> None:
    sessions = make()
    first, second = opened(sessions), opened(sessions)
    assert sessions.close(first, Event.ENDED)
    assert not sessions.close(first, Event.FAILED)
    third = opened(sessions)
    assert {second.slot, third.slot} == {0, 1}
    assert not_admitted(sessions).code == ErrorCode.TOO_MANY_SESSIONS


# Coming back.


@pytest.mark.parametrize("noticed", [True, False])
def test_a_phone_comes_back(noticed: bool) -> None:
    """Whether or not the edge noticed that the old connection is dead."""
    sessions = make()
    session = opened(sessions)
    accepted(sessions, session, rows(session, 0, 5))
    if noticed:
        park(sessions, session)
        assert session.state is State.PARKED
    admission = sessions.admit(asking_for(session), NOBODY, 7.0)
    assert admission.resumed
    assert admission.session is session
    assert (session.state, session.connection, session.epoch, session.seen) == (
        State.ATTACHED, 1, 1, 7.0)
    assert (admission.welcome.length, admission.welcome.seen) == (5, 0)
    assert accepted(sessions, session, rows(session, 5)).position == 5
    assert len(sessions) == 1


NOT_ITS_PHONE: list[tuple[Callable[[Session], Hello], Owner]] = [
    (lambda session: asking_for(session, secret=bytes(16)), ANNA),
    (lambda session: asking_for(session, secret=session.secret[:-1] + bytes(
        [session.secret[-1] ^ 1])), ANNA),
    (asking_for, BOB), (asking_for, NOBODY),
    (lambda session: asking_for(session, session=session.number ^ 1), ANNA),
    (lambda session: asking_for(session, session=0), ANNA),
    (lambda session: asking_for(session, layers=LayerRange(2, 4)), ANNA),
    (lambda session: asking_for(session, mode=Mode.PRIVATE), ANNA)]


@pytest.mark.parametrize("parked", [True, False])
@pytest.mark.parametrize("case", range(len(NOT_ITS_PHONE)))
def test_who_may_not_take_a_session_up(case: int, parked: bool) -> None:
    """They get one of their own, and nothing happens to the other."""
    hello_of, owner = NOT_ITS_PHONE[case]
    sessions = make()
    session = opened(sessions, owner=ANNA)
    accepted(sessions, session, rows(session, 0, 5))
    if parked:
        park(sessions, session)
    hello = hello_of(session)
    other = opened(sessions, hello, owner)
    assert other is not session
    assert other.number != session.number
    assert other.secret != session.secret
    assert (other.length, other.epoch, other.layers) == (0, 0, hello.layers)
    assert (session.state, session.epoch, session.length) == (
        State.PARKED if parked else State.ATTACHED, 0, 5)


def test_a_session_that_is_over_is_not_taken_up() -> None:
    sessions = make()
    session = opened(sessions)
    hello = asking_for(session)
    sessions.close(session, Event.EVICTED)
    assert opened(sessions, hello).number != session.number


def test_a_phone_with_another_model_does_not_get_its_session_back() -> None:
    sessions = make()
    session = opened(sessions)
    error = not_admitted(sessions, asking_for(session, identity=OTHER))
    assert error.code == ErrorCode.WRONG_MODEL
    assert (session.state, session.epoch) == (State.ATTACHED, 0)


def test_frames_of_an_earlier_connection_are_dropped() -> None:
    """They may still arrive when the phone is back, on the old connection or by their epoch."""
    ignored: list[str] = []
    sessions = make(ignored=ignored)
    session = opened(sessions)
    accepted(sessions, session, rows(session, 0, 5))
    old = [rows(session, 5), cancel(session, 0), start(session),
           control(FrameType.GOODBYE, session)]
    assert sessions.admit(asking_for(session), NOBODY, 1.0).resumed
    for frame in old:
        for epoch in (frame.epoch, session.epoch, session.epoch + 1):
            renumbered = replace(frame, epoch=epoch)
            assert sessions.accept(session, 0, renumbered, 50.0) is None
    assert session.seen == 1.0  # a connection that is not the session's is no sign of life
    assert ignored == ["earlier_connection"] * 12
    for frame in old:
        assert sessions.accept(session, 1, frame, 50.0) is None
    assert (session.length, session.answer, session.epoch, session.state) == (
        5, 0, 1, State.ATTACHED)
    assert ignored[12:] == ["earlier_epoch"] * 4


def test_an_old_connections_end_is_not_the_sessions() -> None:
    sessions = make()
    session = opened(sessions)
    sessions.admit(asking_for(session), NOBODY, 1.0)
    assert not sessions.lost(session, 0, 2.0)
    assert session.state is State.ATTACHED
    assert sessions.lost(session, 1, 3.0)
    assert not sessions.lost(session, 1, 4.0)
    assert (session.state, session.seen) == (State.PARKED, 3.0)
    sessions.close(session, Event.ENDED)
    assert not sessions.lost(session, 1, 5.0)


@pytest.mark.parametrize("act", ["resume", "start"])
def test_epochs_begin_again(act: str) -> None:
    sessions = make()
    session = opened(sessions)
    session.epoch = EPOCHS - 1
    last = rows(session, 0)
    if act == "resume":
        assert sessions.admit(asking_for(session), NOBODY, 0.0).resumed
    else:
        accept(sessions, session, start(session))
    assert session.epoch == 0
    assert accept(sessions, session, last) is None
    accepted(sessions, session, rows(session, 0))
