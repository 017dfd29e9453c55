"""Configuration of the edge server, with units. It is read once, at start."""

from __future__ import annotations

from dataclasses import dataclass

from edge_server.engine.load import EngineOptions
from edge_server.frame import HEADER_BYTES

DEFAULT_PORT = 8470


@dataclass(frozen=True)
class EdgeConfig:
    """What one edge server serves, and the limits it holds phones to."""

    engine: EngineOptions
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    max_rows: int = 256  # rows a frame may carry: a prefill chunk
    max_payload: int = 8 << 20  # bytes a frame may carry; 256 rows of 8,192 float32
    prompt_rows: int = 4  # rows of prompts in a step that carries tokens somebody waits for
    pending_chunks: int = 4  # chunks of one session waiting to be computed before reading stops
    hello_timeout: float = 10.0  # seconds a new connection has to say what it wants
    idle_timeout: float = 900.0  # seconds without a frame before a session is ended
    yield_after: float = 60.0  # seconds without a frame before a session makes room for another
    grace: float = 120.0  # seconds that a session is kept after its connection broke
    rate: float = 0.0  # rows a second that one token may send; 0: as many as it likes
    cache_bytes: int = 0  # of all sessions' caches; 0: whatever the sessions may fill
    step_times: int = 0  # steps whose times are kept for who measures; 0: none
    housekeeping: float = 0.5  # seconds between looks at who is overdue
    drain_timeout: float = 10.0  # seconds that running answers get at shutdown
    drain_quiet: float = 1.0  # seconds without a frame after which no answer is running

    @property
    def max_message(self) -> int:
        """Bytes of the longest frame taken."""
        return HEADER_BYTES + self.max_payload
