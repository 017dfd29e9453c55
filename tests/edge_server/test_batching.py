"""Which rows a step takes: everybody's next token first, prompts in slices, order kept."""

from __future__ import annotations

from dataclasses import replace

import torch
from hypothesis import given
from hypothesis import strategies as st

from edge_server.batching import BatchQueue, Returns, Slice
from edge_server.engine.sampling import Sampler
from edge_server.frame import Dtype, Flags
from edge_server.messages import Mode, Sampling
from edge_server.session import Job, Owner, Session
from edge_server.split import LayerRange

LAYERS = LayerRange(1, 4)


def make_session(number: int, layers: LayerRange = LAYERS) -> Session:
    return Session(number, b"", Owner(), number - 1, layers, Mode.TOKENS, Dtype.F32, 0.0, 0.0)


def make_job(session: Session, rows: int, position: int = 0) -> Job:
    return Job(session, session.epoch, session.answer, position, torch.zeros(rows, 2), Flags.NONE,
               Sampler(Sampling()))


def shape(slices: list[Slice]) -> list[tuple[int, int, int]]:
    return [(piece.job.session.number, piece.start, piece.end) for piece in slices]


def test_nothing_waits() -> None:
    waiting = BatchQueue(8, 4)
    assert not waiting
    assert waiting.take() == []


def test_single_rows_of_all_sessions_go_together() -> None:
    waiting = BatchQueue(8, 4)
    for number in (1, 2, 3):
        waiting.put(make_job(make_session(number), 1))
    assert shape(waiting.take()) == [(1, 0, 1), (2, 0, 1), (3, 0, 1)]
    assert not waiting


def test_a_long_prompt_runs_in_slices_beside_tokens() -> None:
    waiting = BatchQueue(8, 4)
    waiting.put(make_job(make_session(1), 10))
    waiting.put(make_job(make_session(2), 1))
    assert shape(waiting.take()) == [(2, 0, 1), (1, 0, 4)]
    assert shape(waiting.take()) == [(1, 4, 10)]  # nobody else waits: all that is left


def test_prompts_take_turns() -> None:
    waiting = BatchQueue(6, 4)
    waiting.put(make_job(make_session(1), 20))
    waiting.put(make_job(make_session(2), 20))
    assert shape(waiting.take()) == [(1, 0, 6)]
    assert shape(waiting.take()) == [(2, 0, 6)]
    assert shape(waiting.take()) == [(1, 6, 12)]


def test_jobs_of_one_session_stay_in_order() -> None:
    waiting = BatchQueue(8, 4)
    session = make_session(1)
    waiting.put(make_job(session, 2, 0))
    waiting.put(make_job(session, 1, 2))
    first, second = waiting.take(), waiting.take()
    assert [piece.job.position for piece in first + second] == [0, 2]


def test_a_step_runs_one_range_of_layers() -> None:
    waiting = BatchQueue(8, 4)
    waiting.put(make_job(make_session(1), 1))
    waiting.put(make_job(make_session(2, LayerRange(2, 4)), 1))
    assert shape(waiting.take()) == [(1, 0, 1)]
    assert shape(waiting.take()) == [(2, 0, 1)]


def test_cancelled_jobs_are_dropped_and_the_next_answer_runs() -> None:
    waiting = BatchQueue(8, 4)
    session = make_session(1)
    old = make_job(session, 20)
    waiting.put(make_job(make_session(2), 1))
    waiting.put(old)
    waiting.take()
    session.cancel(0)
    new = make_job(session, 3)
    waiting.put(new)
    assert waiting.drop_cancelled() == [old]
    assert shape(waiting.take()) == [(1, 0, 3)]
    assert not waiting


def test_rows_that_a_cancel_kept_still_run() -> None:
    """Nobody waits for their result, but the next answer stands on them."""
    waiting = BatchQueue(8, 4)
    session = make_session(1)
    jobs = [make_job(session, 3, position) for position in (0, 3, 6)]
    for job in jobs:
        waiting.put(job)
    session.cancel(4)
    assert waiting.drop_cancelled() == []  # only what is first in line is looked at
    ran = [waiting.take(), waiting.take()]
    assert [piece.job for step in ran for piece in step] == jobs[:2]
    assert waiting.drop_cancelled() == jobs[2:]
    assert all(job.given_up for job in jobs)
    assert not waiting


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 30)), max_size=20),
       st.integers(1, 12), st.integers(1, 6))
def test_every_row_runs_once_and_in_order(
    jobs: list[tuple[int, int]], max_rows: int, prompt_rows: int
) -> None:
    waiting = BatchQueue(max_rows, prompt_rows)
    sessions = {number: make_session(number) for number in range(1, 6)}
    reached = dict.fromkeys(sessions, 0)
    for number, rows in jobs:
        waiting.put(make_job(sessions[number], rows, reached[number]))
        reached[number] += rows
    ran = dict.fromkeys(sessions, 0)
    while waiting:
        slices = waiting.take()
        assert 0 < sum(map(len, slices)) <= max_rows
        assert len({piece.job.session.number for piece in slices}) == len(slices)
        for piece in slices:
            assert piece.job.position + piece.start == ran[piece.job.session.number]
            ran[piece.job.session.number] += len(piece)
    assert ran == reached


