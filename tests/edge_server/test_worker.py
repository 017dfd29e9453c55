"""The worker: many sessions on one thread, each with what it would get alone."""

from __future__ import annotations

import itertools
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from edge_server.config import EdgeConfig
from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.load import Engine, EngineOptions, open_engine
from edge_server.engine.sampling import Sampler
from edge_server.engine.tensors import from_bytes, to_bytes
from edge_server.errors import EdgeError, SessionError, StageError
from edge_server.frame import Dtype, Flags, Frame, FrameType, drafted, token_of, tokens_of
from edge_server.messages import ErrorCode, Hello, Mode, Sampling, Start
from edge_server.session import Event, Job, Owner, Serving, Session
from edge_server.sessions import Sessions
from edge_server.split import LayerRange
from edge_server.worker import Worker
from tests.conftest import MakeCheckpoint
from tests.exactness import make_prompt
from tests.models import LAYERS

SLOTS, CAPACITY, IDENTITY, WAIT = 3, 400, "0a" * 32, 60.0
Result = Frame | EdgeError | None


class Desk:
    """A worker with sessions, asked one frame at a time; every reply lands in `replies`."""

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.perf_counter) -> None:
        self.engine = engine
        held = LayerRange(1, LAYERS)
        self.sessions = Sessions(
            EdgeConfig(EngineOptions(slots=SLOTS, capacity=CAPACITY)),
            Serving(IDENTITY, held, LAYERS, 64, engine.row_type, True,
                    engine.checkpoint.architecture.vocabulary))
        self.worker = Worker(engine, held, True, clock=clock)
        self.head = engine.stage(LayerRange(0, 1))
        self.replies: queue.SimpleQueue[tuple[Job, Result]] = queue.SimpleQueue()

    def open(self, mode: Mode = Mode.TOKENS, start: int = 1, end: int = LAYERS) -> Session:
        hello = Hello(IDENTITY, LayerRange(start, end), Dtype.F32, mode)
        return self.sessions.admit(hello, Owner(), 0.0).session

    def rows(self, ids: list[int], position: int = 0) -> torch.Tensor:
        """The phone's half: rows after layer 0."""
        self.head.truncate(0, 0)
        return self.head.forward([0] * len(ids), range(len(ids)),
                                 self.engine.embedding().rows(ids))[position:]

    def job(self, session: Session, rows: torch.Tensor, position: int = 0,
            flags: Flags = Flags.RESULT_WANTED) -> Job:
        job = self.accept(session, Frame(
            FrameType.ROWS, session.number, session.epoch, position, Dtype.F32, rows.shape[0],
            rows.shape[1], flags, to_bytes(rows)))
        assert isinstance(job, Job)
        return job

    def accept(self, session: Session, frame: Frame) -> Job | Frame | None:
        return self.sessions.accept(session, session.connection, frame, 0.0)

    def close(self, session: Session) -> None:
        """As the edge does: end it, then free its cache."""
        assert self.sessions.close(session, Event.ENDED)
        self.worker.release(session)

    def submit(self, job: Job) -> None:
        self.worker.submit(job, lambda job, result: self.replies.put((job, result)), at_once=True)

    def reply(self) -> tuple[Job, Result]:
        return self.replies.get(timeout=WAIT)

    def ask(self, session: Session, rows: torch.Tensor, position: int = 0,
            flags: Flags = Flags.RESULT_WANTED) -> Result:
        self.submit(self.job(session, rows, position, flags))
        return self.reply()[1]


MakeDesk = Callable[..., Desk]


@pytest.fixture(params=["reference", "fast"])
def engine(request: pytest.FixtureRequest, checkpoint_folder: MakeCheckpoint) -> Engine:
    return open_engine(Checkpoint.open(checkpoint_folder("gemma3")),
                       EngineOptions(request.param, "fp32", SLOTS, CAPACITY, threads=1))


@pytest.fixture
def desk(engine: Engine) -> Iterator[Desk]:
    made = Desk(engine)
    made.worker.start()
    yield made
    made.worker.stop()


def whole(engine: Engine, ids: list[int]) -> torch.Tensor:
    """Rows after the last layer, from one stage with everything."""
    return engine.stage(LayerRange(0, LAYERS)).forward(
        [0] * len(ids), range(len(ids)), engine.embedding().rows(ids))


def token_after(engine: Engine, ids: list[int], sampling: Sampling | None = None) -> int:
    logits = engine.output().logits(whole(engine, ids)[-1:])
    return Sampler(sampling or Sampling()).choose(logits[0], len(ids))


def frame_of(result: Result, kind: FrameType) -> Frame:
    assert isinstance(result, Frame)
    assert result.type is kind
    return result


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


def answer_of_four(desk: Desk, session: Session, prompt: list[int]) -> tuple[list[int], list[int]]:
    """Tokens, and the threads that brought them."""
    text = list(prompt)
    threads: list[int] = []

    def reply(job: Job, result: Result) -> None:
        threads.append(threading.get_ident())
        desk.replies.put((job, result))

    for _ in range(4):
        at = 0 if text == prompt else len(text) - 1
        with desk.worker._turn:  # a token is brought before its step is over: now it is
            pass
        desk.worker.submit(desk.job(session, desk.rows(text, at), at), reply, at_once=True)
        text.append(token_of(frame_of(desk.reply()[1], FrameType.TOKEN)))
    return text[len(prompt) :], threads


