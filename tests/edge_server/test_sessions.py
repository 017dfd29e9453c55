"""Sessions without sockets: who is admitted, what each may send, and what becomes of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from edge_server.config import EdgeConfig
from edge_server.engine.load import EngineOptions
from edge_server.engine.tensors import to_bytes
from edge_server.errors import FrameError, SessionError
from edge_server.frame import Dtype, Flags, Frame, FrameType
from edge_server.messages import PROTOCOL, ErrorCode, Hello, Mode, Sampling
from edge_server.sessions import ALLOWED, Job, Serving, Session, Sessions, State
from edge_server.split import LayerRange

IDENTITY, OTHER = "0a" * 32, "0b" * 32
HIDDEN, SLOTS, CAPACITY, MAX_ROWS = 8, 2, 64, 16
WHOLE = Serving(IDENTITY, LayerRange(0, 4), 4, HIDDEN, torch.float32, True)
HELLO = Hello(IDENTITY, LayerRange(1, 4), Dtype.F32, Mode.TOKENS)


def make(serving: Serving = WHOLE) -> Sessions:
    return Sessions(EdgeConfig(EngineOptions(slots=SLOTS, capacity=CAPACITY), max_rows=MAX_ROWS),
                    serving)


def rows(session: Session, position: int, count: int = 1, flags: Flags = Flags.RESULT_WANTED,
         columns: int = HIDDEN) -> Frame:
    data = torch.arange(count * columns, dtype=torch.float32).view(count, columns)
    return Frame(FrameType.ROWS, session.number, 0, position, Dtype.F32, count, columns, flags,
                 to_bytes(data))


def cancel(session: Session, position: int) -> Frame:
    return Frame(FrameType.CANCEL, session.number, 0, position)


def accepted(sessions: Sessions, session: Session, frame: Frame) -> Job:
    job = sessions.accept(session, frame)
    assert job is not None
    return job


def refused(sessions: Sessions, session: Session, frame: Frame) -> ErrorCode:
    with pytest.raises(SessionError) as caught:
        sessions.accept(session, frame)
    return ErrorCode(caught.value.code)


@pytest.mark.parametrize("hello", [
    HELLO, replace(HELLO, layers=LayerRange(0, 4)), replace(HELLO, layers=LayerRange(4, 4)),
    replace(HELLO, mode=Mode.PRIVATE, layers=LayerRange(1, 3)),
    replace(HELLO, mode=Mode.PRIVATE, layers=LayerRange(0, 4)),
    replace(HELLO, mode=Mode.PRIVATE, layers=LayerRange(2, 2))])
def test_who_is_admitted(hello: Hello) -> None:
    sessions = make()
    session = sessions.open(hello)
    assert (session.layers, session.mode, session.dtype) == (hello.layers, hello.mode, hello.dtype)
    assert session.state is State.OPEN
    welcome = sessions.welcome(session)
    assert (welcome.session, welcome.capacity, welcome.max_rows) == (
        session.number, CAPACITY, MAX_ROWS)


TAIL = replace(WHOLE, held=LayerRange(2, 4))
MIDDLE = replace(WHOLE, held=LayerRange(1, 3), has_output=False)


@pytest.mark.parametrize(("serving", "hello", "code", "said"), [
    (WHOLE, replace(HELLO, protocol=PROTOCOL + 1), ErrorCode.WRONG_PROTOCOL, "same version"),
    (WHOLE, replace(HELLO, protocol=0), ErrorCode.WRONG_PROTOCOL, "same version"),
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
        sessions.open(hello)
    assert caught.value.code == code
    assert caught.value.remedy
    assert len(sessions) == 0


def test_too_many_sessions() -> None:
    sessions = make()
    opened = [sessions.open(HELLO) for _ in range(SLOTS)]
    assert sorted(session.slot for session in opened) == [0, 1]
    with pytest.raises(SessionError, match=r"limit of 2.*Try again") as caught:
        sessions.open(HELLO)
    assert caught.value.code == ErrorCode.TOO_MANY_SESSIONS
    sessions.close(opened[0])
    assert sessions.open(HELLO).slot == opened[0].slot


def test_aliases_cannot_be_guessed() -> None:
    sessions, numbers = make(), set()
    for _ in range(50):
        session = sessions.open(HELLO)
        numbers.add(session.number)
        sessions.close(session)
    assert len(numbers) == 50
    assert all(0 < number < 2**64 for number in numbers)
    assert max(numbers) > 2**48


def test_rows_become_a_job() -> None:
    sessions = make()
    session = sessions.open(HELLO)
    job = accepted(sessions, session, rows(session, 0, 3))
    assert (job.position, job.flags, job.cancelled) == (0, Flags.RESULT_WANTED, False)
    assert torch.equal(job.rows, torch.arange(24.0).view(3, 8))
    assert session.length == 3
    assert accepted(sessions, session, rows(session, 3)).position == 3
    assert session.length == 4


@pytest.mark.parametrize("kind", sorted(FrameType))
@pytest.mark.parametrize("state", list(State))
def test_the_table_of_states(kind: FrameType, state: State) -> None:
    sessions = make()
    session = sessions.open(HELLO)
    frames = {FrameType.ROWS: rows(session, 0),
              FrameType.HIDDEN: replace(rows(session, 0), type=FrameType.HIDDEN),
              FrameType.SAMPLING: Frame(FrameType.SAMPLING, session.number,
                                        payload=Sampling().pack())}
    session.state = state
    frame = frames.get(kind, Frame(kind, session.number))
    phones_own = {FrameType.SAMPLING, FrameType.ROWS, FrameType.CANCEL, FrameType.GOODBYE}
    if state is State.OPEN and kind in phones_own:
        sessions.accept(session, frame)
    else:
        assert refused(sessions, session, frame) == ErrorCode.BAD_FRAME
    assert ALLOWED[State.CLOSED] == frozenset()


def test_frames_of_another_session() -> None:
    sessions = make()
    session, other = sessions.open(HELLO), sessions.open(HELLO)
    for number in (other.number, 0, session.number + 1):
        frame = replace(rows(session, 0), session=number)
        assert refused(sessions, session, frame) == ErrorCode.BAD_FRAME
    assert session.length == other.length == 0


@pytest.mark.parametrize(("position", "count", "columns", "code"), [
    (0, 1, HIDDEN + 1, ErrorCode.WRONG_DTYPE), (0, 1, HIDDEN - 1, ErrorCode.WRONG_DTYPE),
    (0, MAX_ROWS + 1, HIDDEN, ErrorCode.BAD_FRAME), (4, 1, HIDDEN, ErrorCode.BAD_POSITION),
    (2**32 - 1, 1, HIDDEN, ErrorCode.TOO_LONG), (CAPACITY, 1, HIDDEN, ErrorCode.TOO_LONG),
    (CAPACITY - 3, 4, HIDDEN, ErrorCode.TOO_LONG)])
def test_rows_that_are_refused(position: int, count: int, columns: int, code: ErrorCode) -> None:
    sessions = make()
    session = sessions.open(HELLO)
    accepted(sessions, session, rows(session, 0, 3))
    frame = rows(session, position, count, columns=columns)
    assert refused(sessions, session, frame) == code
    assert session.length == 3


def test_rows_of_another_type() -> None:
    sessions = make()
    session = sessions.open(HELLO)
    half = torch.zeros(1, HIDDEN, dtype=torch.bfloat16)
    frame = Frame(FrameType.ROWS, session.number, 0, 0, Dtype.BF16, 1, HIDDEN,
                  payload=to_bytes(half))
    assert refused(sessions, session, frame) == ErrorCode.WRONG_DTYPE


def test_up_to_the_last_token() -> None:
    sessions = make()
    session = sessions.open(HELLO)
    for position in range(0, CAPACITY, MAX_ROWS):
        accepted(sessions, session, rows(session, position, MAX_ROWS))
    assert session.length == CAPACITY
    assert refused(sessions, session, rows(session, CAPACITY)) == ErrorCode.TOO_LONG
    accepted(sessions, session, rows(session, CAPACITY - 1))


def test_going_back_forgets_what_followed() -> None:
    sessions = make()
    session = sessions.open(HELLO)
    accepted(sessions, session, rows(session, 0, 10))
    accepted(sessions, session, rows(session, 4, 2))
    assert session.length == 6
    assert refused(sessions, session, rows(session, 7)) == ErrorCode.BAD_POSITION


def test_cancel_drops_what_was_asked_and_keeps_what_was_agreed() -> None:
    sessions = make()
    session = sessions.open(HELLO)
    before = accepted(sessions, session, rows(session, 0, 10))
    assert sessions.accept(session, cancel(session, 6)) is None
    assert before.cancelled
    assert session.length == 6
    assert refused(sessions, session, rows(session, 7)) == ErrorCode.BAD_POSITION
    after = accepted(sessions, session, rows(session, 6, 2))
    assert not after.cancelled
    assert before.cancelled
    assert session.state is State.OPEN


def test_cancel_cannot_invent_tokens() -> None:
    sessions = make()
    session = sessions.open(HELLO)
    accepted(sessions, session, rows(session, 0, 2))
    sessions.accept(session, cancel(session, 2**32 - 1))
    assert session.length == 2


def test_the_choice_of_tokens_holds_for_the_rows_after_it() -> None:
    sessions = make()
    session = sessions.open(HELLO)
    first = accepted(sessions, session, rows(session, 0))
    choice = Sampling(temperature=0.5, seed=3)
    assert sessions.accept(session, Frame(
        FrameType.SAMPLING, session.number, payload=choice.pack())) is None
    second = accepted(sessions, session, rows(session, 1))
    assert first.sampler.sampling == Sampling()
    assert second.sampler.sampling == choice
    assert accepted(sessions, session, rows(session, 2)).sampler is second.sampler


def test_a_bad_choice_changes_nothing() -> None:
    sessions = make()
    session = sessions.open(HELLO)
    with pytest.raises(FrameError):
        sessions.accept(session, Frame(FrameType.SAMPLING, session.number, payload=b"x"))
    assert accepted(sessions, session, rows(session, 0)).sampler.sampling == Sampling()


def test_goodbye_ends_it_and_the_slot_waits_for_its_cache() -> None:
    """The slot is free for another only once whoever owns the connection has had it cleared."""
    sessions = make()
    session = sessions.open(HELLO)
    job = accepted(sessions, session, rows(session, 0))
    other = sessions.open(HELLO)
    assert sessions.accept(session, Frame(FrameType.GOODBYE, session.number)) is None
    assert session.state is State.CLOSED
    assert job.cancelled
    with pytest.raises(SessionError):
        sessions.open(HELLO)
    sessions.close(session)
    assert sessions.open(HELLO).slot == session.slot != other.slot


def test_closing_twice_frees_once() -> None:
    sessions = make()
    first, second = sessions.open(HELLO), sessions.open(HELLO)
    sessions.close(first)
    sessions.close(first)
    third = sessions.open(HELLO)
    assert {second.slot, third.slot} == {0, 1}
    with pytest.raises(SessionError):
        sessions.open(HELLO)


class Phones(RuleBasedStateMachine):
    """Any order of opening, sending, cancelling and closing keeps slots and lengths right."""

    def __init__(self) -> None:
        super().__init__()
        self.sessions = make()
        self.live: list[Session] = []
        self.held: dict[int, int] = {}  # of each session, tokens by our own count

    @rule()
    def open(self) -> None:
        if len(self.live) == SLOTS:
            with pytest.raises(SessionError):
                self.sessions.open(HELLO)
            return
        session = self.sessions.open(HELLO)
        self.live.append(session)
        self.held[session.number] = 0

    @precondition(lambda self: self.live)
    @rule(pick=st.integers(0, 9), position=st.integers(0, 70), count=st.integers(1, 20))
    def send(self, pick: int, position: int, count: int) -> None:
        session = self.live[pick % len(self.live)]
        held = self.held[session.number]
        fits = position <= held and position + count <= CAPACITY and count <= MAX_ROWS
        try:
            job = self.sessions.accept(session, rows(session, position, count))
        except SessionError:
            assert not fits
            return
        assert fits
        assert job is not None
        self.held[session.number] = position + count

    @precondition(lambda self: self.live)
    @rule(pick=st.integers(0, 9), kept=st.integers(0, 70))
    def cancel(self, pick: int, kept: int) -> None:
        session = self.live[pick % len(self.live)]
        self.sessions.accept(session, cancel(session, kept))
        self.held[session.number] = min(self.held[session.number], kept)

    @precondition(lambda self: self.live)
    @rule(pick=st.integers(0, 9))
    def close(self, pick: int) -> None:
        self.sessions.close(self.live.pop(pick % len(self.live)))

    @invariant()
    def slots_are_nobody_elses(self) -> None:
        slots = [session.slot for session in self.live]
        assert len(set(slots)) == len(slots)
        assert all(0 <= slot < SLOTS for slot in slots)
        assert len(self.sessions) == len(self.live)
        assert [session.length for session in self.live] == [
            self.held[session.number] for session in self.live]


TestPhones = Phones.TestCase


@given(st.sampled_from(sorted(FrameType)), st.integers(0, 2**32 - 1), st.binary(max_size=64))
def test_any_frame_is_a_job_or_the_phones_error(
    kind: FrameType, position: int, payload: bytes
) -> None:
    sessions = make()
    session = sessions.open(HELLO)
    frame = Frame(kind, session.number, 0, position, Dtype.F32, 1, len(payload) // 4,
                  payload=payload[: len(payload) // 4 * 4]) if kind in (
        FrameType.ROWS, FrameType.HIDDEN) else Frame(kind, session.number, 0, position,
                                                     payload=payload)
    try:
        sessions.accept(session, frame)
    except (SessionError, FrameError):
        return
    assert kind in ALLOWED[State.OPEN]
