"""One session's state table, and when its jobs are still wanted."""

from __future__ import annotations

import pytest
import torch

from edge_server.engine.sampling import Sampler
from edge_server.frame import Dtype, Flags
from edge_server.messages import Mode, Sampling
from edge_server.session import TRANSITIONS, Event, Job, Owner, Session, State
from edge_server.split import LayerRange


def make_session() -> Session:
    return Session(7, b"secret", Owner(), 0, LayerRange(1, 4), Mode.TOKENS, Dtype.F32, 0.0, 10.0)


def job_at(session: Session, position: int) -> Job:
    return Job(session, session.epoch, session.answer, position, torch.zeros(1, 8),
               Flags.RESULT_WANTED, Sampler(Sampling()))


@pytest.mark.parametrize("event", list(Event))
@pytest.mark.parametrize("state", list(State))
def test_the_table_of_transitions(state: State, event: Event) -> None:
    """What is in it happens, and nothing else can."""
    session = make_session()
    session.state = state
    ends = event not in (Event.LOST, Event.RESUMED)
    if state is State.CLOSED or (state, event) == (State.PARKED, Event.LOST):
        assert (state, event) not in TRANSITIONS
        with pytest.raises(KeyError):
            session.happens(event)
        assert session.state is state
        return
    session.happens(event)
    assert session.state is TRANSITIONS[state, event]
    assert (session.state is State.CLOSED) == ends
    assert (session.state is State.PARKED) == (event is Event.LOST)


def test_a_session_that_is_computed_for_is_not_quiet() -> None:
    session = make_session()
    assert session.quiet(12.5) == 2.5
    session.pending = 1
    assert session.quiet(12.5) == 0.0


def test_a_cancel_gives_up_results_and_voids_rows_from_where_it_kept() -> None:
    session = make_session()
    session.length = 20
    before, after = job_at(session, 5), job_at(session, 12)
    session.cancel(10)
    assert session.length == 10
    assert before.given_up
    assert after.given_up
    assert (before.cancelled, after.cancelled) == (False, True)
    assert not job_at(session, 10).given_up


def test_a_closed_sessions_jobs_are_wanted_by_nobody() -> None:
    session = make_session()
    job = job_at(session, 0)
    assert not job.given_up
    assert not job.cancelled
    session.happens(Event.ENDED)
    assert job.given_up
    assert job.cancelled


def test_the_secret_is_never_shown() -> None:
    assert "secret" not in repr(make_session()).replace("secrets", "")
