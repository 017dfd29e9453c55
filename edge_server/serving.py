"""One edge, put together: the model's parts it holds, its sessions and its worker."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from edge_server.config import EdgeConfig
from edge_server.desk import Desk
from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.identity import identity_of
from edge_server.engine.load import Engine, open_engine
from edge_server.engine.parts import held
from edge_server.errors import ConfigurationError
from edge_server.logs import alias
from edge_server.metrics import Gauges, Metrics
from edge_server.session import Serving, Session, State
from edge_server.sessions import Sessions
from edge_server.split import LayerRange
from edge_server.step_times import StepTimes
from edge_server.tokens import TokenStore
from edge_server.views import (
    LimitsView,
    ModelView,
    SessionsView,
    SessionView,
    StepTimesView,
    StepTimeView,
)
from edge_server.worker import Worker


@dataclass(frozen=True)
class Edge:
    """Everything the routes need."""

    config: EdgeConfig
    engine: Engine
    serving: Serving
    sessions: Sessions
    worker: Worker
    desk: Desk
    metrics: Metrics
    started: float  # by the desk's clock
    load_seconds: float
    times: StepTimes | None  # None: nobody asked for them

    def objection(self) -> str | None:
        """Why no phone should be sent here now; None where there is no reason."""
        if self.sessions.draining:
            return "draining"
        return None if self.worker.alive() else "the worker has ended"

    def cache_limit(self) -> int:
        """Bytes that all sessions' caches together may take."""
        options = self.config.engine
        return self.config.cache_bytes or (
            options.slots * options.capacity * self.serving.token_bytes)

    def gauges(self) -> Gauges:
        """How it stands at this moment."""
        states = {state.value: 0 for state in State if state is not State.CLOSED}
        for session in self.sessions:
            states[session.state.value] += 1
        return Gauges(self.desk.clock() - self.started, states, self.sessions.cache_bytes(),
                      self.cache_limit(), self.worker.memory(), self.load_seconds,
                      time.process_time(), peak_memory(), self.objection() is None)

    def describe(self) -> ModelView:
        """What is served, for people and for phones that look before they ask."""
        serving, options, config = self.serving, self.config.engine, self.config
        return ModelView(
            identity=serving.identity, family=str(self.engine.checkpoint.architecture.family),
            layers=(serving.held.start, serving.held.end), total_layers=serving.total_layers,
            hidden=serving.hidden, output=serving.has_output, backend=self.engine.backend,
            dtype=self.engine.precision, memory_bytes=self.worker.memory(),
            limits=LimitsView(
                sessions=options.slots, tokens=options.capacity, rows_per_frame=config.max_rows,
                frame_bytes=config.max_message, cache_bytes=self.cache_limit(),
                idle_seconds=config.idle_timeout, grace_seconds=config.grace),
            sessions=len(self.sessions))

    def describe_sessions(self) -> SessionsView:
        """Who is served, for an operator."""
        return SessionsView(sessions=[self._describe(session) for session in self.sessions])

    def describe_steps(self, session: str) -> StepTimesView | None:
        """When the last steps of the session of that name were; None where none are kept."""
        if self.times is None:
            return None
        return StepTimesView(now=self.worker.now(), steps=[
            StepTimeView(end=one.end, came=one.came, began=one.began, ended=one.ended)
            for one in self.times.of(session)])

    def _describe(self, session: Session) -> SessionView:
        now = self.desk.clock()
        return SessionView(
            alias=alias(session.number), token=session.owner.name, state=session.state.value,
            mode=session.mode.name.lower(), layers=(session.layers.start, session.layers.end),
            tokens=session.length, cache_bytes=session.length * self.serving.token_bytes,
            received_bytes=session.received, sent_bytes=session.sent,
            age_seconds=now - session.opened, idle_seconds=now - session.seen,
            resumed=session.connection)


def open_edge(
    config: EdgeConfig, checkpoint: Checkpoint, layers: LayerRange | None,
    metrics: Metrics | None = None, tokens: TokenStore | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Edge:
    """Load what `config` and `layers` say to serve (default: every layer the folder holds)."""
    began = clock()
    part = held(checkpoint)
    total = checkpoint.architecture.layers
    if layers is None:
        if any(after.start != before.end
               for before, after in zip(part.ranges, part.ranges[1:], strict=False)):
            raise ConfigurationError(f"{checkpoint.folder} holds both ends of a model.",
                                     "It is a phone's part; serve the edge folder instead.")
        layers = LayerRange(part.ranges[0].start, part.ranges[-1].end)
    has_output = part.output and layers.end == total
    engine = open_engine(checkpoint, config.engine)
    config = replace(config, engine=engine.options)  # a model's positions may end before --context
    metrics = metrics or Metrics()
    times = StepTimes(config.step_times) if config.step_times else None
    worker = Worker(engine, layers, has_output, metrics, prompt_rows=config.prompt_rows,
                    times=times)
    architecture = checkpoint.architecture
    element = 4 if engine.row_type is torch.float32 else 2  # bytes of a key's or value's number
    serving = Serving(
        identity_of(checkpoint), layers, total, architecture.hidden, engine.row_type, has_output,
        architecture.vocabulary, len(layers) * 2 * element * architecture.key_value_heads
        * architecture.head_dimension)
    sessions = Sessions(config, serving, metrics.ignored)
    desk = Desk(config, sessions, worker, metrics, tokens, clock)
    now = clock()
    return Edge(config, engine, serving, sessions, worker, desk, metrics, now, now - began,
                times)


def peak_memory(status: Path = Path("/proc/self/status")) -> float:
    """Bytes that this process has held at most; not a number where the system does not say."""
    with suppress(OSError, ValueError, IndexError):
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return math.nan
