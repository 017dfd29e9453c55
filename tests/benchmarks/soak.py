"""The phones of `bench_soak`: threads that ask, give up, leave, vanish and are cut off at random.

    python -m tests.benchmarks.soak --edge http://127.0.0.1:8470 --model DIR --seconds 60
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import torch

from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.identity import identity_of
from edge_server.engine.load import Engine, EngineOptions, open_engine
from edge_server.engine.sampling import Sampler
from edge_server.engine.tensors import WIRE_TYPES
from edge_server.errors import EdgeError
from edge_server.frame import Flags
from edge_server.messages import Hello, Mode, Sampling
from edge_server.split import LayerRange
from tests.benchmarks.phones import quantile
from ue_app.client import EdgeLink
from ue_app.errors import PhoneError
from ue_app.wire import LinkConfig

QUESTIONS = 40
LONGEST_PROMPT, LONGEST_ANSWER = 300, 60  # tokens
SAMPLINGS = (
    Sampling(), Sampling(temperature=0.8, top_k=40), Sampling(temperature=1.0, top_p=0.9),
    Sampling(repetition_penalty=1.2), Sampling(temperature=1.2, min_p=0.05))
CHUNKS = (1, 7, 32, 64)  # prompt rows a frame
# What becomes of an answer: mostly it is finished, and then the phone asks the next.
FATES = ("finished", "cancelled", "left", "vanished")
WEIGHTS = (70, 15, 10, 5)
THINKING = 0.5  # seconds between answers, on average
SPARED_BYTES = 1500  # of a connection, before it may be cut: it has been opened by then
BYTES_TO_CUT = 40_000  # after them, on average
KEPT_WORDS = 20  # of what went wrong


@dataclass(frozen=True)
class Question:
    """A prompt's and its answer's rows after the phone's layers, and the answer undisturbed."""

    prompt: int  # tokens
    sampling: Sampling
    rows: torch.Tensor
    tokens: list[int]


def record(engine: Engine, split: int, chance: random.Random) -> Question:
    """Ask the unsplit model, in one piece and alone."""
    vocabulary, layers = (engine.checkpoint.architecture.vocabulary,
                          engine.checkpoint.architecture.layers)
    ids = [chance.randrange(vocabulary) for _ in range(chance.randint(1, LONGEST_PROMPT))]
    kind = chance.choice(SAMPLINGS)
    sampling = Sampling(kind.temperature, kind.top_k, kind.top_p, kind.min_p,
                        kind.repetition_penalty, chance.getrandbits(40))
    head, tail = engine.stage(LayerRange(0, split)), engine.stage(LayerRange(split, layers))
    output, embedding, sampler = engine.output(), engine.embedding(), Sampler(sampling)
    tokens: list[int] = []
    rows: list[torch.Tensor] = []
    new = ids
    for end in range(len(ids), len(ids) + chance.randint(1, LONGEST_ANSWER)):
        positions = range(end - len(new), end)
        rows.append(head.forward([0] * len(new), positions, embedding.rows(new)))
        last = tail.forward([0] * len(new), positions, rows[-1])[-1:]
        tokens.append(sampler.choose(output.logits(last)[0], end))
        new = tokens[-1:]
    return Question(len(ids), sampling, torch.cat(rows), tokens)


class Relay:
    """A way to the edge on which connections break."""

    def __init__(self, host: str, port: int, seed: int) -> None:
        self._to, self._chance = (host, port), random.Random(seed)
        self.cuts = 0
        self.port = 0
        self._ready = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True).start()
        if not self._ready.wait(30):
            raise TimeoutError("the relay did not start")

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await server.serve_forever()

    async def _accept(self, phone: asyncio.StreamReader, to_phone: asyncio.StreamWriter) -> None:
        try:
            edge, to_edge = await asyncio.open_connection(*self._to)
        except OSError:
            to_phone.close()
            return
        left = [SPARED_BYTES + int(self._chance.expovariate(1 / BYTES_TO_CUT))]  # of both ways
        pumps = [asyncio.create_task(_pump(one, other, left))
                 for one, other in ((phone, to_edge), (edge, to_phone))]
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        reset = left[0] <= 0 and self._chance.random() < 0.5
        self.cuts += left[0] <= 0
        for writer in (to_edge, to_phone):
            if reset:
                writer.transport.abort()
            else:
                writer.close()
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)


async def _pump(
    source: asyncio.StreamReader, target: asyncio.StreamWriter, left: list[int]
) -> None:
    """Pass bytes on until either side ends or none are left, wherever in a frame that is."""
    while left[0] > 0:
        try:
            data = await source.read(1 << 16)
            if not data:
                return
            target.write(data[: left[0]])
            left[0] -= len(data)
            await target.drain()
        except OSError:
            return


