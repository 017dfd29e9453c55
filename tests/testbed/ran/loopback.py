"""An emulated base station and the production RIC side in one event loop, over a real transport."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from testbed.ran.e2_agent import E2Agent
from testbed.ran.e2_node import E2Node, day_time
from testbed.ran.emulator_config import INTERNET, LLM, preset
from testbed.ran.fluid_cell import FluidCells
from tests.xapp.ric.scene import HANG_SECONDS, HASTY, LEFT_SECONDS
from xapp.base_stations import Answered, BaseStations, Heard
from xapp.base_stations_config import NodeConfig as StationConfig
from xapp.base_stations_config import RanConfig
from xapp.e2.capture import Capture
from xapp.e2.common import RC_OIDS
from xapp.e2.control import Control
from xapp.e2.e2ap_identities import GlobalRicId
from xapp.e2.nodes import NodeEvent, Nodes
from xapp.events import Event
from xapp.observations import Observations
from xapp.observing import Observer
from xapp.ric.termination import Termination
from xapp.ric.transport import Address
from xapp.ue_map import UeMap

RIC_ID = GlobalRicId(b"\x00\xf1\x10", 1)


def run(scene: Coroutine[Any, Any, None]) -> None:
    """Play a scene, which must end and leave no thread or descriptor that was not there before."""
    async def play() -> None:
        before = _open_things()
        await asyncio.wait_for(scene, HANG_SECONDS)
        # asyncio closes sockets a few steps later; what others left behind may go meanwhile.
        await until(lambda: all(now <= then for now, then in zip(
            _open_things(), before, strict=True)))

    asyncio.run(play())


def _open_things() -> tuple[int, int]:
    return len(os.listdir("/proc/self/task")), len(os.listdir("/proc/self/fd"))


async def until(done: Callable[[], object]) -> None:
    """Wait for it, and fail where it never comes."""
    deadline = time.monotonic() + 4 * LEFT_SECONDS
    while not done():
        assert time.monotonic() < deadline, "it never came"
        await asyncio.sleep(0.005)


@dataclass
class Ric:
    """What the xApp has below its core, listening."""

    profile: str
    cells: dict[str, int | None]
    told: list[Event] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.nodes, self.observer = Nodes(RIC_ID, 1), Observer()
        self.stations = BaseStations(self.nodes, self.observer, RanConfig(
            (StationConfig("*", self.profile, self.cells),), (INTERNET, LLM), 100),
            self.told.append)
        self.termination = Termination(self.nodes, self._hear, time.monotonic)

    def _hear(self, events: Sequence[NodeEvent]) -> None:
        self.heard += self.stations.take(events, time.monotonic())
        self.send()

    def send(self) -> None:
        pending, self.stations.outbox[:] = list(self.stations.outbox), []
        if pending:
            self.termination.apply(pending)

    async def listen(self, address: str) -> Address:
        listener = await self.termination.listen(Address.parse(address), HASTY)
        return listener.address

    @property
    def there(self) -> bool:
        return any(one.there for one in self.stations.stations)

    def observations(self) -> Observations:
        return self.observer.observe({}, UeMap(), None, time.monotonic())

    def delay(self) -> float:
        """Milliseconds, of the split LLM's uplink; endless where none was measured."""
        found = [one.load.up_delay_ms for key, one in self.observations().ues.items()
                 if one.slice == LLM]
        return next((one for one in found if one is not None), float("inf"))

    async def control(self, control: Control, oids: tuple[str, ...] = RC_OIDS) -> Answered:
        handle, events = self.nodes.control(
            self.stations.stations[0].key, oids, control.header, control.message,
            time.monotonic())
        self.termination.apply(events)

        def answers() -> list[Answered]:
            return [one for one in self.heard
                    if isinstance(one, Answered) and one.handle == handle]

        await until(answers)
        return answers()[0]


@dataclass
class Pair:
    """Both ends."""

    ric: Ric
    node: E2Node
    ran: FluidCells
    said: list[str]
    address: Address


@asynccontextmanager
async def pair(profile: str, address: str = "tcp://127.0.0.1:0",
               capture: Capture | None = None) -> AsyncIterator[Pair]:
    """A RIC, and a base station on its way to it."""
    config = preset(profile, ues=3, load="overload")
    began = time.monotonic()
    ran = FluidCells(config.cells, began)
    node_config = replace(config.node, restart_seconds=0.1, report_period=0.1)
    agent = E2Agent(node_config, ran, random.Random(1), began, wall_ns=day_time)
    ric = Ric(profile, {f"{one.nci:09x}": one.prbs for one in ran.cells})
    said: list[str] = []
    made = await ric.listen(address)
    node = E2Node(agent, made, said.append, capture, HASTY)
    running = asyncio.create_task(node.run())
    try:
        yield Pair(ric, node, ran, said, made)
    finally:
        node.stop()
        try:
            await running
        finally:
            await ric.termination.close()
