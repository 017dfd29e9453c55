"""Puts a mode together: the model's parts that the client needs, a connection, the loop.

    with open_mode(config) as opened:
        opened.ask(ids, 50)

What took how long is kept apart: loading and connecting are in no answer's time.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from edge_server.encodings.registry import RAW
from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.identity import identity_of
from edge_server.engine.load import Engine, EngineOptions, open_engine
from edge_server.engine.tensors import WIRE_TYPES
from edge_server.errors import ConfigurationError
from edge_server.messages import Hello, Sampling
from edge_server.messages import Mode as WireMode
from testbed.modes.channel import Channel
from testbed.modes.errors import ModesError
from testbed.modes.metering import MeteredLink, Steps, TimedEdgeLink
from testbed.modes.policies import (
    BY_EDGE,
    BY_SERVER,
    REUSES_PREFIX,
    HandleLink,
    IdsHead,
    Mode,
    NaiveLink,
    RemoteCacheLink,
    SemanticLink,
)
from testbed.modes.wire import Kind, Message, number, real
from ue_app.encoding import check, choice_for
from ue_app.encoding_choice import Choice
from ue_app.generate import Answer, Conversation, Limits
from ue_app.head import Head, Placement, place
from ue_app.link import Link, LocalLink
from ue_app.prompt import TextStream
from ue_app.wire import LinkConfig

CLOCK_EXCHANGES = 8


@dataclass(frozen=True)
class ModeConfig:
    """One client."""

    mode: Mode
    model: Path
    engine: EngineOptions = field(default_factory=EngineOptions)
    split: int = 1  # first layers on the client, in the modes that split
    tail: int = 1  # last layers there too, in `private`
    encoding: str = "int8"  # of the rows, in `split_compressed`
    likeliest: int = 0  # scores that come back in `semantic`; 0: the token alone
    server: tuple[str, int] | None = None  # of the modes' server
    edge: str | None = None  # URL of the edge
    timeout: float = 120.0  # seconds of silence
    max_ppl_increase: float | None = None  # percent, of what `encoding: auto` may choose


class Mute:
    """A text stream that shows nothing and never stops: what is measured is tokens."""

    stopped = False

    def push(self, token: int) -> str:
        return ""

    def finish(self) -> str:
        return ""


@dataclass
class Offset:
    """The server's clock less the client's, and how wrong that may be; seconds."""

    seconds: float
    error: float


def between(before: Offset, after: Offset) -> Offset:
    """Of the time between two estimates: clocks drift from one to the other."""
    drift = abs(after.seconds - before.seconds)
    return Offset((before.seconds + after.seconds) / 2,
                  max(before.error, after.error) + drift / 2)


class Opened:
    """A mode that is ready."""

    def __init__(self, config: ModeConfig, engine: Engine, head: Any, link: Link, capacity: int,
                 clock: Callable[[], float]) -> None:
        self.config, self.engine, self.clock, self.capacity = config, engine, clock, capacity
        self.steps = Steps()
        self.link, self._head = link, head
        self._limits = Limits(capacity, frozenset(), capacity,
                              32 if config.mode in BY_EDGE else capacity)
        self._conversation = self._new()
        self.load_seconds = self.connect_seconds = 0.0
        self.server_load: float | None = None  # seconds; what the modes' server said
        self.offset: Offset | None = None

    def _new(self) -> Conversation:
        return Conversation(
            cast(Head, self._head), MeteredLink(self.link, self.steps, self.clock),
            self._limits, self.clock)

    def ask(self, ids: Sequence[int], tokens: int, sampling: Sampling = Sampling()) -> Answer:  # noqa: B008 - frozen
        """One answer; `steps` has what each of its tokens cost."""
        if self.config.mode not in REUSES_PREFIX:
            self._conversation = self._new()
        self.steps.clear()
        for _ in self._conversation.ask(ids, sampling, cast(TextStream, Mute()), tokens):
            pass  # nothing is shown
        answer = self._conversation.answer
        assert answer is not None  # `ask` came to its end
        self.steps.settle(answer.started, answer.times)
        return answer

    @property
    def channel(self) -> Channel | None:
        return getattr(self.link, "channel", None)

    def close(self) -> None:
        self.link.close()


@contextmanager
def open_mode(config: ModeConfig, clock: Callable[[], float] = time.monotonic) -> Iterator[Opened]:
    """Load, connect, and close in the end."""
    began = clock()
    checkpoint = Checkpoint.open(config.model)
    engine = open_engine(checkpoint, config.engine)
    placement = placement_of(config, checkpoint.architecture.layers)
    head = (IdsHead(placement) if config.mode in BY_SERVER else Head(engine, placement))
    whole = whole_of(config, engine)
    identity = identity_of(checkpoint)
    loaded = clock()
    link, capacity = _connect(config, engine, placement, identity, whole, clock)
    opened = Opened(config, engine, head, link, capacity, clock)
    opened.load_seconds, opened.connect_seconds = loaded - began, clock() - loaded
    try:
        if opened.channel is not None:
            opened.server_load = opened.channel.server_load
            opened.offset = estimate_offset(opened.channel, clock)  # no part of connecting
        yield opened
    finally:
        opened.close()


def whole_of(config: ModeConfig, engine: Engine) -> Any:
    """The decoder whose weights `naive` sends; None in the other modes."""
    if config.mode is not Mode.NAIVE:
        return None
    from testbed.modes.whole import Whole

    whole = Whole(config.model, engine.row_type)
    whole.load()
    return whole


def placement_of(config: ModeConfig, layers: int) -> Placement:
    """Which layers are where."""
    if config.mode is Mode.PRIVATE:
        return place(config.split, layers, config.tail)
    return place(config.split if config.mode in BY_EDGE else 0, layers, None)


def _connect(config: ModeConfig, engine: Engine, placement: Placement, identity: str, whole: Any,
             clock: Callable[[], float]) -> tuple[Link, int]:
    most = config.engine.capacity
    if config.mode is Mode.LOCAL:
        return LocalLink(engine, placement.remote), most
    if config.mode in BY_EDGE:
        if config.edge is None:
            raise ConfigurationError(f"{config.mode} needs an edge.", "Give its URL with --edge.")
        mode = WireMode.PRIVATE if placement.private else WireMode.TOKENS
        encoding, choice = _encoding_of(config, engine, clock)
        hello = Hello(identity, placement.remote, WIRE_TYPES[engine.row_type], mode)
        link = TimedEdgeLink(LinkConfig(config.edge), hello, encoding, clock, choice)
        return link, min(most, link.welcome.capacity)
    return _server_link(config, engine.checkpoint.architecture.vocabulary, identity, whole, clock)


def _encoding_of(config: ModeConfig, engine: Engine, clock: Callable[[], float]
                 ) -> tuple[str, Choice | None]:
    """The rows' encoding, or what chooses it as the link asks for."""
    if config.mode is not Mode.SPLIT_COMPRESSED:
        return RAW, None
    check(config.encoding, config.max_ppl_increase)
    if config.max_ppl_increase is None:
        return config.encoding, None
    return RAW, choice_for(config.max_ppl_increase, engine.checkpoint, [config.model],
                           config.split, engine.row_type, clock)