def test_a_phone_that_is_alone_and_asks_for_little_is_answered_at_once(engine: Engine) -> None:
    """On the caller's thread, once it is known that a step takes no time, and not before."""
    desk = Desk(engine, clock=lambda: 0.0)
    desk.worker.start()
    tokens, threads = answer_of_four(desk, desk.open(), make_prompt(9))
    mine = threading.get_ident()
    assert [thread == mine for thread in threads] == [False, False, True, True]
    text = make_prompt(9)
    for token in tokens:
        assert token == token_after(engine, text)
        text.append(token)
    desk.worker.stop()


def test_steps_that_take_long_stay_with_the_worker(engine: Engine) -> None:
    ticks = itertools.count()
    desk = Desk(engine, clock=lambda: next(ticks) * 1e-3)
    desk.worker.start()
    threads = answer_of_four(desk, desk.open(), make_prompt(9))[1]
    assert threading.get_ident() not in threads
    desk.worker.stop()


def test_phones_that_are_answered_together_stay_with_the_worker(engine: Engine) -> None:
    desk = Desk(engine, clock=lambda: 0.0)
    desk.worker.start()
    first, second = desk.open(), desk.open()
    answer_of_four(desk, first, make_prompt(9, 1))
    threads = answer_of_four(desk, second, make_prompt(9, 2))[1]
    assert threading.get_ident() not in threads
    desk.close(first)
    text = make_prompt(5, 3)
    other = desk.open()
    desk.close(second)
    assert threading.get_ident() in answer_of_four(desk, other, text)[1]
    desk.worker.stop()


def test_a_rows_turn_never_comes_before_the_rows_handed_over_earlier(engine: Engine) -> None:
    """However the two threads meet: with a row out of its order the stage would refuse."""
    desk = Desk(engine, clock=lambda: 0.0)
    desk.worker.start()
    session, prompt = desk.open(), make_prompt(60)
    rows, length = desk.rows(prompt), 0
    expected = [token_after(engine, prompt[:end]) for end in range(1, len(prompt) + 1)]
    while length < len(prompt):  # in ones and in pairs, without waiting for what comes of them
        size = 1 if length % 3 else 2
        desk.submit(desk.job(session, rows[length : length + size], length))
        length += size
    seen = 0
    while seen < len(prompt):
        job, result = desk.reply()
        seen = job.position + len(job.rows)
        assert token_of(frame_of(result, FrameType.TOKEN)) == expected[seen - 1]
    desk.worker.stop()


def ask_drafted(desk: Desk, session: Session, ids: list[int], guesses: list[int]) -> Frame:
    """The answer to the last of `ids` and what the phone guesses after it."""
    position = len(ids) - 1
    rows = desk.rows(ids + guesses, position)
    job = desk.accept(session, Frame(
        FrameType.ROWS, session.number, session.epoch, position, Dtype.F32, rows.shape[0],
        rows.shape[1], Flags.RESULT_WANTED | Flags.DRAFTED, drafted(guesses, to_bytes(rows))))
    assert isinstance(job, Job)
    desk.submit(job)
    frame = frame_of(desk.reply()[1], FrameType.TOKEN)
    desk.sessions.verified(job, frame)
    return frame


@pytest.mark.parametrize("right", [0, 1, 2, 3])
@pytest.mark.parametrize("choice", [
    Sampling(), Sampling(0.9, 40, 0.9, repetition_penalty=1.3, seed=6)])
def test_drafts_are_answered_with_what_would_come_one_by_one(
    choice: Sampling, right: int, desk: Desk
) -> None:
    """And the cache ends where the drafts were wrong, however the answer goes on."""
    ids, sessions = make_prompt(9), [desk.open(), desk.open()]
    for session in sessions:
        desk.accept(session, Frame(
            FrameType.START, session.number, session.epoch + 1, 0,
            payload=Start(choice, 9).pack()))
    text = list(ids)
    for end in range(9, 15):
        frame = frame_of(desk.ask(sessions[0], desk.rows(text, 0 if end == 9 else end - 1),
                                  0 if end == 9 else end - 1), FrameType.TOKEN)
        text.append(token_of(frame))
    desk.ask(sessions[1], desk.rows(ids))
    guesses = [token if index < right else (token + 1) % 160
               for index, token in enumerate(text[10:13])]
    frame = ask_drafted(desk, sessions[1], text[:10], guesses)
    assert (frame.position, tokens_of(frame)) == (10, tuple(text[10 : 11 + right]))
    assert sessions[1].length == 10 + right
    held = desk.worker._view(sessions[1].layers).length(sessions[1].slot)
    assert held == 10 + right
    frame = ask_drafted(desk, sessions[1], text[: 11 + right], [(text[11 + right] + 1) % 160])
    assert tokens_of(frame) == (text[11 + right],)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8"])
def test_rows_of_a_draft_are_those_of_single_rows_bit_for_bit(
    precision: str, checkpoint_folder: MakeCheckpoint
) -> None:
    """What drafting rests on: neither layers nor output see that rows came together."""
    engine = open_engine(Checkpoint.open(checkpoint_folder("gemma3")),
                         EngineOptions("fast", precision, 2, 64, threads=2))
    stage, output = engine.stage(LayerRange(0, LAYERS)), engine.output()
    ids = make_prompt(30)
    stage.forward([0] * 13 + [1] * 13, [*range(13)] * 2, engine.embedding().rows(ids[:13] * 2))
    together = stage.forward([0] * 17, range(13, 30), engine.embedding().rows(ids[13:]))
    alone = torch.cat([stage.forward([1], [at], engine.embedding().rows([ids[at]]))
                       for at in range(13, 30)])
    assert torch.equal(together, alone)
    logits = output.logits(together).clone()
    for row in range(17):
        assert torch.equal(output.logits(alone[row : row + 1])[0], logits[row])
