"""The worker: many sessions on one thread, each with what it would get alone."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest
import torch

from edge_server.engine.load import Engine
from edge_server.engine.tensors import from_bytes
from edge_server.errors import SessionError, StageError
from edge_server.frame import Flags, Frame, FrameType, token_of
from edge_server.messages import ErrorCode, Mode, Sampling, Start
from edge_server.split import LayerRange
from tests.edge_server.worker_scene import SLOTS, Desk, frame_of, token_after, whole
from tests.exactness import make_prompt


def test_a_token_after_the_last_row(desk: Desk) -> None:
    ids, session = make_prompt(20), desk.open()
    frame = frame_of(desk.ask(session, desk.rows(ids)), FrameType.TOKEN)
    assert token_of(frame) == token_after(desk.engine, ids)
    assert (frame.session, frame.position) == (session.number, 20)
    ids.append(token_of(frame))
    frame = frame_of(desk.ask(session, desk.rows(ids, 20), 20), FrameType.TOKEN)
    assert token_of(frame) == token_after(desk.engine, ids)
    assert frame.position == 21


def test_nothing_comes_back_that_was_not_asked_for(desk: Desk) -> None:
    for mode in Mode:
        session = desk.open(mode)
        assert desk.ask(session, desk.rows(make_prompt(5)), flags=Flags.NONE) is None


def test_a_choice_with_a_seed(desk: Desk) -> None:
    ids, session = make_prompt(9), desk.open()
    choice = Sampling(temperature=1.0, seed=5)
    desk.accept(session, Frame(FrameType.START, session.number, 1,
                               payload=Start(choice, len(ids)).pack()))
    frame = frame_of(desk.ask(session, desk.rows(ids)), FrameType.TOKEN)
    assert token_of(frame) == token_after(desk.engine, ids, choice)


@pytest.mark.parametrize("choice", [
    Sampling(), Sampling(temperature=1.0, seed=5, repetition_penalty=1.5)])
def test_an_answer_that_goes_on_elsewhere(choice: Sampling, desk: Desk) -> None:
    """An edge that is told the tokens so far chooses what the first one would have."""
    ids, begun, elsewhere = make_prompt(9), desk.open(), desk.open()
    begin = Frame(FrameType.START, begun.number, 1, payload=Start(choice, 9).pack())
    desk.accept(begun, begin)
    text = list(ids)
    answer: list[int] = []
    for _ in range(5):
        at = 0 if not answer else len(text) - 1
        frame = frame_of(desk.ask(begun, desk.rows(text, at), at), FrameType.TOKEN)
        answer.append(token_of(frame))
        text.append(answer[-1])
    for known in range(5):
        start = Start(choice, 9, tuple(answer[:known]))
        desk.accept(elsewhere, Frame(FrameType.START, elsewhere.number, elsewhere.epoch + 1,
                                     payload=start.pack()))
        rows = desk.rows(ids + answer[:known])
        frame = frame_of(desk.ask(elsewhere, rows), FrameType.TOKEN)
        assert (frame.position, token_of(frame)) == (9 + known, answer[known])


def test_a_row_that_comes_twice_gets_the_same_token(desk: Desk) -> None:
    ids, session = make_prompt(9), desk.open()
    desk.accept(session, Frame(FrameType.START, session.number, 1, payload=Start(
        Sampling(temperature=1.0, seed=5), 9).pack()))
    rows = desk.rows(ids)
    first = frame_of(desk.ask(session, rows), FrameType.TOKEN)
    again = frame_of(desk.ask(session, rows[-1:], 8), FrameType.TOKEN)
    assert (again.position, token_of(again)) == (first.position, token_of(first))


@pytest.mark.parametrize(("flags", "count"), [
    (Flags.RESULT_WANTED, 1), (Flags.ALL_ROWS, 20), (Flags.ALL_ROWS | Flags.RESULT_WANTED, 20)])
def test_private_rows(flags: Flags, count: int, desk: Desk) -> None:
    ids, session = make_prompt(20), desk.open(Mode.PRIVATE)
    frame = frame_of(desk.ask(session, desk.rows(ids), flags=flags), FrameType.HIDDEN)
    assert (frame.rows, frame.columns, frame.position) == (count, 64, 20 - count)
    back = from_bytes(memoryview(frame.payload), frame.dtype, frame.rows, frame.columns)
    assert torch.equal(back, whole(desk.engine, ids)[-count:])


def test_a_prompt_in_slices_beside_anothers_token(engine: Engine) -> None:
    """What comes back is as if it had not been cut; the token came first."""
    desk = Desk(engine)
    prompt, short = make_prompt(200), make_prompt(1)
    reading, waiting = desk.open(Mode.PRIVATE), desk.open()
    long = desk.job(reading, desk.rows(prompt), flags=Flags.ALL_ROWS)
    one = desk.job(waiting, desk.rows(short))
    desk.submit(long)
    desk.submit(one)
    desk.worker.start()
    job, result = desk.reply()
    assert job is one
    assert token_of(frame_of(result, FrameType.TOKEN)) == token_after(engine, short)
    job, result = desk.reply()
    assert job is long
    frame = frame_of(result, FrameType.HIDDEN)
    back = from_bytes(memoryview(frame.payload), frame.dtype, frame.rows, frame.columns)
    expected = whole(engine, prompt)
    assert (frame.rows, frame.position) == (200, 0)
    assert float((back - expected).abs().max()) <= 1e-4 * float(expected.abs().max())
    desk.worker.stop()


def test_sessions_at_once_get_what_each_gets_alone(desk: Desk) -> None:
    prompts = {0: make_prompt(30, 1), 1: make_prompt(4, 2), 2: make_prompt(17, 3)}
    sessions = {index: desk.open() for index in prompts}
    number = {session.number: index for index, session in sessions.items()}
    expected: dict[int, list[int]] = {index: [] for index in prompts}
    for index, ids in prompts.items():
        text = list(ids)
        for _ in range(4):
            expected[index].append(token_after(desk.engine, text))
            text.append(expected[index][-1])
    answers: dict[int, list[int]] = {index: [] for index in prompts}
    for index, ids in prompts.items():
        desk.submit(desk.job(sessions[index], desk.rows(ids)))
    while any(len(answer) < 4 for answer in answers.values()):
        job, result = desk.reply()
        index = number[job.session.number]
        answers[index].append(token_of(frame_of(result, FrameType.TOKEN)))
        if len(answers[index]) < 4:
            text = prompts[index] + answers[index]
            at = len(text) - 1
            desk.submit(desk.job(sessions[index], desk.rows(text, at), at))
    assert answers == expected


def test_a_cancelled_job_is_answered_with_nothing(engine: Engine) -> None:
    desk = Desk(engine)
    session = desk.open()
    ids = make_prompt(6)
    dropped = desk.job(session, desk.rows(ids))
    desk.submit(dropped)
    desk.accept(session, Frame(FrameType.CANCEL, session.number))
    other = make_prompt(6, 8)
    kept = desk.job(session, desk.rows(other))
    desk.submit(kept)
    desk.worker.start()  # both were waiting
    assert desk.reply() == (dropped, None)
    job, result = desk.reply()
    assert job is kept
    assert token_of(frame_of(result, FrameType.TOKEN)) == token_after(engine, other)
    desk.worker.stop()


def test_jobs_of_a_closed_session_do_not_run(engine: Engine) -> None:
    desk = Desk(engine)
    session = desk.open()
    job = desk.job(session, desk.rows(make_prompt(6)))
    desk.submit(job)
    desk.close(session)
    desk.worker.start()
    assert desk.reply() == (job, None)
    desk.worker.stop()


def test_a_freed_slot_serves_the_next(desk: Desk) -> None:
    for seed in range(2 * SLOTS):
        session, ids = desk.open(), make_prompt(12, seed)
        frame = frame_of(desk.ask(session, desk.rows(ids)), FrameType.TOKEN)
        assert token_of(frame) == token_after(desk.engine, ids)
        desk.close(session)


def test_rows_that_lead_nowhere_end_their_own_session_only(engine: Engine) -> None:
    """In one step with another's: that one is answered as ever."""
    desk = Desk(engine)
    bad, good = desk.open(), desk.open()
    ids = make_prompt(7)
    spoilt = desk.job(bad, torch.full((7, 64), torch.nan))
    healthy = desk.job(good, desk.rows(ids))
    desk.submit(spoilt)
    desk.submit(healthy)
    desk.worker.start()
    replies = {id(job): result for job, result in (desk.reply() for _ in range(2))}
    error = replies[id(spoilt)]
    assert isinstance(error, SessionError)
    assert error.code == ErrorCode.UNUSABLE_ROWS
    assert token_of(frame_of(replies[id(healthy)], FrameType.TOKEN)) == token_after(engine, ids)
    desk.worker.stop()


