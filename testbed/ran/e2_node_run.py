"""One emulated base station as a process: its parts put together, signals, and a status line.

Lines that matter go to stdout, one a line; on a terminal a status line on stderr is drawn anew
every second.
"""

from __future__ import annotations

import asyncio
import random
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from websockets.asyncio.server import Server

from testbed.ran.e2_agent import E2Agent
from testbed.ran.e2_node import E2Node, day_time
from testbed.ran.emulator_config import EmulatorConfig, state, ue_map
from testbed.ran.faults import Fault
from testbed.ran.fluid_cell import FluidCells
from testbed.ran.map_server import serve_map
from testbed.ran.offered_load import Kind
from testbed.ran.remote_control import RemoteControl
from testbed.ran.remote_control import serve as serve_remote
from testbed.ran.tap_speaker import TapSpeaker
from xapp.e2.capture import Capture
from xapp.ric.address import Address

HOST = "127.0.0.1"
ERASE = "\r\033[K"


@dataclass(frozen=True)
class Options:
    """What a person says beside the configuration."""

    ric: str
    faults: frozenset[Fault] = frozenset()
    remote_port: int | None = None
    map_port: int | None = None
    tap_port: int | None = None
    capture: Path | None = None
    status: bool = False  # draw a status line


async def serve(config: EmulatorConfig, options: Options) -> None:
    """Until SIGINT or SIGTERM; SIGHUP restarts the base station."""
    screen = _Screen(options.status)
    ran = FluidCells(config.cells, time.monotonic())
    agent = E2Agent(config.node, ran, random.Random(config.cells.seed), time.monotonic(),
                    wall_ns=day_time)
    agent.faults |= options.faults
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        capture = None
        if options.capture is not None:
            capture = Capture(options.capture, screen.say)
            stack.callback(capture.close)
        node = E2Node(agent, Address.parse(options.ric), screen.say, capture)
        await _listen(agent, ran, options, screen.say, stack)
        if options.tap_port is not None:
            await stack.enter_async_context(_tap(config, options.tap_port, screen.say))
        for number, act in ((signal.SIGINT, node.stop), (signal.SIGTERM, node.stop),
                            (signal.SIGHUP, node.restart)):
            loop.add_signal_handler(number, act)
            stack.callback(loop.remove_signal_handler, number)
        screen.say(f"{agent.name} ({config.node.profile}): {len(ran.cells)} cell(s), "
                   f"{len(ran.ues)} UEs, to {node.ric}")
        drawing = loop.create_task(screen.draw(node, ran)) if options.status else None
        try:
            await node.run()
        finally:
            if drawing is not None:
                drawing.cancel()
                await asyncio.gather(drawing, return_exceptions=True)
            screen.say("it ends")


async def _listen(agent: E2Agent, ran: FluidCells, options: Options, say: Callable[[str], None],
                  stack: AsyncExitStack) -> None:
    """The remote control and the UE map, where wanted."""
    if options.remote_port is not None:
        control = RemoteControl(ran, say, lambda: Fault.NO_EFFECT not in agent.faults)
        server = await stack.enter_async_context(serve_remote(
            control, ran, HOST, options.remote_port,
            agent.behaviour.stale_seconds or 1.0, time.time))
        say(f"remote control at ws://{HOST}:{_port_of(server)}")
    if options.map_port is not None:
        server = await stack.enter_async_context(serve_map(
            lambda: ue_map(ran, agent.name, agent.behaviour.ue_ran_ids), HOST, options.map_port,
            lambda: state(ran, agent.name)))
        say(f"UE map at http://{HOST}:{_port_of(server)}/ues")


@asynccontextmanager
async def _tap(config: EmulatorConfig, port: int,
               say: Callable[[str], None]) -> AsyncIterator[None]:
    """The tap that a cell without packets cannot have."""
    speaker = TapSpeaker(port, [
        session.address for ue in config.cells.ues for session in ue.sessions
        if session.load.kind is Kind.SPLIT_LLM])
    say(f"tap at {speaker.address}")
    speaking = asyncio.create_task(speaker.speak())
    try:
        yield
    finally:
        speaking.cancel()
        await asyncio.gather(speaking, return_exceptions=True)
        speaker.close()


def _port_of(server: Server) -> int:
    return int(next(iter(server.sockets)).getsockname()[1])


class _Screen:
    """Lines, and a status line below them."""

    def __init__(self, status: bool) -> None:
        self._status = status

    def say(self, text: str) -> None:
        if self._status:
            print(ERASE, end="", file=sys.stderr, flush=True)
        print(f"airsplit e2-node: {text}", flush=True)

    async def draw(self, node: E2Node, ran: FluidCells) -> None:
        while True:
            print(ERASE + status(node, ran), end="", file=sys.stderr, flush=True)
            await asyncio.sleep(1.0)


def status(node: E2Node, ran: FluidCells) -> str:
    """Its state in one line."""
    counts, agent = node.agent.counts, node.agent
    state = "away" if node.away else f"{node.connected}/{len(agent.units)} connected"
    shares = ", ".join(f"{snssai} {share.minimum}-{share.maximum}%"
                       for (nci, snssai), share in ran.shares.items()
                       if nci == ran.cells[0].nci)
    faults = f" | faults: {', '.join(sorted(one.value for one in agent.faults))}" if (
        agent.faults) else ""
    return (f"{state} | {agent.subscribed} subscriptions, {counts.indications} indications, "
            f"{counts.controls} controls ({counts.failures} failed) | {shares} | "
            f"{ran.tokens} tokens{faults}")
