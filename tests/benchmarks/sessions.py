"""Many sessions on one worker, in a process of its own: what `bench_sessions` times without a link.

The worker, its queue and the sessions are the edge's own. The phones are replayed: their rows were
made beforehand and are the same whatever token comes back, so that no phone's computing is in the
figures. A phone's next row is there the moment its token is. Two ways of serving take turns on the
same worker: the edge's own batches, and one session's row at a time.

    python -m tests.benchmarks.sessions --model DIR --threads 1 --precision bf16 --counts 1 8
"""

from __future__ import annotations

import argparse
import json
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from edge_server.batching import BatchQueue
from edge_server.config import EdgeConfig
from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.load import EngineOptions, open_engine
from edge_server.engine.tensors import WIRE_TYPES, to_bytes
from edge_server.errors import EdgeError
from edge_server.frame import Flags, Frame, FrameType, token_of
from edge_server.messages import Hello, Mode, Sampling, Start
from edge_server.session import Event, Job, Owner, Serving, Session
from edge_server.sessions import Sessions
from edge_server.split import LayerRange
from edge_server.worker import STEP_ROWS, Worker
from tests.benchmarks.one_by_one import OneByOne
from tests.benchmarks.phones import CHUNK, quantile, record, together

IDENTITY = "0" * 64
WAIT = 600.0  # seconds for a round: a hung worker must not hang the benchmark
LONG_PROMPT = 2000  # tokens that arrive while others are answered
BEFORE = 8  # tokens of a short answer before the long prompt arrives: it is under way
UNDISTURBED_TOKENS = 64  # of each short answer, where no prompt comes to end the measurement
UNDISTURBED, INTERLEAVED, IN_ONE_STEP = "undisturbed", "prompt interleaved", "prompt in one step"


class Desk:
    """A worker, its sessions, and rows of phones that were recorded beforehand."""

    def __init__(self, options: argparse.Namespace) -> None:
        checkpoint = Checkpoint.open(options.model)
        layers = checkpoint.architecture.layers
        slots = max(options.counts + options.long_prompt) + 1  # one more for the long prompt
        self.capacity = LONG_PROMPT + 64
        engine = open_engine(checkpoint, EngineOptions(
            "fast", options.precision, slots, self.capacity, options.threads))
        held = LayerRange(options.split, layers)
        self._row_type, self._hidden = engine.row_type, checkpoint.architecture.hidden
        # The long prompt as one job: what an edge without interleaving would run at once.
        self.sessions = Sessions(
            EdgeConfig(engine.options, max_rows=LONG_PROMPT),
            Serving(IDENTITY, held, layers, self._hidden, engine.row_type, True))
        self._hello = Hello(IDENTITY, held, WIRE_TYPES[engine.row_type], Mode.TOKENS)
        self.worker = Worker(engine, held, True)
        self.prompt_rows: int = options.prompt_rows
        self._recorded = record(engine, options.split, LONG_PROMPT)

    def open(self, sampling: Sampling) -> Session:
        session = self.sessions.admit(self._hello, Owner(), 0.0).session
        start = Start(sampling, 0)  # where its tokens begin does not matter to their choice
        self._accept(session, Frame(FrameType.START, session.number, 1, payload=start.pack()))
        return session

    def _accept(self, session: Session, frame: Frame) -> Job | Frame | None:
        return self.sessions.accept(session, session.connection, frame, 0.0)

    def close(self, session: Session) -> None:
        self.sessions.close(session, Event.ENDED)
        self.worker.release(session)

    def job(self, session: Session, start: int, end: int, offset: int, flags: Flags) -> Job:
        """The phone's rows `[start, end)`; `offset` makes phones differ."""
        rows = self._recorded[(start + offset) % (LONG_PROMPT - (end - start) + 1):][:end - start]
        job = self._accept(session, Frame(
            FrameType.ROWS, session.number, session.epoch, start, WIRE_TYPES[self._row_type],
            len(rows), self._hidden, flags, to_bytes(rows)))
        assert isinstance(job, Job)  # a ROWS frame is one
        return job

    def serve(self, queue: BatchQueue) -> None:
        """How the next jobs are put into steps; nothing may be waiting."""
        self.worker._waiting = queue

    @contextmanager
    def held_up(self) -> Iterator[None]:
        """The worker takes nothing meanwhile, so that all of it is there for its next step."""
        gate = threading.Event()
        self.worker._inbox.put(lambda: _wait_for(gate))
        yield
        gate.set()


def _wait_for(gate: threading.Event) -> None:
    gate.wait(WAIT)


