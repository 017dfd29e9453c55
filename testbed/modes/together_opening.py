"""Puts a batch together: the parts of the model that its sequences need here, one connection, the
loop in step.

    with open_together(config, 8) as opened:
        opened.ask(prompts, 50)

It is to a batch what `opening` is to one conversation, and takes the same configuration.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from edge_server.encodings.registry import RAW
from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.identity import identity_of
from edge_server.engine.load import Engine, open_engine
from edge_server.messages import Sampling
from testbed.modes.channel import Channel
from testbed.modes.opening import (
    ModeConfig,
    Offset,
    estimate_offset,
    greet,
    placement_of,
    whole_of,
)
from testbed.modes.policies import BY_EDGE, Mode
from testbed.modes.together import Line, Together, Way
from testbed.modes.together_ways import (
    HandleWay,
    LocalWay,
    NaiveWay,
    PrivateWay,
    RemoteCacheWay,
    SemanticWay,
    ServerWay,
    SplitWay,
)
from ue_app.head import Placement


@dataclass
class OpenedTogether:
    """A batch that is ready."""

    link: Way
    loop: Together
    sequences: int
    load_seconds: float
    connect_seconds: float
    offset: Offset | None  # None where no server is needed

    @property
    def channel(self) -> Channel | None:
        return self.link.channel

    @property
    def server_load(self) -> float | None:
        """Seconds; what the modes' server said."""
        return None if self.channel is None else self.channel.server_load

    def ask(self, prompts: Sequence[Sequence[int]], tokens: int, sampling: Sampling = Sampling()  # noqa: B008 - frozen
            ) -> list[Line]:
        """An answer to each, with what its tokens cost."""
        return self.loop.ask(prompts, tokens, sampling)


@contextmanager
def open_together(config: ModeConfig, sequences: int,
                  clock: Callable[[], float] = time.monotonic,
                  stop_ids: frozenset[int] = frozenset()) -> Iterator[OpenedTogether]:
    """Load, connect, and close in the end."""
    began = clock()
    checkpoint = Checkpoint.open(config.model)
    engine = open_engine(checkpoint, replace(config.engine, slots=sequences))
    placement = placement_of(config, checkpoint.architecture.layers)
    way = _way_of(config, engine, placement, sequences)
    identity, loaded = identity_of(checkpoint), clock()
    capacity, offset = engine.options.capacity, None
    if isinstance(way, ServerWay):
        channel, capacity = greet(config, checkpoint.architecture.vocabulary, {
            "mode": str(config.mode), "identity": identity, "likeliest": config.likeliest,
            "sequences": sequences, "split": placement.remote.start,
            "tail": checkpoint.architecture.layers - placement.remote.end}, clock)
        way.connect(channel)
    connected = clock()
    try:
        if way.channel is not None:
            offset = estimate_offset(way.channel, clock)  # no part of connecting
        yield OpenedTogether(way, Together(way, capacity, clock, stop_ids), sequences,
                             loaded - began, connected - loaded, offset)
    finally:
        way.close()


def _way_of(config: ModeConfig, engine: Engine, placement: Placement, sequences: int) -> Way:
    """Loaded, and not connected yet."""
    mode, vocabulary = config.mode, engine.checkpoint.architecture.vocabulary
    first, encoding = placement.first, config.encoding if mode is Mode.SPLIT_COMPRESSED else RAW
    if mode is Mode.LOCAL:
        return LocalWay(engine, sequences)
    if placement.last is not None:
        return PrivateWay(engine, first, placement.last, sequences, encoding)
    if mode in BY_EDGE:
        return SplitWay(engine, first, sequences, encoding)
    if mode is Mode.NAIVE:
        return NaiveWay(vocabulary, whole_of(config, engine))
    if mode is Mode.SEMANTIC:
        return SemanticWay(vocabulary, config.likeliest)
    return RemoteCacheWay(vocabulary) if mode is Mode.REMOTE_CACHE else HandleWay(vocabulary)
