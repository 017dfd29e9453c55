"""32 sessions at once, joining, leaving and cancelling: each gets the tokens it would get alone."""

from __future__ import annotations

import queue
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch

from edge_server.batching import Slice
from edge_server.config import EdgeConfig
from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.load import Engine, EngineOptions, open_engine
from edge_server.engine.sampling import Sampler
from edge_server.engine.tensors import WIRE_TYPES, to_bytes
from edge_server.errors import EdgeError
from edge_server.frame import Flags, Frame, FrameType, token_of
from edge_server.messages import Hello, Mode, Sampling, Start
from edge_server.session import Event, Job, Owner, Serving, Session
from edge_server.sessions import Sessions
from edge_server.split import LayerRange
from edge_server.worker import Worker
from tests.conftest import MakeCheckpoint
from tests.models import LAYERS, VOCABULARY

AT_ONCE, PHONES = 32, 48
CAPACITY, IDENTITY, WAIT = 160, "0b" * 32, 60.0
LONGEST_PROMPT, LONGEST_ANSWER = 90, 14
SAMPLINGS = (
    Sampling(), Sampling(repetition_penalty=1.3), Sampling(temperature=1.0),
    Sampling(temperature=0.8, top_k=12, top_p=0.9), Sampling(temperature=1.3, min_p=0.02))


@dataclass
class Answer:
    """What one answer is asked with, and what it is when asked alone."""

    prompt: int  # its tokens are the first of `rows`
    sampling: Sampling
    rows: torch.Tensor  # the phone's, of the prompt and of every token but the last
    tokens: list[int]
    give_up_at: int | None = None  # tokens after which it is cancelled, the next being under way


class Alone:
    """A model of its own with one slot: what answers are compared with."""

    def __init__(self, folder: Any, precision: str) -> None:
        engine = open_engine(Checkpoint.open(folder),
                             EngineOptions("fast", precision, 1, CAPACITY, threads=1))
        self._embedding, self._output = engine.embedding(), engine.output()
        self._head = engine.stage(LayerRange(0, 1))
        self._tail = engine.stage(LayerRange(1, LAYERS))

    def answer(self, ids: list[int], sampling: Sampling, count: int) -> Answer:
        for stage in (self._head, self._tail):
            stage.truncate(0, 0)
        sampler, tokens, rows = Sampler(sampling), [], []
        new = ids
        for step in range(count):
            positions = range(len(ids) + step - len(new), len(ids) + step)
            rows.append(self._head.forward([0] * len(new), positions, self._embedding.rows(new)))
            last = self._tail.forward([0] * len(new), positions, rows[-1])[-1:]
            tokens.append(sampler.choose(self._output.logits(last)[0], len(ids) + step))
            new = tokens[-1:]
        return Answer(len(ids), sampling, torch.cat(rows), tokens)


@dataclass
class Phone:
    """Asks its answers one after another on a session of its own, then leaves."""

    answers: list[Answer]
    chunk: int
    session: Session | None = None
    turn: int = 0
    got: list[int] = field(default_factory=list)


