"""Answers that belong to the process, not to the page: a browser may reload while one is written.

Each answer is written by a thread of its own; whoever shows it takes snapshots. When it ends, for
whatever reason, what came is put into the conversation. It knows no widgets; clocks are passed in.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from edge_server.errors import EdgeError
from ue_app.errors import Interrupted, PhoneError
from ue_app.generate import Answer
from ue_app.link import LinkStatus, Traffic
from ue_app.measure import cost_of
from ue_app.service import Piece, Question, Service
from ue_app.talks import Talks

logger = logging.getLogger("ue_app.runner")


class Stage(StrEnum):
    """How far an answer is."""

    WAITING = "waiting"  # for the phone to open, for its turn, or for the first token
    WRITING = "writing"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True)
class Problem:
    """Why something failed, for a person."""

    problem: str
    remedy: str


@dataclass(frozen=True)
class Token:
    """A token that came, for whoever keeps figures."""

    answer: int  # number of the answer since the app started
    index: int  # of the token in its answer
    time: float  # by the loop's clock, seconds
    gap: float | None  # since the token before, seconds; None for the first
    sent: int | None  # bytes on the socket so far; None where another token came since
    received: int | None
    status: LinkStatus | None  # of the link when the token was seen


class Watcher(Protocol):
    """Is told of tokens, in the thread that writes the answer."""

    def token(self, token: Token) -> None: ...


class Job:
    """One answer as it grows. Read it from any thread; the writing thread alone changes it."""

    def __init__(self, number: int, conversation: int, started: float) -> None:
        self.number, self.conversation = number, conversation
        self.started = started  # when it was asked, by the loop's clock
        self.stage = Stage.WAITING
        self.text = ""
        self.answer: Answer | None = None
        self.told = 0  # tokens the watchers know
        self.error: Problem | None = None
        self.ended = threading.Event()
        self.cancelled = threading.Event()

    @property
    def running(self) -> bool:
        return not self.ended.is_set()

    def stop(self) -> None:
        """End the answer at the next token; what came is kept."""
        self.cancelled.set()


class Runner:
    """Starts answers and keeps the last one of each conversation."""

    def __init__(
        self, talks: Talks, clock: Callable[[], float], wall_clock: Callable[[], float],
        watchers: Sequence[Watcher] = (),
    ) -> None:
        self._talks, self._clock, self._wall_clock = talks, clock, wall_clock
        self._watchers = watchers
        self._lock = threading.Lock()
        self._jobs: dict[int, Job] = {}  # last of each conversation
        self._last: Job | None = None
        self._count = 0

    def job(self, conversation: int) -> Job | None:
        """The last answer of a conversation, where one was asked since the app started."""
        return self._jobs.get(conversation)

    def current(self) -> Job | None:
        """The answer that is being written, else the last one."""
        with self._lock:
            running = [job for job in self._jobs.values() if job.stage is Stage.WRITING]
            return running[0] if running else self._last

    def start(self, service: Service, conversation: int, question: Question) -> Job:
        """Begin to answer `question`."""
        with self._lock:
            self._count += 1
            job = Job(self._count, conversation, self._clock())
            self._jobs[conversation] = self._last = job
        threading.Thread(target=self._run, args=(service, question, job),
                         name=f"answer-{job.number}", daemon=True).start()
        return job

    def forget(self, conversation: int) -> None:
        """Stop and drop a conversation's answer: the conversation goes, or is asked anew."""
        job = self._jobs.pop(conversation, None)
        if job is not None:
            job.stop()

    def close(self, patience: float) -> None:
        """Stop every answer, and give each up to `patience` seconds to be put away."""
        jobs = list(self._jobs.values())
        for job in jobs:
            job.stop()
        for job in jobs:
            job.ended.wait(patience)

    def _run(self, service: Service, question: Question, job: Job) -> None:
        try:
            self._write(service, question, job)
            job.stage = Stage.DONE
        except Interrupted:
            job.stage = Stage.DONE  # stopped while the link was being brought back
        except (PhoneError, EdgeError) as error:
            job.error, job.stage = Problem(error.problem, error.remedy), Stage.FAILED
        except Exception:
            # The boundary of one answer: whoever waits for it is told, and the log says why.
            logger.exception("an answer failed")
            job.error = Problem("The app failed on this answer; its log says more.", "Try again.")
            job.stage = Stage.FAILED
        finally:
            if self._jobs.get(job.conversation) is job:  # else nobody wants it any more
                self._keep(job)
            job.ended.set()

    def _write(self, service: Service, question: Question, job: Job) -> None:
        pieces = service.ask(question, job.cancelled)
        try:
            while True:
                self._take(service, next(pieces), job)
        except StopIteration as end:
            job.answer = end.value
            self._hear(service, job, end.value)  # tokens without text, as the one that ends it
        finally:
            pieces.close()

    def _take(self, service: Service, piece: Piece, job: Job) -> None:
        job.answer = piece.answer
        job.text += piece.text
        job.stage = Stage.WRITING
        self._hear(service, job, piece.answer)

    def _hear(self, service: Service, job: Job, answer: Answer) -> None:
        """Tell the watchers of the tokens they do not know."""
        phone = service.phone
        traffic = None if phone is None else phone.link.traffic
        status = None if phone is None else phone.link.status
        times = answer.times
        for index in range(job.told, len(times)):
            newest = index == len(times) - 1
            self._tell(job, index, times, traffic if newest else None, status)
        job.told = len(times)

    def _tell(self, job: Job, index: int, times: Sequence[float], traffic: Traffic | None,
              status: LinkStatus | None) -> None:
        token = Token(job.number, index, times[index],
                      times[index] - times[index - 1] if index else None,
                      None if traffic is None else traffic.sent,
                      None if traffic is None else traffic.received, status)
        for watcher in self._watchers:
            watcher.token(token)

    def _keep(self, job: Job) -> None:
        """Put what came into the conversation; nothing at all leaves the question open."""
        silent = job.answer is None or job.cancelled.is_set() or job.error is not None
        if job.text or not silent:
            self._talks.add(job.conversation, "assistant", job.text, self._wall_clock(),
                            figures_of(job))


def figures_of(job: Job) -> dict[str, Any]:
    """What is stored beside an answer."""
    figures: dict[str, Any] = {} if job.answer is None else cost_of(job.answer).to_dict()
    finish = None if job.answer is None else job.answer.finish
    figures["finish"] = ("failed" if job.error else
                         finish or ("cancelled" if job.cancelled.is_set() else None))
    if job.error:
        figures |= {"problem": job.error.problem, "remedy": job.error.remedy}
    return figures