class Phones:
    """All of them, and what they saw."""

    def __init__(
        self, options: argparse.Namespace, hello: Hello, questions: Sequence[Question],
        relay: Relay,
    ) -> None:
        self._options, self._hello, self._questions = options, hello, questions
        self._relay = relay
        self._end = time.monotonic() + options.seconds
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()
        self.waits: list[float] = []  # seconds from a row to its token
        self.wrong: list[str] = []
        self.errors: list[str] = []

    def run(self) -> None:
        threads = [threading.Thread(target=self._live, args=(number,))
                   for number in range(self._options.sessions)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def answers_at_end(self) -> bool:
        """Whether one more phone, undisturbed, gets its answer."""
        before = self.counts["tokens"]
        link = EdgeLink(LinkConfig(self._options.edge), self._hello)
        try:
            self._ask(-1, link, random.Random(self._options.seed), "finished")
        finally:
            link.close()
        return self.counts["tokens"] > before and not self.wrong

    def _live(self, number: int) -> None:
        """One phone's whole time: a session after another."""
        chance = random.Random(self._options.seed * 1000 + number)
        while time.monotonic() < self._end:
            try:
                self._visit(number, chance)
            except (EdgeError, PhoneError, OSError, AssertionError) as error:
                with self._lock:
                    self.errors.append(f"phone {number}: {type(error).__name__}: {error}")

    def _visit(self, number: int, chance: random.Random) -> None:
        """A session, from its opening to the phone's leaving."""
        url = (f"http://127.0.0.1:{self._relay.port}" if number % 2 else self._options.edge)
        link = EdgeLink(LinkConfig(url, patience=60.0), self._hello)
        fate = "finished"
        try:
            while fate not in ("left", "vanished") and time.monotonic() < self._end:
                fate = chance.choices(FATES, WEIGHTS)[0]
                self._ask(number, link, chance, fate)
                time.sleep(chance.expovariate(1 / THINKING))
        finally:
            with self._lock:
                self.counts["resumed"] += link.status.resumed
                self.counts["rebuilt"] += link.status.rebuilt
            if fate == "vanished":
                link._wire.drop()  # a phone that is switched off says no goodbye
            else:
                link.close()

    def _ask(self, number: int, link: EdgeLink, chance: random.Random, fate: str) -> None:
        """An answer, to its end or to where its fate has it given up."""
        question = chance.choice(self._questions)
        upto = len(question.tokens)
        if fate != "finished":
            upto = chance.randint(0, upto)
        got: list[int] = []
        link.start(question.sampling, 0, question.prompt)
        chunk = chance.choice(CHUNKS)
        for at in range(0, question.prompt, chunk):
            end = min(at + chunk, question.prompt)
            link.send(at, question.rows[at:end],
                      Flags.RESULT_WANTED if end == question.prompt else Flags.NONE)
        while len(got) < upto:
            asked = time.monotonic()
            token = link.receive()
            assert isinstance(token, int)  # the mode is TOKENS
            got.append(token)
            position = question.prompt + len(got) - 1
            with self._lock:
                self.waits.append(time.monotonic() - asked)
            if got != question.tokens[: len(got)]:
                with self._lock:
                    self.wrong.append(f"phone {number}: token {len(got)} is {token}, not "
                                      f"{question.tokens[len(got) - 1]}")
                break
            if len(got) < len(question.tokens):
                time.sleep(chance.expovariate(1 / self._options.pause))
                link.send(position, question.rows[position : position + 1], Flags.RESULT_WANTED)
        if fate == "cancelled":
            link.cancel(0)
        with self._lock:
            self.counts["answers"] += 1
            self.counts["tokens"] += len(got)
            self.counts[fate] += 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edge", required=True, help="URL of the edge")
    parser.add_argument("--model", type=Path, required=True, help="checkpoint folder")
    parser.add_argument("--precision", default="bf16")
    parser.add_argument("--split", type=int, default=1, help="layers on the phones")
    parser.add_argument("--context", type=int, default=512, help="tokens a session may hold")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--sessions", type=int, default=64)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pause", type=float, default=0.04)
    options = parser.parse_args()
    torch.set_num_threads(1)
    checkpoint = Checkpoint.open(options.model)
    engine = open_engine(checkpoint, EngineOptions("fast", options.precision, 1, options.context,
                                                   1))
    chance = random.Random(options.seed)
    questions = [record(engine, options.split, chance) for _ in range(QUESTIONS)]
    hello = Hello(identity_of(checkpoint),
                  LayerRange(options.split, checkpoint.architecture.layers),
                  WIRE_TYPES[engine.row_type], Mode.TOKENS)
    address = urlsplit(options.edge)
    assert address.hostname is not None
    assert address.port is not None
    relay = Relay(address.hostname, address.port, options.seed)
    phones = Phones(options, hello, questions, relay)
    phones.run()
    answers_at_end = phones.answers_at_end()
    waits = [wait * 1e3 for wait in phones.waits]
    names = (*FATES, "answers", "tokens", "resumed", "rebuilt")
    print(json.dumps({
        **{name: phones.counts[name] for name in names}, "cuts": relay.cuts,
        "answers_at_end": answers_at_end,
        "token_p50_ms": quantile(waits, 0.5), "token_p95_ms": quantile(waits, 0.95),
        "token_p99_ms": quantile(waits, 0.99), "token_max_ms": max(waits),
        "wrong_count": len(phones.wrong), "wrong": phones.wrong[:KEPT_WORDS],
        "error_count": len(phones.errors), "errors": phones.errors[:KEPT_WORDS]}))


if __name__ == "__main__":
    main()
