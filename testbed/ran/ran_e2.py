"""E2 on any data plane: an emulated base station's associations beside a cell that runs already.

    async with e2_beside(ran, config, seed=1, say=print) as side:
        side.check()                     # raises what ended it, such as an address of nobody

As `airsplit e2-node`, whose parts these are, but the cell is somebody else's: it starts before and
ends after, and whoever has it lets time pass.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from websockets.asyncio.server import Server

from testbed.ran.cell_model import Ran
from testbed.ran.e2_agent import E2Agent
from testbed.ran.e2_node import E2Node, day_time
from testbed.ran.emulator_config import state, ue_map
from testbed.ran.faults import Fault
from testbed.ran.map_server import serve_map
from testbed.ran.node_config import NodeConfig
from testbed.ran.remote_control import RemoteControl
from testbed.ran.remote_control import serve as serve_remote
from xapp.e2.capture import Capture
from xapp.errors import ConfigurationError
from xapp.ric.address import Address

HOST = "127.0.0.1"


@dataclass(frozen=True)
class E2Config:
    """The E2 side of a cell."""

    ric: str = "127.0.0.1:36421"  # where the RIC listens
    node: NodeConfig = field(default_factory=NodeConfig)
    faults: tuple[Fault, ...] = ()  # what it does wrong beyond its kind
    remote_port: int | None = None  # srsRAN's remote control (WebSocket) on this machine
    map_port: int | None = None  # the UE map at http://127.0.0.1:PORT/ues
    capture: Path | None = None  # of every E2 message

    def __post_init__(self) -> None:
        for name, port in (("remote_port", self.remote_port), ("map_port", self.map_port)):
            if port is not None and not 0 <= port < 65536:
                raise ConfigurationError(f"{name} {port} is no port.", "Give 0 to 65535.")


@dataclass(frozen=True)
class E2Side:
    """Associations as they are."""

    node: E2Node
    task: asyncio.Task[None]

    def check(self) -> None:
        """Raise what ended it, if anything did."""
        if self.task.done():
            self.task.result()


@asynccontextmanager
async def e2_beside(ran: Ran, config: E2Config, seed: int, say: Callable[[str], None],
                    now: Callable[[], float] = time.monotonic) -> AsyncIterator[E2Side]:
    """Associations that come and go as the RIC does, until the block ends."""
    agent = E2Agent(config.node, ran, random.Random(seed), now(), wall_ns=day_time)
    agent.faults |= set(config.faults)
    async with AsyncExitStack() as stack:
        capture = None
        if config.capture is not None:
            capture = Capture(config.capture, say)
            stack.callback(capture.close)
        node = E2Node(agent, Address.parse(config.ric), say, capture, now=now)
        await _listen(agent, ran, config, say, stack)
        say(f"{agent.name} ({config.node.profile}) for the RIC at {node.ric}")
        side = E2Side(node, asyncio.create_task(node.run()))
        try:
            yield side
        finally:
            node.stop()
            await asyncio.wait([side.task])
        side.check()


async def _listen(agent: E2Agent, ran: Ran, config: E2Config, say: Callable[[str], None],
                  stack: AsyncExitStack) -> None:
    """The remote control and the UE map, where wanted."""
    if config.remote_port is not None:
        control = RemoteControl(ran, say, lambda: Fault.NO_EFFECT not in agent.faults)
        server = await stack.enter_async_context(serve_remote(
            control, ran, HOST, config.remote_port, agent.behaviour.stale_seconds or 1.0,
            time.time))
        say(f"remote control at ws://{HOST}:{_port_of(server)}")
    if config.map_port is not None:
        server = await stack.enter_async_context(serve_map(
            lambda: ue_map(ran, agent.name, agent.behaviour.ue_ran_ids), HOST, config.map_port,
            lambda: state(ran, agent.name)))
        say(f"UE map at http://{HOST}:{_port_of(server)}/ues")


def _port_of(server: Server) -> int:
    return int(next(iter(server.sockets)).getsockname()[1])
