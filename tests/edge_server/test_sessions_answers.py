"""What an answer begins on, what a late or missing START does, and how tokens are chosen."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from edge_server.errors import FrameError
from edge_server.frame import Frame, FrameType
from edge_server.messages import ErrorCode, ErrorNotice, Sampling
from edge_server.session import State
from edge_server.sessions import LONGEST_PAUSE
from tests.edge_server.sessions_scene import (
    CAPACITY,
    VOCABULARY,
    accept,
    accepted,
    control,
    make,
    opened,
    refused,
    rows,
    start,
)

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
