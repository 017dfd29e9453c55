"""Who is answered at once, on the caller's thread: a phone that is alone and asks for little."""

from __future__ import annotations

import itertools
import threading

from edge_server.engine.load import Engine
from edge_server.frame import FrameType, token_of
from edge_server.session import Job, Session
from tests.edge_server.worker_scene import Desk, Result, frame_of, token_after
from tests.exactness import make_prompt


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
