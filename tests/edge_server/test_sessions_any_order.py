"""Sessions in any order of events, and with any frame: slots, lengths and errors are right."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from edge_server.errors import FrameError, SessionError
from edge_server.frame import EPOCHS, Dtype, Frame, FrameType
from edge_server.messages import ErrorCode
from edge_server.session import ALLOWED, Event, Job, Owner, Session, State
from edge_server.split import LayerRange
from tests.edge_server.sessions_scene import (
    ANNA,
    CAPACITY,
    HELLO,
    MAX_ROWS,
    YIELD,
    accept,
    asking_for,
    cancel,
    make,
    not_admitted,
    opened,
    refused,
    rows,
    start,
)


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
