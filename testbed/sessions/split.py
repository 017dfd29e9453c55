"""A split-LLM session's two ends as processes: our edge's command, and phones over our link.

The phone is put together as `ue_app.phone` does it, with ids drawn at random for a prompt's: the
random models have no tokenizer, and traffic does not show what is said. It runs in the namespace it
is told to enter, until its time is over.
"""

from __future__ import annotations

import random
import threading
import time
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from testbed import namespaces
from testbed.sessions.kind import heavy, uneven
from testbed.sessions.models import VOCABULARY
from testbed.sessions.talk import Parameters

CAPACITY = 4096  # tokens of a session
DEAD_AFTER = (1.5, 4.0)  # seconds of silence after which a phone connects anew


@dataclass(frozen=True)
class Service:
    """Where a server listens, and what with."""

    namespace: str
    address: str
    port: int
    certificate: Path | None  # PEM of certificate and key; None: no TLS
    authority: Path | None  # PEM that the client trusts

    @property
    def url(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{'https' if self.certificate else 'http'}://{host}:{self.port}"


def serve_edge(service: Service, model: Path, parameters: Parameters, seed: int) -> None:
    """An edge, as its command runs it; until it is killed."""
    import edge_server.serving
    from edge_server.engine.load import Engine, EngineOptions
    from edge_server.engine.load import open_engine as open_as_ever
    from testbed.cli import main
    from testbed.sessions.pacing import Pace, paced

    namespaces.enter(service.namespace)
    pace = Pace(parameters["edge_seconds"], parameters["spread"], parameters["row_share"])

    def open_engine(checkpoint: Any, options: EngineOptions) -> Engine:
        return paced(open_as_ever(checkpoint, options), pace, seed)

    # The one difference from a real edge, in a process that does nothing else.
    edge_server.serving.open_engine = open_engine  # type: ignore[attr-defined]  # imported there
    options = ["--model", str(model), "--host", service.address, "--port", str(service.port),
               "--allow-anyone", "--threads", "1", "--context", str(CAPACITY),
               "--dtype", parameters["precision"], "--sessions", str(parameters["phones"] + 1)]
    if service.certificate:
        options += ["--tls-cert", str(service.certificate)]
    main(["edge", *options])


class _Silent:
    """A stream of text that nobody reads; it stops the answer when the time is over."""

    def __init__(self, over: threading.Event) -> None:
        self._over = over

    @property
    def stopped(self) -> bool:
        return self._over.is_set()

    def push(self, token: int) -> str:
        return ""

    def finish(self) -> str:
        return ""


def run_phone(
    namespace: str, service: Service, model: Path, parameters: Parameters, seed: int,
    seconds: float, pipe: Connection,
) -> None:
    """One phone's conversation, over when `seconds` have passed.

    Through `pipe` it says that it has loaded, waits for a word, and reports in the end.
    """
    from edge_server.engine.identity import identity_of
    from edge_server.engine.load import EngineOptions, open_engine
    from edge_server.engine.parts import open_folders
    from edge_server.engine.tensors import WIRE_TYPES
    from edge_server.errors import EdgeError
    from edge_server.messages import Hello, Mode
    from testbed.sessions.pacing import Pace, paced
    from ue_app.client import EdgeLink
    from ue_app.errors import PhoneError
    from ue_app.generate import Conversation, Limits
    from ue_app.head import Head, place
    from ue_app.wire import LinkConfig

    namespaces.enter(namespace)
    randomness = random.Random(seed)
    checkpoint = open_folders([model])
    pace = Pace(parameters["phone_seconds"], parameters["spread"], parameters["row_share"])
    engine = paced(open_engine(checkpoint, EngineOptions(
        "auto", parameters["precision"], 1, CAPACITY, 1)), pace, seed)
    placement = place(parameters["split"], checkpoint.architecture.layers,
                      1 if parameters["private"] else None)
    head = Head(engine, placement)
    hello = Hello(identity_of(checkpoint), placement.remote, WIRE_TYPES[engine.row_type],
                  Mode.PRIVATE if placement.private else Mode.TOKENS)
    pipe.send("ready")
    pipe.recv()
    ends = time.monotonic() + seconds
    result: dict[str, Any] = {"answers": 0, "tokens": 0, "problem": ""}
    try:
        link = EdgeLink(LinkConfig(
            service.url, ca=service.authority, dead_after=randomness.uniform(*DEAD_AFTER)), hello)
    except (EdgeError, PhoneError) as error:
        pipe.send(result | {"problem": str(error)})
        return
    limits = Limits(CAPACITY, frozenset(), CAPACITY, parameters["chunk"])
    conversation = Conversation(head, link, limits, time.monotonic)
    timer = threading.Timer(max(0.0, ends - time.monotonic()), link.interrupted.set)
    timer.daemon = True
    timer.start()
    try:
        _converse(conversation, link.interrupted, parameters, randomness, result,
                  min(VOCABULARY, checkpoint.architecture.vocabulary))
    except (EdgeError, PhoneError) as error:
        result["problem"] = str(error)
    result |= {"resumed": link.status.resumed, "rebuilt": link.status.rebuilt}
    if link.traffic is not None:
        result |= asdict(link.traffic)
    pipe.send(result)
    link.close()


def _converse(conversation: Any, over: threading.Event, parameters: Parameters,
              randomness: random.Random, result: dict[str, Any], vocabulary: int) -> None:
    """Questions and answers, the conversation so far before each, until `over`."""
    from edge_server.messages import Sampling

    ids: list[int] = []
    while not over.is_set():
        count = max(3, heavy(randomness, parameters["prompt"], 0.7, parameters["longest_prompt"]))
        answer = heavy(randomness, parameters["answer"], 0.5, 600)
        if len(ids) + count + answer >= CAPACITY - 1 or randomness.random() < 0.1:
            ids = []  # another conversation
        ids += [randomness.randrange(3, vocabulary) for _ in range(count)]
        sampling = Sampling(parameters["temperature"], seed=randomness.getrandbits(31))
        for _ in conversation.ask(ids, sampling, _Silent(over), answer):
            pass
        result["answers"] += 1
        result["tokens"] += len(conversation.answer.ids)
        ids += conversation.answer.ids
        over.wait(uneven(randomness, parameters["think"], 0.6))
