"""Runs the jobs of all sessions on one thread of its own, many sessions in one step.

Whoever has the turn owns stages and caches: that thread, or for a moment the caller's, where one
phone alone asks for a step that is over sooner than a hand-over to the thread and back. Results go
to a callback, which the server hands over to its event loop. It knows no sockets.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence

import torch

from edge_server.batching import BatchQueue, Returns, Slice
from edge_server.encodings.wire import pack
from edge_server.engine.load import Engine
from edge_server.engine.sampling import choose_drafted
from edge_server.engine.stage import Output, Stage, warm_up
from edge_server.errors import EdgeError, SessionError
from edge_server.frame import Flags, Frame, FrameType, token_frame, tokens_of
from edge_server.messages import ErrorCode, Mode
from edge_server.metrics import Metrics
from edge_server.session import Job, Session
from edge_server.split import LayerRange
from edge_server.step_times import StepTime, StepTimes

logger = logging.getLogger("edge_server.worker")
Reply = Callable[[Job, Frame | EdgeError | None], None]  # an answer, a refusal, or nothing
STEP_ROWS = 256  # rows of a step: beyond it a step only gets longer, not more efficient
PATIENCE = 0.3  # of a step's time, for sessions that are about to come back
BRIEF = 0.5e-3  # seconds: what usually takes less may run on the caller's thread


class Worker:
    """One thread that runs layers `[start, end)` for every session."""

    def __init__(
        self, engine: Engine, held: LayerRange, has_output: bool, metrics: Metrics | None = None,
        clock: Callable[[], float] = time.perf_counter, prompt_rows: int = 4,
        times: StepTimes | None = None,
    ) -> None:
        """A step that carries tokens takes so many rows of prompts beside them."""
        self._metrics, self._clock, self._times = metrics or Metrics(), clock, times
        self._stage: Stage = engine.stage(held)
        self._views: dict[LayerRange, Stage] = {held: self._stage}
        self._output: Output | None = engine.output() if has_output else None
        warm_up(self._stage, self._output, engine.checkpoint.architecture.hidden)
        self._inbox: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._waiting = BatchQueue(STEP_ROWS, prompt_rows)
        self._returns = Returns(PATIENCE)
        self._stepped = (0.0, 0.0)  # when the last step ended, and how long it took; seconds
        # By id of the job, until it is answered: whom to tell, and when the job came.
        self._replies: dict[int, tuple[Reply, float]] = {}
        self._turn = threading.Lock()  # of whoever runs steps
        self._handed = self._taken = 0  # tasks through the inbox: put by callers, done by the turn
        self._usual: dict[LayerRange, float] = {}  # seconds of a step of one row, lately
        self._stopping = False
        self._thread = threading.Thread(target=self._loop, name="edge-worker", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Finish what is queued, then end the thread."""
        self._hand_over(None)
        self._thread.join()

    def memory(self) -> int:
        """Bytes held in weights and caches."""
        return self._stage.bytes() + (self._output.bytes() if self._output else 0)

    def now(self) -> float:
        """By the clock of the steps' times."""
        return self._clock()

    def submit(self, job: Job, reply: Reply, at_once: bool = False) -> None:
        """Run `job` after the session's earlier ones; to be called by one thread alone.

        `reply` is called on the worker's thread, or, if `at_once` allows it, here and now where
        that is sooner.
        """
        came = self._clock()  # here: the thread takes it in when its step is over

        def put() -> None:
            self._replies[id(job)] = (reply, came)
            self._waiting.put(job)
            self._returns.arrived(job.session.number, came)

        if not (at_once and self._brief(job) and self._now(job.session.number, came, put)):
            self._hand_over(put)

    def _brief(self, job: Job) -> bool:
        usual = self._usual.get(job.session.layers)
        if usual is None or (len(job.rows) > 1 and not job.drafts):
            return False
        return usual * len(job.rows) < BRIEF

    def _now(self, number: int, now: float, put: Callable[[], None]) -> bool:
        """Do it on this thread, if the session is alone and nothing else waits or runs."""
        if not self._turn.acquire(blocking=False):
            return False
        try:
            idle = self._handed == self._taken and not self._waiting and not self._stopping
            # Others who are being answered now are better served together, in one step.
            if idle and self._returns.alone(number, now):
                put()
                self._run_waiting()
                return True
            return False
        finally:
            self._turn.release()

    def release(self, session: Session) -> None:
        """Free a closed session's cache; what it still has queued will not run."""
        def free() -> None:
            self._view(session.layers).truncate(session.slot, 0)
            self._returns.forget(session.number)
        self._hand_over(free)

    def alive(self) -> bool:
        """Whether jobs are still run."""
        return self._thread.is_alive()

    def _hand_over(self, task: Callable[[], None] | None) -> None:
        self._handed += 1
        self._inbox.put(task)

    def _loop(self) -> None:
        with self._turn:
            while self._waiting or not self._stopping:
                self._take_in()
                self._gather()
                self._run_waiting()

    def _run_waiting(self) -> None:
        """One step of what waits."""
        for job in self._waiting.drop_cancelled():
            self._answer(job, None)
        slices = self._waiting.take()
        if slices:
            began = self._clock()
            self._step(slices)
            now = self._clock()
            self._stepped = (now, now - began)
            if len(slices) == len(slices[0]) == 1:
                self._usual[slices[0].job.session.layers] = now - began

    def _gather(self) -> None:
        """Wait for sessions that are about to send their next row, as long as that pays."""
        since, step = self._stepped
        while self._waiting and not self._stopping:
            wait = self._returns.wait(since, self._clock(), step)
            if wait <= 0:
                return
            try:
                self._do(self._inbox.get(timeout=wait))
            except queue.Empty:
                return
            self._take_in()

    def _take_in(self) -> None:
        """Take what has arrived; wait for something only where nothing is left to compute."""
        with contextlib.suppress(queue.Empty):
            while self._waiting or self._stopping:
                self._do(self._inbox.get(block=False))
            self._do(self._wait_for_task())
            while True:
                self._do(self._inbox.get(block=False))

    def _wait_for_task(self) -> Callable[[], None] | None:
        """The next task; while none comes, the turn is anybody's."""
        self._turn.release()
        try:
            return self._inbox.get()
        finally:
            self._turn.acquire()

    def _do(self, task: Callable[[], None] | None) -> None:
        self._taken += 1
        if task is None:
            self._stopping = True
        else:
            task()

    def _step(self, slices: Sequence[Slice]) -> None:
        """Run one step; what is wrong with one session's rows is told to that session alone."""
        began = self._clock()
        waited = max((began - self._replies[id(piece.job)][1] for piece in slices
                      if not piece.start and id(piece.job) in self._replies), default=0.0)
        try:
            results = self._run(slices)
        except EdgeError as error:
            if len(slices) > 1:
                for piece in slices:
                    self._step([piece])
                return
            results = [error]
        except Exception:
            # The boundary of one step: a bug met by one phone must not end the others' sessions.
            logger.exception("a step of %d rows failed", sum(map(len, slices)))
            failed = SessionError(ErrorCode.INTERNAL, "The edge failed on these rows.",
                                  "Try again; if it stays, the edge's log says more.")
            results = [failed] * len(slices)
        took = self._clock() - began
        if self._times is not None:
            self._note(self._times, slices, began, began + took)
        for piece, result in zip(slices, results, strict=True):
            if piece.completes or isinstance(result, EdgeError):
                self._answer(piece.job, result)
        self._metrics.step(sum(map(len, slices)), len(slices), took, waited)
        self._metrics.tokens(sum(
            len(tokens_of(result)) for result in results
            if isinstance(result, Frame) and result.type is FrameType.TOKEN))

    def _note(self, times: StepTimes, slices: Sequence[Slice], began: float, ended: float) -> None:
        """Keep when the jobs that are answered now came, and were computed."""
        for piece in slices:
            job = piece.job
            if piece.completes and (waiting := self._replies.get(id(job))) is not None:
                times.add(StepTime(job.session.number, job.end, waiting[1], began, ended))

    def _answer(self, job: Job, result: Frame | EdgeError | None) -> None:
        waiting = self._replies.pop(id(job), None)
        if waiting is not None:
            waiting[0](job, result)
        if isinstance(result, Frame):
            self._returns.answered(job.session.number, self._clock())

    def _run(self, slices: Sequence[Slice]) -> list[Frame | EdgeError | None]:
        """All rows of `slices` through the layers at once; what each session gets."""
        slots = [piece.job.session.slot for piece in slices for _ in range(len(piece))]
        positions = [piece.job.position + row
                     for piece in slices for row in range(piece.start, piece.end)]
        whole = len(slices) == 1 and len(slices[0]) == len(slices[0].job.rows)
        rows = slices[0].job.rows if whole else torch.cat(
            [piece.job.rows[piece.start : piece.end] for piece in slices])
        view = self._view(slices[0].job.session.layers)
        rows = view.forward(slots, positions, rows)
        ends = list(itertools.accumulate(map(len, slices)))  # of each slice's rows
        choosing = [index for index, piece in enumerate(slices)
                    if piece.completes and piece.job.session.mode is Mode.TOKENS
                    and piece.job.flags & Flags.RESULT_WANTED]
        results: list[Frame | EdgeError | None] = [
            self._hidden(piece, rows[end - len(piece) : end])
            if piece.job.session.mode is Mode.PRIVATE else None
            for piece, end in zip(slices, ends, strict=True)]
        if choosing:
            jobs = [slices[index].job for index in choosing]
            asked = [row for index, job in zip(choosing, jobs, strict=True)
                     for row in range(ends[index] - 1 - len(job.drafts), ends[index])]
            if len(asked) < len(rows):
                rows = rows[asked]
            for index, result in zip(choosing, self._choose(view, jobs, rows), strict=True):
                results[index] = result
        return results

    def _choose(
        self, view: Stage, jobs: Sequence[Job], rows: torch.Tensor
    ) -> list[Frame | EdgeError]:
        """What follows the rows of `jobs`; the caches forget the drafts that were wrong."""
        assert self._output is not None  # the handshake admits TOKENS only where it is loaded
        first = [job.end - len(job.drafts) for job in jobs]  # positions of the tokens to choose
        chosen = choose_drafted(self._output, rows, [job.sampler for job in jobs], first,
                                [job.drafts for job in jobs])
        answers: list[Frame | EdgeError] = []
        for job, tokens, position in zip(jobs, chosen, first, strict=True):
            if isinstance(tokens, EdgeError):
                answers.append(tokens)
                continue
            if len(tokens) <= len(job.drafts):
                view.truncate(job.session.slot, job.position + len(tokens))
            answers.append(token_frame(job.session.number, job.epoch, position, *tokens))
        return answers

    def _hidden(self, piece: Slice, rows: torch.Tensor) -> Frame | None:
        """The rows that go back in private mode."""
        job, session = piece.job, piece.job.session
        if job.flags & Flags.ALL_ROWS:
            job.computed.append(rows)
            rows = torch.cat(job.computed) if piece.completes else rows
        if not piece.completes or not job.flags & (Flags.ALL_ROWS | Flags.RESULT_WANTED):
            return None
        back = rows if job.flags & Flags.ALL_ROWS else rows[-1:]
        first = job.position + len(job.rows) - len(back)
        packed = pack(back, session.back)
        return Frame(FrameType.HIDDEN, session.number, job.epoch, first, packed.dtype,
                     back.shape[0], back.shape[1], payload=packed.payload)

    def _view(self, layers: LayerRange) -> Stage:
        """The layers a session asked for, out of those loaded."""
        if layers not in self._views:
            self._views[layers] = self._stage.narrowed(layers)
        return self._views[layers]
