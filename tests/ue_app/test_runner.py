"""Answers that belong to the process: snapshots while they grow, kept however they end."""

from __future__ import annotations

import threading
from collections.abc import Generator
from pathlib import Path

import pytest

from edge_server.errors import SessionError
from edge_server.messages import ErrorCode
from tests.conftest import START_SECONDS
from ue_app.errors import Interrupted, LinkLost
from ue_app.generate import Answer, Finish
from ue_app.phone import PhoneConfig
from ue_app.prompt import Turn
from ue_app.runner import Job, Problem, Runner, Stage, Token
from ue_app.service import Piece, Question, Service
from ue_app.talks import Talks

QUESTION = Question((Turn("user", "who?"),))


class Script(Service):
    """Says what a test tells it to, when it tells it to."""

    def __init__(self, words: list[str], failure: Exception | None = None) -> None:
        super().__init__(PhoneConfig((Path(),), None))
        self._words, self._failure = words, failure
        self.steps = threading.Semaphore(0)  # one for each word that may come

    def ask(
        self, question: Question, cancelled: threading.Event
    ) -> Generator[Piece, None, Answer]:
        answer = Answer(3, 0, 10.0, None)
        for index, word in enumerate(self._words):
            assert self.steps.acquire(timeout=START_SECONDS)
            answer.ids.append(index)
            answer.times.append(11.0 + index)
            answer.text += word
            yield Piece(word, answer)
            if cancelled.is_set():
                answer.finish = Finish.CANCELLED
                return answer
        if self._failure is not None:
            raise self._failure
        answer.times.append(answer.times[-1] + 1.0)  # the token that ends it has no text
        answer.finish = Finish.EOS
        return answer


class Ear:
    """Hears of tokens; `heard` lets a test wait for them."""

    def __init__(self) -> None:
        self.tokens: list[Token] = []
        self.heard = threading.Semaphore(0)

    def token(self, token: Token) -> None:
        self.tokens.append(token)
        self.heard.release()


@pytest.fixture
def talks(tmp_path: Path) -> Talks:
    return Talks(tmp_path / "history.sqlite3")


@pytest.fixture
def ear() -> Ear:
    return Ear()


@pytest.fixture
def runner(talks: Talks, ear: Ear) -> Runner:
    return Runner(talks, lambda: 10.0, lambda: 1e9, (ear,))


def ended(job: Job) -> Job:
    assert job.ended.wait(START_SECONDS)
    return job


def test_an_answer_grows_and_is_kept(runner: Runner, talks: Talks, ear: Ear) -> None:
    number = talks.begin("who?", 1.0)
    service = Script(["a ", "king"])
    job = runner.start(service, number, QUESTION)
    assert (job.text, job.stage, job.running) == ("", Stage.WAITING, True)
    service.steps.release()
    assert ear.heard.acquire(timeout=START_SECONDS)
    assert (job.text, job.stage) == ("a ", Stage.WRITING)
    assert runner.job(number) is job is runner.current()
    service.steps.release()
    ended(job)
    assert (job.stage, job.error) == (Stage.DONE, None)
    turns = talks.turns(number)
    assert [(turn.role, turn.text) for turn in turns] == [("assistant", "a king")]
    assert turns[0].figures["finish"] == "eos"
    assert turns[0].figures["tokens_per_second"] == 1.0
    assert [(token.index, token.time, token.gap) for token in ear.tokens] == [
        (0, 11.0, None), (1, 12.0, 1.0), (2, 13.0, 1.0)]


def test_a_stop_keeps_what_came(runner: Runner, talks: Talks) -> None:
    number = talks.begin("who?", 1.0)
    service = Script(["a ", "king ", "who"])
    job = runner.start(service, number, QUESTION)
    job.stop()
    service.steps.release(3)
    ended(job)
    assert job.text == "a "
    assert talks.turns(number)[0].figures["finish"] == "cancelled"


@pytest.mark.parametrize("failure", [
    LinkLost("The connection ended.", "Ask again."),
    SessionError(ErrorCode.IDLE, "The connection ended.", "Ask again.")])
def test_a_failure_keeps_what_came_and_says_why(
    runner: Runner, talks: Talks, failure: Exception
) -> None:
    number = talks.begin("who?", 1.0)
    service = Script(["a "], failure)
    service.steps.release()
    job = ended(runner.start(service, number, QUESTION))
    assert (job.stage, job.error) == (Stage.FAILED, Problem("The connection ended.", "Ask again."))
    turn = talks.turns(number)[0]
    assert turn.text == "a "
    assert (turn.figures["finish"], turn.figures["problem"], turn.figures["remedy"]) == (
        "failed", "The connection ended.", "Ask again.")


def test_a_failure_before_the_first_word_leaves_the_question_open(
    runner: Runner, talks: Talks
) -> None:
    number = talks.begin("who?", 1.0)
    job = ended(runner.start(Script([], LinkLost("It ended.", "")), number, QUESTION))
    assert job.error == Problem("It ended.", "")
    assert talks.turns(number) == []


def test_a_stop_while_the_link_comes_back_is_no_failure(runner: Runner, talks: Talks) -> None:
    number = talks.begin("who?", 1.0)
    service = Script(["a "], Interrupted("The answer was stopped."))
    job = runner.start(service, number, QUESTION)
    service.steps.release()
    ended(job)
    assert (job.stage, job.error) == (Stage.DONE, None)
    assert talks.turns(number)[0].text == "a "


def test_a_bug_is_told_without_its_insides(
    runner: Runner, talks: Talks, caplog: pytest.LogCaptureFixture
) -> None:
    number = talks.begin("who?", 1.0)
    job = ended(runner.start(Script([], ZeroDivisionError("secret")), number, QUESTION))
    assert job.error is not None
    assert "log" in job.error.problem
    assert "secret" not in job.error.problem
    assert "ZeroDivisionError" in caplog.text


def test_an_answer_nobody_wants_any_more_is_not_kept(runner: Runner, talks: Talks) -> None:
    number = talks.begin("who?", 1.0)
    service = Script(["a ", "king"])
    job = runner.start(service, number, QUESTION)
    runner.forget(number)
    assert job.cancelled.is_set()
    service.steps.release(2)
    ended(job)
    assert talks.turns(number) == []
    assert runner.job(number) is None


def test_the_one_being_written_is_the_current_one(runner: Runner, talks: Talks, ear: Ear) -> None:
    service, waiting = Script(["a ", "king"]), Script(["x"])
    one, two = talks.begin("1", 1.0), talks.begin("2", 1.0)
    writing = runner.start(service, one, QUESTION)
    service.steps.release()
    assert ear.heard.acquire(timeout=START_SECONDS)
    later = runner.start(waiting, two, QUESTION)
    assert runner.current() is writing
    service.steps.release()
    ended(writing)
    assert runner.current() is later
    waiting.steps.release()
    ended(later)


def test_closing_stops_answers_and_keeps_them(runner: Runner, talks: Talks) -> None:
    number = talks.begin("who?", 1.0)
    service = Script(["a ", "king ", "who"])
    runner.start(service, number, QUESTION)
    service.steps.release(3)
    runner.close(START_SECONDS)
    assert talks.turns(number)[0].text.startswith("a ")
