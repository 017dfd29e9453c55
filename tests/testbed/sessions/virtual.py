"""An event loop in which hours pass in no time, and a network that only counts."""

from __future__ import annotations

import asyncio
import random
import selectors
from collections.abc import Coroutine, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from testbed.sessions.talk import Parameters, Piece, Plan


class _Leaping(selectors.SelectSelector):
    """Waits for nothing: the time that a wait would take is over at once."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        assert timeout is not None, "whoever waits here waits for ever"
        self.now += max(0.0, timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time is what the timers say; there are no sockets."""

    def __init__(self) -> None:
        self._leaping = _Leaping()
        super().__init__(self._leaping)

    def time(self) -> float:
        return self._leaping.now


def run_for(seconds: float, work: Coroutine[Any, Any, None]) -> None:
    """`work` until so much of virtual time is over."""
    async def limited() -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await work

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(limited())


class _Done:
    """What need not be waited for, but may be."""

    def __await__(self) -> Iterator[Any]:
        return iter(())


@dataclass
class Counted:
    """What crossed: (seconds, bytes up, bytes down) of each exchange, and connections opened."""

    exchanges: list[tuple[float, int, int]] = field(default_factory=list)
    opened: int = 0

    @property
    def up(self) -> int:
        return sum(up for _, up, _ in self.exchanges)

    @property
    def down(self) -> int:
        return sum(down for _, _, down in self.exchanges)


@dataclass
class CountingTalk:
    """Both `Talk` and `DatagramTalk`, with a link of a constant round trip in between."""

    counted: Counted
    plan: Plan
    parameters: Parameters
    round_trip: float = 0.03

    async def open(self) -> CountingTalk:
        await asyncio.sleep(self.round_trip)
        self.counted.opened += 1
        return self

    async def ask(self, up: int, down: int, wait: float = 0.0, patience: float = 9.0) -> bool:
        await asyncio.sleep(self.round_trip + wait)
        return self._count(up, down)

    async def send(self, up: int, down: int = 0, wait: float = 0.0) -> None:
        self._count(up, down)

    async def read(self, count: int) -> None:
        await asyncio.sleep(self.round_trip)

    async def ping(self) -> None:
        await self.ask(2, 2)

    async def stream(self, up: int, seed: int) -> None:
        self._count(up, 0)
        await self._follow(self.plan(self.parameters, random.Random(seed)), 0)

    async def endless(self, up: int, seed: int) -> None:
        await self.stream(up, seed)

    async def exchange(self, pieces: Iterator[Piece], hello: int) -> None:
        self._count(hello, 0)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow(pieces, 1))
            group.create_task(self._follow(self.plan(self.parameters, random.Random(1)), 0))

    async def _follow(self, pieces: Iterator[Piece], up: int) -> None:
        for wait, size in pieces:
            await asyncio.sleep(wait)
            self._count(size * up, size * (1 - up))

    def close(self) -> _Done:
        return _Done()

    def _count(self, up: int, down: int) -> bool:
        assert up >= 0
        assert down >= 0
        self.counted.exchanges.append((asyncio.get_running_loop().time(), up, down))
        return True