def _server_link(config: ModeConfig, vocabulary: int, identity: str, whole: Any,
                 clock: Callable[[], float]) -> tuple[Link, int]:
    channel, capacity = greet(config, vocabulary, {
        "mode": str(config.mode), "identity": identity, "likeliest": config.likeliest}, clock)
    links: dict[Mode, Callable[[], Link]] = {
        Mode.NAIVE: lambda: NaiveLink(channel, vocabulary, whole),
        Mode.REMOTE_CACHE: lambda: RemoteCacheLink(channel, vocabulary),
        Mode.HANDLE: lambda: HandleLink(channel, vocabulary),
        Mode.SEMANTIC: lambda: SemanticLink(channel, vocabulary, config.likeliest)}
    return links[config.mode](), capacity


def greet(config: ModeConfig, vocabulary: int, hello: Mapping[str, Any],
          clock: Callable[[], float]) -> tuple[Channel, int]:
    """A connection to the modes' server, and the tokens that fit there."""
    if config.server is None:
        raise ConfigurationError(f"{config.mode} needs the modes' server.",
                                 "Start `airsplit modes serve`, and name it with --server.")
    try:
        connection = socket.create_connection(config.server, timeout=config.timeout)
    except OSError as error:
        host, port = config.server
        raise ModesError(f"No modes' server answers at {host}:{port}: {error.strerror or error}.",
                         "Start one with `airsplit modes serve`.") from error
    channel = Channel(connection, config.timeout, clock=clock)
    try:
        channel.send(Message(Kind.HELLO, hello))
        ready = channel.expect(Kind.READY).meta
        number(ready, "vocabulary", vocabulary, vocabulary)
        capacity = min(config.engine.capacity, number(ready, "capacity", 1, 2**31))
        channel.server_load = real(ready, "load_seconds")
    except BaseException:
        channel.close()
        raise
    return channel, capacity


def estimate_offset(channel: Channel, clock: Callable[[], float]) -> Offset:
    """By the exchange that took least time: what it may be wrong by is half of that."""
    best: Offset | None = None
    for _ in range(CLOCK_EXCHANGES):
        sent = clock()
        channel.send(Message(Kind.CLOCK))
        meta = channel.expect(Kind.CLOCK).meta
        back = channel.came
        came, at = real(meta, "came"), real(meta, "at")
        error = max(0.0, (back - sent - (at - came)) / 2)
        if best is None or error < best.error:
            best = Offset(((came - sent) + (at - back)) / 2, error)
    assert best is not None  # there was one exchange at least
    return best
