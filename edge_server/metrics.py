"""What an operator's Prometheus reads of one edge.

What happens is counted when it happens, by plain methods that any thread may call; what simply is
(sessions, memory) is handed in when somebody asks, so that it cannot drift from the truth. Each
edge has a registry of its own. It knows no sessions, frames or HTTP, and every label's values are
few: names out of enumerations, never something a phone chose.
"""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

# Seconds of a step: a small model's token is below 1 ms, a large one's prompt chunk above 1 s.
STEP_SECONDS = (.0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1., 2., 5.)
WAIT_SECONDS = (.0002, .0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1., 2., 5., 10.)
BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


@dataclass(frozen=True)
class Gauges:
    """How an edge stands at one moment."""

    uptime: float  # seconds since the start
    sessions: Mapping[str, int] = field(default_factory=dict)  # how many in each state
    cache_used: int = 0  # bytes of KV caches that hold tokens
    cache_limit: int = 0  # bytes of KV caches set aside
    memory: int = 0  # bytes of weights and caches, as far as they are allocated
    load: float = math.nan  # seconds that loading the model took
    processor: float = math.nan  # seconds of processors that the process has used
    peak: float = math.nan  # bytes that the process has held at most
    ready: bool = True


class Metrics:
    """Counters of one edge. They cost a step 3 to 5 µs (measured); it takes 0.2 ms or more."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()

        def counter(name: str, what: str, *labels: str) -> Counter:
            return Counter(f"airsplit_{name}", what, labels, registry=registry)

        def gauge(name: str, what: str, *labels: str) -> Gauge:
            return Gauge(f"airsplit_{name}", what, labels, registry=registry)

        def histogram(name: str, what: str, buckets: tuple[float, ...]) -> Histogram:
            return Histogram(f"airsplit_{name}", what, buckets=buckets, registry=registry)

        self._opened = counter("sessions_opened", "Sessions opened.", "mode")
        self._closed = counter("sessions_closed", "Sessions ended, by what ended them.", "reason")
        self._resumed = counter("sessions_resumed", "Sessions taken up again after a lost link.")
        self._rebuilt = counter(
            "sessions_rebuilt", "Sessions that a phone sent anew from its own history.")
        self._evicted = counter("sessions_evicted", "Idle sessions ended to make room.")
        self._refused = counter("refusals", "Typed errors sent to phones.", "code")
        self._ignored = counter("frames_ignored", "Frames that were not acted on.", "reason")
        self._denied = counter(
            "connections_denied", "Connections closed before they became a session.", "reason")
        self._rows = counter("rows_computed", "Activation rows run through the layers.")
        self._tokens = counter("tokens_produced", "Tokens chosen and sent.")
        self._received = counter("received_bytes", "Bytes of frames from phones.")
        self._sent = counter("sent_bytes", "Bytes of frames to phones.")
        self._socket_received = counter(
            "socket_received_bytes", "Bytes on phones' WebSockets, heads and pings included.")
        self._socket_sent = counter("socket_sent_bytes", "The same, to phones.")
        self._step = histogram("step_seconds", "Time of one step of the layers.", STEP_SECONDS)
        self._token_step = histogram(
            "token_step_seconds", "Time of one step of the layers in which each session had one "
            "row: tokens, no prompts.", STEP_SECONDS)
        self._step_rows = histogram("step_rows", "Rows in a step.", BATCH_SIZES)
        self._step_sessions = histogram("step_sessions", "Sessions in a step.", BATCH_SIZES)
        self._wait = histogram(
            "queue_wait_seconds", "Longest wait, of the rows in a step, for that step.",
            WAIT_SECONDS)
        self._token_wait = histogram(
            "token_queue_wait_seconds", "The same, of steps in which each session had one row: "
            "tokens, no prompts.", WAIT_SECONDS)
        self._uptime = gauge("uptime_seconds", "Time since the edge started.")
        self._ready = gauge("ready", "1 while the edge takes sessions.")
        self._sessions = gauge("sessions", "Sessions, by state.", "state")
        self._cache_used = gauge("cache_used_bytes", "KV caches that hold tokens.")
        self._cache_limit = gauge("cache_limit_bytes", "KV caches set aside.")
        self._memory = gauge("memory_bytes", "Weights and caches, as far as they are allocated.")
        self._load = gauge("load_seconds", "Time that loading the model took.")
        self._processor = gauge("processor_seconds", "Of processors, that the process has used.")
        self._peak = gauge("peak_memory_bytes", "Most that the process has held since it started; "
                                                "NaN where the system does not say.")
        gauge("build_info", "What runs; always 1.", "version", "python").labels(
            release(), platform.python_version()).set(1)

    def opened(self, mode: str) -> None:
        self._opened.labels(mode).inc()

    def closed(self, reason: str) -> None:
        """A session is over and its place is free: `goodbye`, `idle`, `drained` and the like."""
        self._closed.labels(reason).inc()

    def resumed(self) -> None:
        self._resumed.inc()

    def rebuilt(self) -> None:
        self._rebuilt.inc()

    def evicted(self) -> None:
        self._evicted.inc()

    def refused(self, code: str) -> None:
        """A typed error went out; `code` is the name of its `ErrorCode`."""
        self._refused.labels(code.lower()).inc()

    def ignored(self, reason: str) -> None:
        """A frame was dropped on purpose: a replay, an earlier epoch and the like."""
        self._ignored.labels(reason).inc()

    def denied(self, reason: str) -> None:
        """A connection ended before anything of a session: `limit`, `late_head` and the like."""
        self._denied.labels(reason).inc()

    def step(self, rows: int, sessions: int, seconds: float, waited: float) -> None:
        """One step ran; `waited` is how long the rows that waited longest in it had waited."""
        self._rows.inc(rows)
        self._step.observe(seconds)
        if rows == sessions:
            self._token_step.observe(seconds)
            self._token_wait.observe(waited)
        self._step_rows.observe(rows)
        self._step_sessions.observe(sessions)
        self._wait.observe(waited)

    def tokens(self, count: int) -> None:
        self._tokens.inc(count)

    def received(self, count: int) -> None:
        """Bytes of a frame from a phone."""
        self._received.inc(count)

    def sent(self, count: int) -> None:
        """Bytes of a frame to a phone."""
        self._sent.inc(count)

    def carried(self, received: int, sent: int) -> None:
        """Bytes that came on a phone's socket, and went: frames, and what WebSocket adds."""
        if received:
            self._socket_received.inc(received)
        if sent:
            self._socket_sent.inc(sent)

    def render(self, now: Gauges) -> bytes:
        """All of it in Prometheus' text format."""
        self._uptime.set(now.uptime)
        self._ready.set(now.ready)
        self._cache_used.set(now.cache_used)
        self._cache_limit.set(now.cache_limit)
        self._memory.set(now.memory)
        self._load.set(now.load)
        self._processor.set(now.processor)
        self._peak.set(now.peak)
        self._sessions.clear()  # a state that nobody is in any more must not keep its number
        for state, count in now.sessions.items():
            self._sessions.labels(state).set(count)
        return generate_latest(self._registry)


def release() -> str:
    """The version of this software, or `unknown` where it runs without being installed."""
    try:
        return version("airsplit")
    except PackageNotFoundError:
        return "unknown"
