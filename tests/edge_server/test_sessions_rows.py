"""Rows of a session: which become jobs, which are refused or asked for, and what is given up."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from edge_server.engine.tensors import to_bytes
from edge_server.frame import Dtype, Flags, Frame, FrameType, drafted, token_frame
from edge_server.messages import ErrorCode, Mode
from edge_server.session import Job, Session, State
from tests.edge_server.sessions_scene import (
    CAPACITY,
    HELLO,
    HIDDEN,
    MAX_ROWS,
    NOBODY,
    VOCABULARY,
    accept,
    accepted,
    asking_for,
    cancel,
    make,
    opened,
    park,
    refused,
    rows,
    start,
)

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
