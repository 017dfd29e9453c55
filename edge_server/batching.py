"""Which waiting rows the next step runs: many sessions, one step.

A step takes every session's single row first, or the few of a draft (somebody waits for that
token), then a slice of the prompts that are being read, turn by turn, within a budget of rows: a
long prompt slows the others' tokens by one slice's time and no more. Rows of one session stay in
order.
Pure: it knows no threads, stages or clocks; times come in.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field

from edge_server.session import Job

FORGETTING = 0.5  # share of a long pause that a shorter one makes forgotten
LONGEST_PAUSE = 0.25  # seconds; beyond it a person thinks, which says nothing of the link
LATENESS = 1.25  # times its usual pause, until a session is no longer expected


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

    @property
    def step(self) -> bool:
        """Whether the next token hangs on this: one row, or a draft's, which are never cut."""
        return self.left == 1 or bool(self.jobs[0].drafts)


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
        steps, room = self._steps(alike)
        # A long step is slowed less by each row: many answers leave prompts more of them.
        budget = min(max(self._prompt_rows, len(steps) // 2), room) if steps else room
        slices = [self._advance(number, self._sessions[number].left) for number in steps]
        for number in alike:
            if budget > 0 and number not in steps and not self._sessions[number].step:
                slices.append(self._advance(number, budget))
                budget -= len(slices[-1])
        return slices

    def _steps(self, alike: list[int]) -> tuple[list[int], int]:
        """The sessions whose next token this step brings, and the rows it has left then."""
        steps: list[int] = []
        room = self._max_rows
        for number in alike:
            waiting = self._sessions[number]
            # A draft of more rows than a step may have still runs, as the first of its step.
            if waiting.step and (waiting.left <= room or not steps):
                steps.append(number)
                room -= waiting.left
        return steps, room

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


class Returns:
    """How soon each session's next row follows its token, and so whom a step should wait for.

    Weights are read once a step, however few rows there are. Sessions that were answered together
    and come back within a fraction of a step are worth that fraction: otherwise those who come
    first start a step alone, and two half-empty steps take turns for good. A session is expected
    as late as it lately was; one that takes longer than the patience is never waited for.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience  # share of a step's time that the next may wait
        self._answered: dict[int, float] = {}  # when, by session; seconds
        self._pauses: dict[int, float] = {}  # from its token to its next row, by session; seconds

    def answered(self, number: int, now: float) -> None:
        self._answered[number] = now

    def arrived(self, number: int, now: float) -> None:
        answered = self._answered.pop(number, None)
        if answered is not None:
            pause, usual = min(now - answered, LONGEST_PAUSE), self._pauses.get(number, 0.0)
            # Up at once and down by and by: expected too early, a session would be left behind.
            self._pauses[number] = max(pause, usual + (pause - usual) * FORGETTING)

    def forget(self, number: int) -> None:
        self._answered.pop(number, None)
        self._pauses.pop(number, None)

    def alone(self, number: int, now: float) -> bool:
        """Whether no other session was answered so lately that it may be back at any moment."""
        return all(other == number or now - answered > LONGEST_PAUSE
                   for other, answered in self._answered.items())

    def wait(self, since: float, now: float, step: float) -> float:
        """Seconds worth waiting; the last step took `step`, and ended at `since`."""
        end = since + self._patience * step
        due = [answered + self._pauses[number] * LATENESS
               for number, answered in self._answered.items() if number in self._pauses]
        return max((at for at in due if at <= end), default=now) - now