def test_a_refusal_by_the_stage_is_told_to_its_session_only(engine: Engine) -> None:
    """A job whose earlier rows were never computed: the stage notices, the others go on."""
    desk = Desk(engine)
    bad, good = desk.open(), desk.open()
    ids = make_prompt(7)
    bad.length = 5  # as if accepted, and dropped before they ran
    gap = desk.job(bad, desk.rows(ids, 6), 5)
    healthy = desk.job(good, desk.rows(ids[:1]))
    desk.submit(gap)
    desk.submit(healthy)
    desk.worker.start()
    replies = {id(job): result for job, result in (desk.reply() for _ in range(2))}
    assert isinstance(replies[id(gap)], StageError)
    assert token_of(frame_of(replies[id(healthy)], FrameType.TOKEN)) == token_after(engine, ids[:1])
    desk.worker.stop()


def test_a_bug_ends_no_other_session(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    session, ids = desk.open(), make_prompt(5)
    rows = desk.rows(ids)

    def broken(*_: Any) -> torch.Tensor:
        raise ZeroDivisionError("a bug")

    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR):
        patch.setattr(desk.worker._stage, "forward", broken)
        error = desk.ask(session, rows)
    assert isinstance(error, SessionError)
    assert error.code == ErrorCode.INTERNAL
    assert "a bug" not in str(error)  # the phone learns nothing of the edge's insides
    assert "a bug" in caplog.text
    other = desk.open()
    assert token_of(frame_of(desk.ask(other, rows), FrameType.TOKEN)) == token_after(
        desk.engine, ids)