class Edge:
    """Sessions and the worker, driven by replies."""

    def __init__(self, engine: Engine) -> None:
        held = LayerRange(1, LAYERS)
        self._dtype = WIRE_TYPES[engine.row_type]
        self.sessions = Sessions(
            EdgeConfig(engine.options),
            Serving(IDENTITY, held, LAYERS, 64, engine.row_type, True, VOCABULARY))
        self._hello = Hello(IDENTITY, held, self._dtype, Mode.TOKENS)
        self.worker = Worker(engine, held, True)
        self.replies: queue.SimpleQueue[tuple[Phone, Job, Frame | EdgeError | None]] = (
            queue.SimpleQueue())
        self.widest = 0  # sessions in one step, at most
        run = self.worker._run

        def watched(slices: Sequence[Slice]) -> list[Frame | EdgeError | None]:
            self.widest = max(self.widest, len(slices))
            return run(slices)

        self.worker._run = watched  # type: ignore[method-assign]  # to see it

    def join(self, phone: Phone) -> None:
        phone.session = self.sessions.admit(self._hello, Owner(), 0.0).session
        self.ask(phone, 0)

    def ask(self, phone: Phone, kept: int) -> None:
        """Start the phone's next answer; the edge holds `kept` of its rows."""
        answer, session = phone.answers[phone.turn], phone.session
        assert session is not None
        phone.got = []
        self._accept(session, Frame(
            FrameType.START, session.number, session.epoch + 1, kept,
            payload=Start(answer.sampling, answer.prompt).pack()))
        for at in range(kept, answer.prompt, phone.chunk):
            self.send(phone, at, min(at + phone.chunk, answer.prompt))

    def send(self, phone: Phone, start: int, end: int) -> None:
        answer, session = phone.answers[phone.turn], phone.session
        assert session is not None
        rows = answer.rows[start:end]
        flags = Flags.RESULT_WANTED if end >= answer.prompt else Flags.NONE
        job = self._accept(session, Frame(
            FrameType.ROWS, session.number, session.epoch, start, self._dtype, len(rows), 64, flags,
            to_bytes(rows)))
        assert isinstance(job, Job)
        self.worker.submit(job, lambda job, result: self.replies.put((phone, job, result)))

    def give_up(self, phone: Phone, kept: int) -> None:
        session = phone.session
        assert session is not None
        self._accept(session, Frame(FrameType.CANCEL, session.number, session.epoch, kept))

    def leave(self, phone: Phone) -> None:
        assert phone.session is not None
        self.sessions.close(phone.session, Event.ENDED)
        self.worker.release(phone.session)

    def _accept(self, session: Session, frame: Frame) -> Job | Frame | None:
        return self.sessions.accept(session, session.connection, frame, 0.0)


@pytest.fixture(params=["fp32", "bf16", "int8"])
def precision(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def phones(precision: str, checkpoint_folder: MakeCheckpoint) -> list[Phone]:
    chance, alone = random.Random(precision), Alone(checkpoint_folder("gemma3"), precision)
    made = []
    for number in range(PHONES):
        ids = [chance.randrange(3, VOCABULARY) for _ in range(chance.randint(1, LONGEST_PROMPT))]
        answers = []
        for turn in range(2):  # the same question asked again, with other luck
            kind = SAMPLINGS[(number + turn) % len(SAMPLINGS)]
            sampling = Sampling(kind.temperature, kind.top_k, kind.top_p, kind.min_p,
                                kind.repetition_penalty, seed=chance.getrandbits(32))
            answers.append(alone.answer(ids, sampling, chance.randint(2, LONGEST_ANSWER)))
        if chance.random() < 0.5:
            answers[0].give_up_at = chance.randrange(len(answers[0].tokens))
        made.append(Phone(answers, chance.randint(1, 40)))
    return made


@pytest.fixture
def edge(precision: str, checkpoint_folder: MakeCheckpoint) -> Iterator[Edge]:
    made = Edge(open_engine(Checkpoint.open(checkpoint_folder("gemma3")),
                            EngineOptions("fast", precision, AT_ONCE, CAPACITY, threads=2)))
    yield made
    made.worker.stop()


def test_each_gets_what_it_would_get_alone(edge: Edge, phones: list[Phone]) -> None:
    waiting = list(phones)
    here = [waiting.pop() for _ in range(AT_ONCE)]
    for phone in here:
        edge.join(phone)
    edge.worker.start()  # only now, so that the first steps carry all of them
    given_up = 0
    while here:
        phone, job, result = edge.replies.get(timeout=WAIT)
        if job.given_up or result is None:
            continue
        assert isinstance(result, Frame), result
        answer = phone.answers[phone.turn]
        assert result.position == answer.prompt + len(phone.got)
        phone.got.append(token_of(result))
        assert phone.got == answer.tokens[: len(phone.got)]
        position = result.position
        if len(phone.got) < len(answer.tokens):
            edge.send(phone, position, position + 1)
        if answer.give_up_at == len(phone.got) - 1:
            edge.give_up(phone, answer.prompt - 1)  # maybe with that row in the middle of a step
            given_up += 1
        elif len(phone.got) < len(answer.tokens):
            continue
        phone.turn += 1
        if phone.turn < len(phone.answers):
            edge.ask(phone, answer.prompt - 1)
            continue
        edge.leave(phone)
        here.remove(phone)
        if waiting:
            here.append(waiting.pop())
            edge.join(here[-1])
    assert all(phone.turn == 2 for phone in phones)
    assert edge.widest > AT_ONCE // 2
    assert given_up >= PHONES // 4
