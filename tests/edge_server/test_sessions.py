"""Sessions without sockets: who is admitted and comes back, what each may send, and who has to go.

The clock is a number that the tests hand in; connections are the epochs they are told apart by.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from edge_server.config import EdgeConfig
from edge_server.engine.load import EngineOptions
from edge_server.engine.tensors import to_bytes
from edge_server.errors import FrameError, SessionError
from edge_server.frame import EPOCHS, Dtype, Flags, Frame, FrameType, drafted, token_frame
from edge_server.messages import ErrorCode, ErrorNotice, Hello, Mode, Sampling, Start
from edge_server.session import ALLOWED, Event, Job, Owner, Serving, Session, State
from edge_server.sessions import CACHE_BLOCK, LONGEST_PAUSE, Sessions
from edge_server.split import LayerRange

IDENTITY, OTHER = "0a" * 32, "0b" * 32
HIDDEN, SLOTS, CAPACITY, MAX_ROWS, VOCABULARY = 8, 2, 64, 16, 100
GRACE, IDLE, YIELD = 120.0, 900.0, 60.0  # seconds; the defaults
WHOLE = Serving(IDENTITY, LayerRange(0, 4), 4, HIDDEN, torch.float32, True, VOCABULARY)
HELLO = Hello(IDENTITY, LayerRange(1, 4), Dtype.F32, Mode.TOKENS)
NOBODY, ANNA, BOB = Owner(), Owner("anna"), Owner("bob")


def make(serving: Serving = WHOLE, slots: int = SLOTS, capacity: int = CAPACITY,
         ignored: list[str] | None = None, **limits: Any) -> Sessions:
    config = EdgeConfig(EngineOptions(slots=slots, capacity=capacity),
                        **({"max_rows": MAX_ROWS} | limits))
    return Sessions(config, serving, (lambda _: None) if ignored is None else ignored.append)


def opened(sessions: Sessions, hello: Hello = HELLO, owner: Owner = NOBODY, now: float = 0.0
           ) -> Session:
    admission = sessions.admit(hello, owner, now)
    assert not admission.resumed
    return admission.session


def asking_for(session: Session, /, **changes: Any) -> Hello:
    """What the phone says that comes back for `session`."""
    hello = Hello(IDENTITY, session.layers, session.dtype, session.mode, session=session.number,
                  secret=session.secret)
    return replace(hello, **changes)


def rows(session: Session, position: int, count: int = 1, flags: Flags = Flags.RESULT_WANTED,
         columns: int = HIDDEN) -> Frame:
    data = torch.arange(count * columns, dtype=torch.float32).view(count, columns)
    return Frame(FrameType.ROWS, session.number, session.epoch, position, Dtype.F32, count,
                 columns, flags, to_bytes(data))


def control(kind: FrameType, session: Session, position: int = 0, payload: bytes = b"") -> Frame:
    return Frame(kind, session.number, session.epoch, position, payload=payload)


def cancel(session: Session, position: int) -> Frame:
    return control(FrameType.CANCEL, session, position)


def start(session: Session, kept: int = 0, sampling: Sampling | None = None, first: int = 0,
          chosen: tuple[int, ...] = ()) -> Frame:
    """The next answer of `session`, on the `kept` rows that still stand."""
    payload = Start(sampling or Sampling(), first, chosen).pack()
    epoch = (session.epoch + 1) % EPOCHS
    return Frame(FrameType.START, session.number, epoch, kept, payload=payload)


def accept(sessions: Sessions, session: Session, frame: Frame, now: float = 0.0
           ) -> Job | Frame | None:
    """On the connection that carries the session."""
    return sessions.accept(session, session.connection, frame, now)


def accepted(sessions: Sessions, session: Session, frame: Frame, now: float = 0.0) -> Job:
    job = accept(sessions, session, frame, now)
    assert isinstance(job, Job)
    return job


def refused(sessions: Sessions, session: Session, frame: Frame) -> ErrorCode:
    with pytest.raises(SessionError) as caught:
        accept(sessions, session, frame)
    return ErrorCode(caught.value.code)


def not_admitted(sessions: Sessions, hello: Hello = HELLO, owner: Owner = NOBODY, now: float = 0.0
                 ) -> SessionError:
    with pytest.raises(SessionError) as caught:
        sessions.admit(hello, owner, now)
    assert caught.value.remedy
    return caught.value


def park(sessions: Sessions, session: Session, now: float = 0.0) -> None:
    assert sessions.lost(session, session.connection, now)


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


# Answers.


def test_an_answer_begins_on_the_rows_that_still_stand() -> None:
    sessions = make()
    session = opened(sessions)
    accepted(sessions, session, rows(session, 0, 10))
    late = rows(session, 10)
    assert accept(sessions, session, start(session, 6)) is None
    assert (session.length, session.epoch) == (6, 1)
    assert accept(sessions, session, late) is None  # of the answer before
    assert session.length == 6
    job = accepted(sessions, session, rows(session, 6))
    assert job.epoch == 1
    accept(sessions, session, start(session, 2**32 - 1))
    assert session.length == 7  # it cannot invent rows


def test_a_start_that_comes_twice_or_late() -> None:
    ignored: list[str] = []
    sessions = make(ignored=ignored)
    session = opened(sessions)
    first = start(session)
    for frame in (first, replace(first, epoch=5)):  # epochs may be left out
        accept(sessions, session, frame)
        accepted(sessions, session, rows(session, 0, 3))
    sampler = session.sampler
    for frame in (first, replace(first, epoch=4), replace(first, epoch=5)):
        assert accept(sessions, session, frame) is None
    assert (session.epoch, session.length) == (5, 3)
    assert session.sampler is sampler
    assert ignored == ["earlier_epoch"] * 3


@pytest.mark.parametrize("kind", [FrameType.ROWS, FrameType.CANCEL, FrameType.GOODBYE])
def test_frames_of_an_answer_whose_start_is_missing(kind: FrameType) -> None:
    """What is missing is asked for, once, and nothing is done before it came."""
    ignored: list[str] = []
    sessions = make(ignored=ignored)
    session = opened(sessions)
    accepted(sessions, session, rows(session, 0, 3))
    frame = rows(session, 3) if kind is FrameType.ROWS else control(kind, session)
    later = replace(frame, epoch=1)
    assert accept(sessions, session, later) == Frame(FrameType.RESEND, session.number, 0, 3)
    assert accept(sessions, session, later) is None
    assert (session.length, session.answer, session.state) == (3, 0, State.ATTACHED)
    assert ignored == ["start_missing"] * 2
    accept(sessions, session, replace(start(session, 3), epoch=2))
    accepted(sessions, session, rows(session, 3))


def test_rows_that_come_too_fast_are_refused_once() -> None:
    sessions = make()
    session = opened(sessions)
    accept(sessions, session, start(session))
    accepted(sessions, session, rows(session, 0, 3))
    refusal = sessions.too_fast(session, 1.5)
    assert refusal is not None
    assert (refusal.type, refusal.session, refusal.epoch, refusal.position) == (
        FrameType.ERROR, session.number, 1, 3)
    error = ErrorNotice.unpack(refusal.payload).to_error(refusal.position)
    assert (error.code, error.position) == (ErrorCode.TOO_FAST, 3)
    assert 1.5 <= error.retry_after < 1.6
    assert sessions.too_fast(session, 1.5) is None
    assert accept(sessions, session, rows(session, 5)) is None  # was under way already
    accept(sessions, session, start(session, 3))
    assert sessions.too_fast(session, 1.5) is not None
    assert session.state is State.ATTACHED


@pytest.mark.parametrize("wait", [LONGEST_PAUSE, 1e6, 1e12])
def test_no_pause_is_longer_than_a_phone_can_be_told(wait: float) -> None:
    sessions = make()
    refusal = sessions.too_fast(opened(sessions), wait)
    assert refusal is not None
    pause = ErrorNotice.unpack(refusal.payload).to_error().retry_after
    assert LONGEST_PAUSE <= pause < LONGEST_PAUSE + 0.1


# Rows.


def test_rows_become_a_job() -> None:
    sessions = make()
    session = opened(sessions)
    job = accepted(sessions, session, rows(session, 0, 3))
    assert (job.position, job.flags, job.cancelled, job.given_up) == (
        0, Flags.RESULT_WANTED, False, False)
    assert torch.equal(job.rows, torch.arange(24.0).view(3, 8))
    assert session.length == 3
    assert accepted(sessions, session, rows(session, 3), now=4.0).position == 3
    assert (session.length, session.seen) == (4, 4.0)


@pytest.mark.parametrize(("position", "count", "columns", "code"), [
    (0, 1, HIDDEN + 1, ErrorCode.WRONG_DTYPE), (0, 1, HIDDEN - 1, ErrorCode.WRONG_DTYPE),
    (0, MAX_ROWS + 1, HIDDEN, ErrorCode.TOO_LARGE),
    (2**32 - 1, 1, HIDDEN, ErrorCode.TOO_LONG), (CAPACITY, 1, HIDDEN, ErrorCode.TOO_LONG),
    (CAPACITY - 3, 4, HIDDEN, ErrorCode.TOO_LONG)])
def test_rows_that_are_refused(position: int, count: int, columns: int, code: ErrorCode) -> None:
    sessions = make()
    session = opened(sessions)
    accepted(sessions, session, rows(session, 0, 3))
    frame = rows(session, position, count, columns=columns)
    assert refused(sessions, session, frame) == code
    assert session.length == 3


def test_rows_of_another_type() -> None:
    sessions = make()
    session = opened(sessions)
    half = torch.zeros(1, HIDDEN, dtype=torch.bfloat16)
    frame = Frame(FrameType.ROWS, session.number, 0, 0, Dtype.BF16, 1, HIDDEN,
                  payload=to_bytes(half))
    assert refused(sessions, session, frame) == ErrorCode.WRONG_DTYPE


def test_up_to_the_last_token() -> None:
    sessions = make()
    session = opened(sessions)
    for position in range(0, CAPACITY, MAX_ROWS):
        accepted(sessions, session, rows(session, position, MAX_ROWS))
    assert session.length == CAPACITY
    assert refused(sessions, session, rows(session, CAPACITY)) == ErrorCode.TOO_LONG
    accepted(sessions, session, rows(session, CAPACITY - 1))


def test_missing_rows_are_asked_for_once() -> None:
    """The phone has many frames under way when it hears of it: they get no request each."""
    sessions = make()
    session = opened(sessions)
    accepted(sessions, session, rows(session, 0, 3))
    request = accept(sessions, session, rows(session, 5))
    assert request == Frame(FrameType.RESEND, session.number, 0, 3)
    for position in (4, 6, 5, 40):
        assert accept(sessions, session, rows(session, position)) is None
    assert session.length == 3
    accepted(sessions, session, rows(session, 3, 2))  # what was missing
    accepted(sessions, session, rows(session, 5))
    assert accept(sessions, session, rows(session, 9)) == Frame(
        FrameType.RESEND, session.number, 0, 6)


@pytest.mark.parametrize("act", ["start", "cancel", "resume"])
def test_after_these_missing_rows_are_asked_for_again(act: str) -> None:
    sessions = make()
    session = opened(sessions)
    assert accept(sessions, session, rows(session, 5)) is not None
    assert accept(sessions, session, rows(session, 5)) is None
    if act == "resume":
        sessions.admit(asking_for(session), NOBODY, 0.0)
    else:
        accept(sessions, session, start(session) if act == "start" else cancel(session, 0))
    assert accept(sessions, session, rows(session, 5)) == Frame(
        FrameType.RESEND, session.number, session.epoch, 0)


def test_going_back_forgets_what_followed() -> None:
    sessions = make()
    session = opened(sessions)
    accepted(sessions, session, rows(session, 0, 10))
    accepted(sessions, session, rows(session, 4, 2))
    assert session.length == 6
    assert accept(sessions, session, rows(session, 7)) == Frame(
        FrameType.RESEND, session.number, 0, 6)


# Giving up.


def test_cancel_drops_what_was_asked_and_keeps_what_was_agreed() -> None:
    sessions = make()
    session = opened(sessions)
    kept = accepted(sessions, session, rows(session, 0, 6))
    across = accepted(sessions, session, rows(session, 6, 4))
    dropped = accepted(sessions, session, rows(session, 10, 2))
    frame = cancel(session, 8)
    assert accept(sessions, session, frame) == frame  # its echo: nothing of it comes after
    assert [job.given_up for job in (kept, across, dropped)] == [True, True, True]
    # Rows before the cut are part of what the next answer stands on.
    assert [job.cancelled for job in (kept, across, dropped)] == [False, False, True]
    assert session.length == 8
    assert isinstance(accept(sessions, session, rows(session, 9)), Frame)
    after = accepted(sessions, session, rows(session, 8, 2))
    assert not after.given_up
    assert not after.cancelled
    assert dropped.cancelled
    assert session.state is State.ATTACHED


def test_cancel_cannot_invent_tokens() -> None:
    sessions = make()
    session = opened(sessions)
    accepted(sessions, session, rows(session, 0, 2))
    accept(sessions, session, cancel(session, 2**32 - 1))
    assert session.length == 2


@given(st.lists(st.tuples(st.booleans(), st.integers(0, CAPACITY - 1)), max_size=40))
def test_cuts_say_what_all_cancels_say(acts: list[tuple[bool, int]]) -> None:
    """However few of them are kept."""
    sessions = make()
    session = opened(sessions)
    jobs: list[tuple[Job, int]] = []
    cancels: list[int] = []
    for is_cancel, position in acts:
        if is_cancel:
            accept(sessions, session, cancel(session, position))
            cancels.append(position)
        else:
            at = min(position, session.length)
            jobs.append((accepted(sessions, session, rows(session, at)), len(cancels)))
    for job, before in jobs:
        assert job.given_up == (len(cancels) > before)
        assert job.cancelled == any(kept <= job.position for kept in cancels[before:])
    assert len(session.cuts) <= len(set(cancels))


# How tokens are chosen.


def test_the_choice_of_tokens_holds_for_the_rows_after_it() -> None:
    sessions = make()
    session = opened(sessions)
    first = accepted(sessions, session, rows(session, 0))
    choice = Sampling(temperature=0.5, seed=3)
    assert accept(sessions, session, start(session, 1, choice, 2)) is None
    second = accepted(sessions, session, rows(session, 1))
    assert first.sampler.sampling == Sampling()
    assert second.sampler.sampling == choice
    assert accepted(sessions, session, rows(session, 2)).sampler is second.sampler


SCORES = torch.linspace(-1, 1, VOCABULARY)
CHOICE = Sampling(temperature=1.0, seed=3, repetition_penalty=2.0)


def test_an_answer_goes_on_elsewhere() -> None:
    """An edge that is told the tokens so far draws what comes next."""
    sessions = make()
    whole, rest = opened(sessions), opened(sessions)
    accept(sessions, whole, start(whole, 0, CHOICE, 5))
    tokens = [whole.sampler.choose(SCORES, position) for position in range(5, 15)]
    accept(sessions, rest, start(rest, 0, CHOICE, 5, tuple(tokens[:6])))
    assert [rest.sampler.choose(SCORES, position) for position in range(11, 15)] == tokens[6:]


def test_an_answer_goes_on_where_it_was() -> None:
    """Its sampler stays, with all that it drew; another answer gets its own."""
    sessions = make()
    session = opened(sessions)
    accept(sessions, session, start(session, 0, CHOICE, 5))
    sampler = session.sampler
    tokens = tuple(sampler.choose(SCORES, position) for position in range(5, 10))
    for known in (5, 4, 1):
        accept(sessions, session, start(session, 5, CHOICE, 5, tokens[:known]))
        assert session.sampler is sampler
    for others in ((CHOICE, 6, tokens), (Sampling(seed=3), 5, tokens), (CHOICE, 5, ())):
        accept(sessions, session, start(session, 5, *others))
        assert session.sampler is not sampler


def test_a_bad_choice_changes_nothing() -> None:
    sessions = make()
    session = opened(sessions)
    with pytest.raises(FrameError):
        accept(sessions, session, replace(start(session), payload=b"x"))
    assert accepted(sessions, session, rows(session, 0)).sampler.sampling == Sampling()


@pytest.mark.parametrize(("first", "chosen"), [
    (0, (VOCABULARY,)), (0, (1, 2, 2**32 - 1)), (CAPACITY + 1, ()), (2**32 - 1, (1,)),
    (0, (1,) * (CAPACITY + 1)), (CAPACITY, (1,))])
def test_chosen_tokens_that_cannot_be(first: int, chosen: tuple[int, ...]) -> None:
    """They would be looked up in tables, or take long to go through."""
    sessions = make()
    session = opened(sessions)
    before = session.sampler
    assert refused(sessions, session, start(session, 0, None, first, chosen)) == (
        ErrorCode.BAD_FRAME)
    assert (session.sampler, session.epoch) == (before, 0)


def test_the_last_tokens_that_can_be() -> None:
    sessions = make()
    session = opened(sessions)
    for first, chosen in ((CAPACITY, ()), (0, (VOCABULARY - 1,) * CAPACITY)):
        assert accept(sessions, session, start(session, 0, None, first, chosen)) is None


# Whose time is over, and who makes room.


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


class Phones(RuleBasedStateMachine):
    """Any order of coming, breaking off, sending and ending keeps slots and lengths right."""

    def __init__(self) -> None:
        super().__init__()
        self.sessions = make(slots=3)
        self.now = 0.0
        self.live: list[Session] = []
        self.over: list[Session] = []
        self.held: dict[int, int] = {}  # of each session, tokens by our own count
        self.epoch: dict[int, int] = {}
        self.connection: dict[int, int] = {}

    def pick(self, number: int) -> Session:
        return self.live[number % len(self.live)]

    @rule(seconds=st.sampled_from([-100.0, 0.0, 1.0, 50.0, 130.0, 1000.0]))
    def time(self, seconds: float) -> None:
        self.now += seconds

    @rule(owner=st.sampled_from([ANNA, Owner("bob", 2)]))
    def open(self, owner: Owner) -> None:
        own = [session for session in self.live if session.owner.name == owner.name]
        full = own if len(own) == owner.sessions else self.live if len(self.live) == 3 else []
        goes = [session for session in full if session.state is State.PARKED
                or self.now - session.seen > YIELD]
        if full and not goes:
            assert not_admitted(self.sessions, HELLO, owner, self.now).code == (
                ErrorCode.TOO_MANY_SESSIONS)
            return
        session = opened(self.sessions, HELLO, owner, self.now)
        evicted = self.sessions.take_evicted()
        assert len(evicted) == bool(full)
        for victim in evicted:
            assert victim in goes
            assert victim.state is State.CLOSED
            self.live.remove(victim)
            self.over.append(victim)
        self.live.append(session)
        number = session.number
        self.held[number] = self.epoch[number] = self.connection[number] = 0

    @precondition(lambda self: self.live)
    @rule(pick=st.integers(0, 9), right=st.booleans())
    def come_back(self, pick: int, right: bool) -> None:
        session = self.pick(pick)
        if not right:
            hello = asking_for(session, secret=bytes(16), layers=LayerRange(0, 9))
            assert not_admitted(self.sessions, hello, session.owner).code == ErrorCode.WRONG_LAYERS
            return
        admission = self.sessions.admit(asking_for(session), session.owner, self.now)
        assert admission.session is session
        assert admission.resumed
        assert (admission.welcome.length, admission.welcome.seen) == (
            self.held[session.number], self.epoch[session.number])
        self.epoch[session.number] += 1
        self.connection[session.number] += 1

    @precondition(lambda self: self.live)
    @rule(pick=st.integers(0, 9), behind=st.integers(0, 1))
    def lose(self, pick: int, behind: int) -> None:
        session = self.pick(pick)
        attached = session.state is State.ATTACHED
        connection = self.connection[session.number] - behind
        assert self.sessions.lost(session, connection, self.now) == (attached and not behind)

    @precondition(lambda self: self.live)
    @rule(pick=st.integers(0, 9), kept=st.integers(0, 70), ahead=st.integers(0, 3))
    def start(self, pick: int, kept: int, ahead: int) -> None:
        session = self.pick(pick)
        epoch = self.epoch[session.number] + ahead
        frame = replace(start(session, kept), epoch=epoch)
        if session.state is State.PARKED:
            assert refused(self.sessions, session, frame) == ErrorCode.BAD_FRAME
            return
        assert accept(self.sessions, session, frame, self.now) is None
        if ahead:
            self.epoch[session.number] = epoch
            self.held[session.number] = min(self.held[session.number], kept)

    @precondition(lambda self: self.live)
    @rule(pick=st.integers(0, 9), position=st.integers(0, 70), count=st.integers(1, 20),
          ahead=st.sampled_from([0, 0, 0, -1, 1]), old_line=st.sampled_from([False, False, True]))
    def send(self, pick: int, position: int, count: int, ahead: int, old_line: bool) -> None:
        session = self.pick(pick)
        held, epoch = self.held[session.number], self.epoch[session.number]
        frame = replace(rows(session, position, count), epoch=(epoch + ahead) % EPOCHS)
        fits = position + count <= CAPACITY and count <= MAX_ROWS
        connection = self.connection[session.number] - old_line
        try:
            result = self.sessions.accept(session, connection, frame, self.now)
        except SessionError:
            assert session.state is State.PARKED or not fits
            return
        assert session.state is State.ATTACHED
        if old_line or ahead < 0:
            assert result is None
        elif ahead or position > held:
            assert result is None or result == Frame(
                FrameType.RESEND, session.number, epoch, held)
        else:
            assert fits
            assert isinstance(result, Job)
            self.held[session.number] = position + count

    @precondition(lambda self: self.live)
    @rule(pick=st.integers(0, 9), kept=st.integers(0, 70))
    def cancel(self, pick: int, kept: int) -> None:
        session = self.pick(pick)
        if session.state is State.PARKED:
            assert refused(self.sessions, session, cancel(session, kept)) == ErrorCode.BAD_FRAME
            return
        accept(self.sessions, session, cancel(session, kept), self.now)
        self.held[session.number] = min(self.held[session.number], kept)

    @precondition(lambda self: self.live)
    @rule(pick=st.integers(0, 9), event=st.sampled_from([
        Event.ENDED, Event.EVICTED, Event.REVOKED, Event.MOVED, Event.FAILED]))
    def close(self, pick: int, event: Event) -> None:
        session = self.live.pop(pick % len(self.live))
        assert self.sessions.close(session, event)
        self.over.append(session)

    @rule()
    def sweep(self) -> None:
        for session in self.sessions.overdue(self.now):
            self.sessions.close(session, Event.EVICTED)
            self.live.remove(session)
            self.over.append(session)

    @invariant()
    def slots_are_nobody_elses(self) -> None:
        slots = [session.slot for session in self.live]
        assert len(set(slots)) == len(slots)
        assert all(0 <= slot < 3 for slot in slots)
        assert sorted(session.number for session in self.sessions) == sorted(
            session.number for session in self.live)

    @invariant()
    def lengths_and_epochs_are_as_counted(self) -> None:
        for session in self.live:
            assert session.length == self.held[session.number] <= CAPACITY
            assert session.epoch == self.epoch[session.number]
            assert session.connection == self.connection[session.number]

    @invariant()
    def what_is_over_takes_nothing(self) -> None:
        for session in self.over[-3:]:
            assert session.state is State.CLOSED
            assert refused(self.sessions, session, rows(session, 0)) == ErrorCode.BAD_FRAME
            assert not self.sessions.close(session, Event.ENDED)
            assert not self.sessions.lost(session, session.connection, self.now)


TestPhones = Phones.TestCase


@given(st.sampled_from(sorted(FrameType)), st.integers(0, 2**32 - 1), st.binary(max_size=64))
def test_any_frame_is_a_job_or_the_phones_error(
    kind: FrameType, position: int, payload: bytes
) -> None:
    sessions = make()
    session = opened(sessions)
    frame = Frame(kind, session.number, 0, position, Dtype.F32, 1, len(payload) // 4,
                  payload=payload[: len(payload) // 4 * 4]) if kind in (
        FrameType.ROWS, FrameType.HIDDEN) else Frame(kind, session.number, 0, position,
                                                     payload=payload)
    try:
        accept(sessions, session, frame)
    except (SessionError, FrameError):
        return
    assert kind in ALLOWED[State.ATTACHED]


# Drafts.


def drafted_rows(session: Session, position: int, *guesses: int) -> Frame:
    plain = rows(session, position, 1 + len(guesses))
    return replace(plain, flags=Flags.RESULT_WANTED | Flags.DRAFTED,
                   payload=drafted(guesses, plain.payload))


def test_guesses_come_with_their_rows() -> None:
    sessions = make()
    session = opened(sessions)
    accepted(sessions, session, rows(session, 0, 5))
    job = accepted(sessions, session, drafted_rows(session, 5, 7, 8))
    assert (job.position, job.end, job.drafts) == (5, 8, (7, 8))
    assert torch.equal(job.rows, torch.arange(3 * HIDDEN, dtype=torch.float32).view(3, HIDDEN))


@pytest.mark.parametrize("guess", [VOCABULARY, 2**32 - 1])
def test_guesses_out_of_the_vocabulary(guess: int) -> None:
    sessions = make()
    session = opened(sessions)
    assert refused(sessions, session, drafted_rows(session, 0, 1, guess)) is ErrorCode.BAD_FRAME
    assert session.length == 0


def test_guesses_in_private_mode() -> None:
    """The edge is not to know them, and could do nothing with them."""
    sessions = make()
    session = opened(sessions, replace(HELLO, mode=Mode.PRIVATE))
    assert refused(sessions, session, drafted_rows(session, 0, 1)) is ErrorCode.BAD_FRAME


@pytest.mark.parametrize("stand", [1, 2, 3])
def test_what_is_held_is_what_came_true(stand: int) -> None:
    sessions = make()
    session = opened(sessions)
    job = accepted(sessions, session, drafted_rows(session, 0, 7, 8))
    sessions.verified(job, token_frame(session.number, job.epoch, 1, *range(7, 7 + stand)))
    assert session.length == stand


@pytest.mark.parametrize("change", ["cancelled", "started", "went on", "taken up"])
def test_what_came_true_of_an_earlier_state_changes_nothing(change: str) -> None:
    sessions = make()
    session = opened(sessions)
    job = accepted(sessions, session, drafted_rows(session, 0, 7, 8))
    if change == "cancelled":
        accept(sessions, session, cancel(session, 0))
        accepted(sessions, session, rows(session, 0, 6))
    elif change == "started":
        accept(sessions, session, start(session, 0))
        accepted(sessions, session, rows(session, 0, 6))
    elif change == "went on":
        accepted(sessions, session, rows(session, 3, 3))
    else:
        accepted(sessions, session, rows(session, 3, 3))
        park(sessions, session)
        sessions.admit(asking_for(session), NOBODY, 1.0)
    sessions.verified(job, token_frame(session.number, job.epoch, 1, 7))
    assert session.length == 6
