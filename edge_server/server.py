"""The server's life: it starts, drains when it is asked to end, and ends.

uvicorn's own shutdown cuts every WebSocket at once. Here the first signal starts a drain, during
which everything runs on, and uvicorn's shutdown comes after it; a second signal skips the rest. It
does not know what draining is: that is handed in.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from types import FrameType
from typing import Any

import uvicorn

from edge_server.guard import GuardedConfig

logger = logging.getLogger("edge_server.server")
Drain = Callable[[], Awaitable[None]]  # returns when nothing runs any more, or its deadline is over


class EdgeServer(uvicorn.Server):
    """uvicorn with a drain before its shutdown."""

    def __init__(self, config: GuardedConfig, drain: Drain) -> None:
        super().__init__(config)
        self._limits = config.limits
        self._drain = drain
        self._signals = 0
        self._draining: asyncio.Task[None] | None = None

    async def startup(self, sockets: Sequence[Any] | None = None) -> None:
        loop = asyncio.get_running_loop()
        if self.config.is_ssl:
            # uvicorn has no setting for it: asyncio's own allows a handshake a minute.
            loop.create_server = partial(  # type: ignore[method-assign]
                loop.create_server, ssl_handshake_timeout=self._limits.head_seconds)
        await super().startup(list(sockets) if sockets is not None else None)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal came; this runs between any two instructions, so it only takes a note."""
        self._captured_signals.append(sig)
        self._signals += 1
        if self._signals > 1:
            self.should_exit = self.force_exit = True

    async def on_tick(self, counter: int) -> bool:
        if self._signals and self._draining is None:
            logger.info("draining")
            self._draining = asyncio.create_task(self._run_drain())
        return await super().on_tick(counter)

    async def _run_drain(self) -> None:
        try:
            await self._drain()
        except Exception:
            # Whatever goes wrong in it, the process was asked to end, and does.
            logger.exception("the drain failed")
        self.should_exit = True

    async def shutdown(self, sockets: Any = None) -> None:
        if self._draining is not None and not self._draining.done():
            self._draining.cancel()  # a second signal came
        await super().shutdown(sockets)