def test_prompts_get_more_rows_where_many_are_answered() -> None:
    waiting = BatchQueue(100, 4)
    waiting.put(make_job(make_session(99), 90))
    for number in range(1, 21):
        waiting.put(make_job(make_session(number), 1))
    assert shape(waiting.take())[-1] == (99, 0, 10)
    waiting.put(make_job(make_session(1), 1))
    assert shape(waiting.take())[-1] == (99, 10, 14)


def returns_after(*pauses: float, patience: float = 0.5) -> Returns:
    """Session 1 came back after each of these pauses; it was answered again at 100.0."""
    returns, now = Returns(patience), 0.0
    for pause in pauses:
        returns.answered(1, now)
        returns.arrived(1, now + pause)
        now += pause
    returns.answered(1, 100.0)
    return returns


def test_nobody_is_waited_for_who_has_no_habits() -> None:
    assert Returns(0.5).wait(0.0, 0.0, 1.0) <= 0
    assert returns_after().wait(100.0, 100.0, 1.0) <= 0


def test_who_comes_back_soon_is_waited_for() -> None:
    returns = returns_after(0.010)
    left = returns.wait(100.0, 100.002, 0.040)
    assert 0.008 <= left <= 0.012
    returns.arrived(1, 100.010)
    assert returns.wait(100.0, 100.010, 0.040) <= 0


def test_who_is_alone() -> None:
    returns = Returns(0.5)
    assert returns.alone(1, 0.0)
    returns.answered(1, 1.0)
    assert returns.alone(1, 1.0)
    assert not returns.alone(2, 1.1)  # the first may be back at any moment
    assert returns.alone(2, 5.0)  # a person who thinks
    returns.arrived(1, 5.0)
    assert returns.alone(2, 5.0)


def test_who_takes_longer_than_the_patience_is_not() -> None:
    assert returns_after(0.030).wait(100.0, 100.0, 0.040) <= 0
    assert returns_after(0.030).wait(100.0, 100.0, 0.100) > 0


def test_who_does_not_come_is_given_up_in_time() -> None:
    returns = returns_after(0.010)
    assert returns.wait(100.0, 100.020, 0.040) <= 0


def test_one_late_return_makes_careful_and_punctual_ones_are_learned() -> None:
    assert returns_after(0.005, 0.2).wait(100.0, 100.0, 0.040) <= 0
    punctual = returns_after(0.2, *[0.005] * 10)
    assert punctual.wait(100.0, 100.0, 0.040) > 0


def test_a_person_who_thought_for_long_is_learned_as_fast() -> None:
    assert returns_after(3600.0, *[0.005] * 10).wait(100.0, 100.0, 0.040) > 0


def test_who_left_is_forgotten() -> None:
    returns = returns_after(0.010)
    returns.forget(1)
    assert returns.wait(100.0, 100.0, 0.040) <= 0
    returns.answered(1, 100.0)  # a job's last result comes after
    assert returns.wait(100.0, 100.0, 0.040) <= 0


def test_the_latest_of_those_worth_it_counts() -> None:
    returns = Returns(0.5)
    for number, pause in ((1, 0.004), (2, 0.008), (3, 0.2)):
        returns.answered(number, 0.0)
        returns.arrived(number, pause)
        returns.answered(number, 1.0)
    assert 0.008 <= returns.wait(1.0, 1.0, 0.040) <= 0.012


def make_draft(session: Session, guesses: int) -> Job:
    return replace(make_job(session, 1 + guesses), drafts=(5,) * guesses)


def test_a_draft_is_somebodys_next_token_and_is_never_cut() -> None:
    waiting = BatchQueue(8, 2)
    waiting.put(make_job(make_session(1), 10))
    waiting.put(make_draft(make_session(2), 4))
    waiting.put(make_job(make_session(3), 1))
    assert shape(waiting.take()) == [(2, 0, 5), (3, 0, 1), (1, 0, 2)]
    assert shape(waiting.take()) == [(1, 2, 10)]


def test_drafts_that_do_not_fit_wait_for_the_next_step() -> None:
    waiting = BatchQueue(8, 4)
    for number in (1, 2, 3):
        waiting.put(make_draft(make_session(number), 4))
    assert shape(waiting.take()) == [(1, 0, 5)]
    assert shape(waiting.take()) == [(2, 0, 5)]
    assert shape(waiting.take()) == [(3, 0, 5)]
    assert not waiting


def test_a_draft_of_more_rows_than_a_step_runs_alone() -> None:
    waiting = BatchQueue(4, 4)
    waiting.put(make_draft(make_session(1), 6))
    waiting.put(make_job(make_session(2), 1))
    waiting.put(make_job(make_session(3), 9))
    assert shape(waiting.take()) == [(1, 0, 7)]
    assert shape(waiting.take())[0] == (2, 0, 1)