def test_sessions_over_different_layers(desk: Desk) -> None:
    ids = make_prompt(11)
    short = desk.open(Mode.PRIVATE, 1, 3)
    long = desk.open()
    rows = desk.rows(ids)
    frame = frame_of(desk.ask(short, rows), FrameType.HIDDEN)
    middle = desk.engine.stage(LayerRange(1, 3)).forward([0] * 11, range(11), rows)
    back = from_bytes(memoryview(frame.payload), frame.dtype, frame.rows, frame.columns)
    assert torch.equal(back, middle[-1:])
    assert token_of(frame_of(desk.ask(long, rows), FrameType.TOKEN)) == token_after(
        desk.engine, ids)


def test_stopping_finishes_what_is_queued(engine: Engine) -> None:
    desk = Desk(engine)
    session, before = desk.open(), set(threading.enumerate())
    for position in range(0, 60, 20):
        desk.submit(desk.job(session, torch.zeros(20, 64), position))
    desk.worker.start()
    desk.worker.stop()
    assert [desk.replies.get_nowait()[0].position for _ in range(3)] == [0, 20, 40]
    assert set(threading.enumerate()) <= before


def test_memory_is_weights_and_caches(desk: Desk) -> None:
    before = desk.worker.memory()
    assert before > desk.engine.output().bytes()
    session, other = desk.open(), desk.open()
    desk.ask(session, desk.rows(make_prompt(100)))
    assert desk.worker.memory() > before
    desk.close(session)
    desk.ask(other, desk.rows(make_prompt(7)))  # after the release, on the same thread
    assert desk.worker._stage.length(session.slot) == 0
    assert desk.worker._stage.length(other.slot) == 7
