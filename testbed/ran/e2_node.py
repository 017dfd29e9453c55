"""An emulated base station as a peer: its associations with a RIC, in one event loop.

    node = E2Node(agent, Address.parse("auto://127.0.0.1:36421"), say=print)
    await node.run()                            # until node.stop()

A thin shell around `e2_agent`. It connects every unit, again and again with growing pauses where
the RIC is away, ends all associations when the agent says so, and brings the base station back
afterwards. It does not know what messages are about.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from testbed.ran.e2_agent import E2Agent, Ends, Out, Said, ToRic
from xapp.e2.capture import Capture, CapturedAssociation
from xapp.e2.capture_packets import Endpoint
from xapp.errors import TransportError
from xapp.ric.address import Address
from xapp.ric.transport import Association, Limits, connect

FIRST_PAUSE, MOST_PAUSE = 0.2, 5.0  # seconds before the next attempt to connect; it doubles
LOOK_SECONDS = 0.1  # between two looks at the cell although nothing is due
HERE = "127.0.0.1"  # in captures
FIRST_PORT = 49_152  # in captures, of the first unit; the others' follow, to tell them apart


def day_time(now: float) -> int:
    """The time of day, in nanoseconds since 1970, of a time of the monotonic clock."""
    return time.time_ns() - round((time.monotonic() - now) * 1e9)


@dataclass
class _Link:
    """One unit's way to the RIC."""

    association: Association | None = None
    captured: CapturedAssociation | None = None
    pause: float = FIRST_PAUSE
    said: str = ""  # why it could not connect, as it was told
    connects: int = 0


@dataclass
class E2Node:
    """A base station that stays connected."""

    agent: E2Agent
    ric: Address
    say: Callable[[str], None] = lambda text: None
    capture: Capture | None = None
    limits: Limits | None = None
    now: Callable[[], float] = time.monotonic
    _links: dict[str, _Link] = field(default_factory=dict)
    _over: asyncio.Event = field(default_factory=asyncio.Event)
    _up: asyncio.Event = field(default_factory=asyncio.Event)  # the base station is not away
    _timer: asyncio.TimerHandle | None = None
    _back: asyncio.TimerHandle | None = None
    _fault: asyncio.Future[Any] | None = None  # of a timer

    def __post_init__(self) -> None:
        self._links = {one.name: _Link() for one in self.agent.units}
        self._up.set()

    async def run(self) -> None:
        """Until `stop`; then every association is ended in order."""
        tasks = [asyncio.create_task(self._keep(name)) for name in self._links]
        over = asyncio.create_task(self._over.wait())
        fault = self._fault = asyncio.get_running_loop().create_future()
        self._tick()
        ends: list[asyncio.Future[Any]] = [over, fault, *tasks]
        try:
            done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()  # a fault of ours, or an address that cannot work
        finally:
            await self._close(ends)

    def stop(self) -> None:
        self._over.set()

    def restart(self) -> None:
        """As if somebody restarted the base station: what hung answers again."""
        self._end("it is restarted", 0.0)

    @property
    def connected(self) -> int:
        """Units with an association."""
        return sum(one.association is not None for one in self._links.values())

    @property
    def away(self) -> bool:
        """The base station ended itself and is not back."""
        return not self._up.is_set()

    def apply(self, outs: Sequence[Out]) -> None:
        """Do what the agent says."""
        for out in outs:
            if isinstance(out, ToRic):
                self._send(out)
            elif isinstance(out, Said):
                self.say(out.text)
            elif isinstance(out, Ends):
                self._end(out.why, out.seconds)
                return  # nothing goes out of what has ended
        self._set_timer()

    # Associations.

    async def _keep(self, unit: str) -> None:
        """Connect, take messages, connect again."""
        link = self._links[unit]
        while not self._over.is_set():
            await self._up.wait()
            try:
                association = await connect(self.ric, self.limits)
            except TransportError as error:
                await self._wait(link, error.problem)
                continue
            if self.away:  # it ended itself meanwhile
                association.abort("the base station is away")
                await association.wait_closed()
                continue
            try:
                await self._session(unit, link, association)
            finally:
                link.association = None
                self.agent.closed(unit, self.now())
                if not self._over.is_set():  # else it is closed in order
                    association.abort("the base station ends")
                await association.wait_closed()
            if not self.away and not self._over.is_set():
                await self._wait(link, association.ended or "it ended")

    async def _session(self, unit: str, link: _Link, association: Association) -> None:
        link.association, link.connects = association, link.connects + 1
        if self.capture is not None:
            here = Endpoint(HERE, FIRST_PORT + list(self._links).index(unit))
            link.captured = self.capture.association(here, _endpoint(association.peer))
        self.apply(self.agent.opened(unit, self.now()))
        while (message := await association.receive()) is not None:
            if link.captured is not None:
                link.captured.received(message.payload, message.ppid)
            self.apply(self.agent.receive(unit, message.payload, message.ppid, self.now()))
            if self.agent.ready(unit):
                link.pause, link.said = FIRST_PAUSE, ""

    async def _wait(self, link: _Link, why: str) -> None:
        if link.said != why:  # once, not with every attempt
            link.said = why
            self.say(f"not connected with {self.ric}: {why}; it tries again")
        await asyncio.sleep(link.pause)
        link.pause = min(2 * link.pause, MOST_PAUSE)

    def _send(self, out: ToRic) -> None:
        link = self._links[out.unit]
        if link.association is None or link.association.ended is not None:
            return
        try:
            link.association.send(out.data, out.ppid)
        except TransportError as error:
            link.association.abort(error.problem)
            return
        if link.captured is not None:
            link.captured.sent(out.data, out.ppid)

    def _end(self, why: str, seconds: float) -> None:
        """The whole base station is gone, and comes back."""
        self._up.clear()
        self._stop_timer()
        for link in self._links.values():
            if link.association is not None:
                link.association.abort(why)
                link.association = None
        if self._back is not None:
            self._back.cancel()
        self._back = asyncio.get_running_loop().call_later(seconds, self._return)

    def _return(self) -> None:
        self._back = None
        self.agent.restarted(self.now())
        for link in self._links.values():
            link.pause = FIRST_PAUSE
        self.say("the base station is back")
        self._up.set()
        self._tick()

    # Time.

    def _tick(self) -> None:
        self._timer = None
        if self.away:
            return
        try:
            self.apply(self.agent.tick(self.now()))
        except BaseException as fault:
            # A timer's faults reach nobody, and no report would come again: the run ends by it.
            if self._fault is None or self._fault.done():
                raise
            self._fault.set_exception(fault)

    def _set_timer(self) -> None:
        self._stop_timer()
        if self._over.is_set() or self.away:
            return
        due = self.agent.next_deadline()
        wait = LOOK_SECONDS if due is None else min(max(due - self.now(), 0.0), LOOK_SECONDS)
        self._timer = asyncio.get_running_loop().call_later(wait, self._tick)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _close(self, tasks: Sequence[asyncio.Future[Any]]) -> None:
        self._over.set()
        self._stop_timer()
        if self._back is not None:
            self._back.cancel()
        open_ones = [one.association for one in self._links.values() if one.association]
        for association in open_ones:
            association.close()
        for association in open_ones:
            await association.wait_closed()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _endpoint(text: str) -> Endpoint:
    address = Address.parse(text)
    return Endpoint(address.host, address.port)
