"""Which waiting rows the next step runs: many sessions, one step.

A step takes every session's single row first (somebody waits for that token), then a slice of the
prompts that are being read, turn by turn, within a budget of rows: a long prompt slows the others'
tokens by one slice's time and no more. Rows of one session stay in order.
Pure: it knows no threads, stages or clocks.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field

from edge_server.sessions import Job


@dataclass(frozen=True)
class Slice:
    """Rows `[start, end)` of a job."""

    job: Job
    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start

    @property
    def completes(self) -> bool:
        return self.end == len(self.job.rows)


@dataclass
class _Waiting:
    """One session's jobs, in order, and how much of the first has run."""

    jobs: deque[Job] = field(default_factory=deque)
    done: int = 0

    @property
    def left(self) -> int:
        return len(self.jobs[0].rows) - self.done


class BatchQueue:
    """Jobs of all sessions that wait for their turn."""

    def __init__(self, max_rows: int, prompt_rows: int) -> None:
        self._max_rows = max_rows  # of a step
        self._prompt_rows = prompt_rows  # of a step that also carries somebody's next token
        self._sessions: OrderedDict[int, _Waiting] = OrderedDict()  # who waits longest is first

    def __bool__(self) -> bool:
        return bool(self._sessions)

    def put(self, job: Job) -> None:
        self._sessions.setdefault(job.session.number, _Waiting()).jobs.append(job)

    def drop_cancelled(self) -> list[Job]:
        """Forget the jobs that nobody waits for any more, and return them."""
        dropped: list[Job] = []
        for number in list(self._sessions):
            waiting = self._sessions[number]
            while waiting.jobs and waiting.jobs[0].cancelled:
                dropped.append(waiting.jobs.popleft())
                waiting.done = 0
            if not waiting.jobs:
                del self._sessions[number]
        return dropped

    def take(self) -> list[Slice]:
        """The slices of the next step, at most one a session; empty when nothing waits.

        All slices of a step run the same layers: those the longest-waiting session asked for.
        """
        if not self._sessions:
            return []
        layers = next(iter(self._sessions.values())).jobs[0].session.layers
        alike = [number for number, waiting in self._sessions.items()
                 if waiting.jobs[0].session.layers == layers]
        steps = [number for number in alike if self._sessions[number].left == 1][: self._max_rows]
        room = self._max_rows - len(steps)
        budget = min(self._prompt_rows, room) if steps else room
        slices = [self._advance(number, 1) for number in steps]
        for number in alike:
            if budget > 0 and number not in steps:
                slices.append(self._advance(number, budget))
                budget -= len(slices[-1])
        return slices

    def _advance(self, number: int, rows: int) -> Slice:
        """Take up to `rows` of a session's first job; the session goes to the end of the queue."""
        waiting = self._sessions.pop(number)
        job = waiting.jobs[0]
        piece = Slice(job, waiting.done, min(waiting.done + rows, len(job.rows)))
        waiting.done = piece.end
        if piece.completes:
            waiting.jobs.popleft()
            waiting.done = 0
        if waiting.jobs:
            self._sessions[number] = waiting
        return piece