@dataclass
class Replay:
    """One phone: a prompt, then a row for each token, the moment the last token is there."""

    desk: Desk
    session: Session
    offset: int  # into the recorded rows
    tokens: int  # of the answer; `finish` ends it earlier
    times: list[float] = field(default_factory=list)  # when each came, seconds
    ids: list[int] = field(default_factory=list)
    error: EdgeError | None = None
    done: threading.Event = field(default_factory=threading.Event)
    enough: bool = False

    def ask(self, start: int, end: int, chunk: int = CHUNK) -> None:
        """Send the rows `[start, end)` as frames of `chunk`, and answer on from there."""
        for at in range(start, end, chunk):
            to = min(at + chunk, end)
            self._submit(at, to, Flags.RESULT_WANTED if to == end else Flags.NONE)

    def finish(self) -> None:
        """No token after the next."""
        self.enough = True

    def _submit(self, start: int, end: int, flags: Flags) -> None:
        job = self.desk.job(self.session, start, end, self.offset, flags)
        self.desk.worker.submit(job, self._take)

    def _take(self, job: Job, result: Frame | EdgeError | None) -> None:
        """On the worker's thread, as all replies are."""
        if isinstance(result, EdgeError):
            self.error = result
            self.done.set()
        elif result is not None:
            self.times.append(time.perf_counter())
            self.ids.append(token_of(result))
            if len(self.ids) == self.tokens or self.enough:
                self.done.set()
            else:
                self._submit(result.position, result.position + 1, Flags.RESULT_WANTED)

    def wait(self) -> None:
        if not self.done.wait(WAIT):
            raise TimeoutError(f"no answer within {WAIT:.0f} s")
        if self.error is not None:
            raise self.error

    def intervals(self, since: float, until: float) -> list[float]:
        """Milliseconds between tokens, of every pause that overlaps that time."""
        return [(after - before) * 1e3
                for before, after in zip(self.times, self.times[1:], strict=False)
                if after > since and before < until]


def run_count(
    desk: Desk, count: int, tokens: int, prompt: int, sampling: Sampling, batched: bool
) -> dict[str, Any]:
    """`count` answers at once; the clock runs while all of them are being written."""
    desk.serve(BatchQueue(STEP_ROWS, desk.prompt_rows))
    prompts = [Replay(desk, desk.open(sampling), 7 * number, 1) for number in range(count)]
    for phone in prompts:
        phone.ask(0, prompt)
    for phone in prompts:
        phone.wait()
    desk.serve((BatchQueue if batched else OneByOne)(STEP_ROWS, desk.prompt_rows))
    phones = [Replay(desk, phone.session, phone.offset, tokens + 1) for phone in prompts]
    with desk.held_up():
        for phone in phones:
            phone.ask(prompt, prompt + 1)
    for phone in phones:
        phone.wait()
    for phone in phones:
        desk.close(phone.session)
    return together([phone.times for phone in phones]) | {"ids": [phone.ids for phone in phones]}


def run_long_prompt(desk: Desk, count: int, how: str) -> dict[str, Any]:
    """`count` short answers, and how they fare while a long prompt is read."""
    desk.serve(BatchQueue(LONG_PROMPT + count, LONG_PROMPT) if how == IN_ONE_STEP
               else BatchQueue(STEP_ROWS, desk.prompt_rows))
    short = [Replay(desk, desk.open(Sampling()), 7 * number, LONG_PROMPT - CHUNK)
             for number in range(count)]
    for phone in short:
        phone.ask(0, CHUNK)
    while any(len(phone.ids) < BEFORE for phone in short):
        time.sleep(0.001)
    other = Replay(desk, desk.open(Sampling()), 3, 1)
    began = time.perf_counter()
    if how == UNDISTURBED:
        other.ask(0, 1)
        while any(len(phone.ids) < BEFORE + UNDISTURBED_TOKENS for phone in short):
            time.sleep(0.001)
    else:
        other.ask(0, LONG_PROMPT, LONG_PROMPT if how == IN_ONE_STEP else CHUNK)
    other.wait()
    ended = time.perf_counter()
    for phone in short:
        phone.finish()
    for phone in short:
        phone.wait()
    for phone in (*short, other):
        desk.close(phone.session)
    between = [step for phone in short for step in phone.intervals(began, ended)]
    return {"p50_ms": statistics.median(between), "p95_ms": quantile(between, 0.95),
            "longest_ms": max(between),
            "prompt_ms": None if how == UNDISTURBED else (ended - began) * 1e3}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="checkpoint folder")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--precision", default="bf16")
    parser.add_argument("--split", type=int, default=1, help="layers on the phone")
    parser.add_argument("--counts", type=int, nargs="+", default=[1, 8, 16, 32])
    parser.add_argument("--tokens", type=int, default=24, help="timed tokens of each session")
    parser.add_argument("--prompt", type=int, default=64, help="tokens of each prompt")
    parser.add_argument("--temperature", type=float, default=0.0)
    parser.add_argument("--top-k", type=int, default=0)
    parser.add_argument("--long-prompt", type=int, nargs="*", default=[], metavar="N",
                        help="also let a prompt of 2,000 tokens come into N answers")
    parser.add_argument("--prompt-rows", type=int, default=4,
                        help="of a long prompt, beside each token of the others")
    parser.add_argument("--alone-share", type=int, default=4, metavar="N",
                        help="one at a time, time an Nth of the tokens")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    desk = Desk(options)
    desk.worker.start()
    sampling = Sampling(options.temperature, options.top_k, seed=7)
    result: dict[str, Any] = {}
    tokens = {True: options.tokens, False: max(options.tokens // options.alone_share, 4)}
    run_count(desk, max(options.counts), 4, options.prompt, sampling, True)  # warms up
    for count in options.counts:
        for batched in (True, False):
            name = f"{count} {'batched' if batched else 'one at a time'}"
            result[name] = run_count(desk, count, tokens[batched], options.prompt, sampling,
                                     batched)
    for count in options.long_prompt:
        for how in (UNDISTURBED, INTERLEAVED, IN_ONE_STEP):
            result[f"{count} {how}"] = run_long_prompt(desk, count, how)
    desk.worker.stop()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
