"""An OSC RIC in the place of a termination of our own: threads and sockets around `OscSession`.

    ric = OscTermination(config, nodes, core, hear, tell, health, time.monotonic, time.time)
    await ric.start()
    ...
    await ric.close()            # deletes subscriptions and deregisters

RMR, calls and notifications have threads; what they bring is dealt with in the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib.metadata
import os
import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from xapp.core import Core
from xapp.e2.nodes import NodeEvent, Nodes
from xapp.errors import ConfigurationError, TransportError
from xapp.events import Event
from xapp.operations import Health
from xapp.ric import osc_rmr
from xapp.ric.osc import OscSession
from xapp.ric.osc_condition import condition_of
from xapp.ric.osc_config import OscConfig
from xapp.ric.osc_descriptor import descriptor_text
from xapp.ric.osc_http import RicPort, create_app
from xapp.ric.osc_messages import Answer, Ask, Call, Out, RmrMessage, Tell, Told
from xapp.ric.osc_rest import Rest
from xapp.ric.osc_rmr import Rmr

MOST_DESCRIPTOR = 1 << 20  # octets of a descriptor
# Subscriptions do not wait for a manager that is away, nor the other way round.
_SUBSCRIBING = (Ask.SUBSCRIBE, Ask.DELETE)


class OscTermination:
    """`Termination`, for base stations that a RIC has."""

    def __init__(
        self, config: OscConfig, nodes: Nodes, core: Core,
        hear: Callable[[Sequence[NodeEvent]], None], tell: Callable[[Event], None],
        health: Callable[[], Health], now: Callable[[], float], wall: Callable[[], float],
    ) -> None:
        self.config = config
        self._nodes, self._core = nodes, core
        self._hear, self._tell, self._health = hear, tell, health
        self._now, self._wall = now, wall
        self._rmr: Rmr | None = None
        self._port: RicPort | None = None
        self._rests: tuple[Rest, ...] = ()
        self._timer: asyncio.TimerHandle | None = None
        self._closing = False

    async def start(self) -> None:
        """Open everything; raises where that is not possible."""
        self._loop = asyncio.get_running_loop()
        self._port = RicPort(create_app(self._notified, self._health), self.config.bind,
                             self.config.http_port)
        # The port that the RIC is told; 0 is a free one, for tests.
        self.config = replace(self.config, http_port=self.config.http_port or self._port.port)
        self.session = OscSession(
            self.config, self._nodes, self._core,
            os.environ.get("HOSTNAME") or socket.gethostname(),
            importlib.metadata.version("airsplit"), _descriptor(self.config))
        self._rmr = osc_rmr.open_rmr(self.config.rmr_port, self._received)
        self._rests = tuple(Rest(self.config.rest_seconds, self._answered, name)
                            for name in ("xapp-osc-subscriptions", "xapp-osc-inventory"))
        self._port.start()
        self._do(self.session.start(self._now()))

    def apply(self, events: Sequence[NodeEvent]) -> None:
        """Do what `Nodes` answered to a command of ours, and tell the rest."""
        self._do(self.session.apply(events, self._now()), later=True)

    def peer(self, association: int) -> str:
        """The RAN name of an association."""
        return self.session.name(association)

    async def close(self) -> None:
        """Delete subscriptions and deregister, in `exit_seconds`."""
        self._closing = True
        if self._timer is not None:
            self._timer.cancel()
        if self._rests:
            for message in self.session.watch.stop(self._wall()):
                with contextlib.suppress(TransportError):  # the next run clears all
                    self._bus().send(message)
            for call in self.session.stop():
                with contextlib.suppress(TransportError):  # so many wait that none will be made
                    self._rest(call).ask(call)
            end = self._now() + self.config.exit_seconds
            await self._each_rest(Rest.made, end)  # what is answered yet may ask for a deletion
            await self._each_rest(Rest.close, end)
        if self._rmr is not None:
            await self._loop.run_in_executor(None, self._rmr.close)
        if self._port is not None:
            await self._loop.run_in_executor(None, self._port.stop)

    async def _each_rest(self, what: Callable[[Rest, float], bool], end: float) -> None:
        await asyncio.gather(*(self._loop.run_in_executor(
            None, what, one, max(0.0, end - self._now())) for one in self._rests))

    # What comes out of the session.

    def _do(self, out: Iterable[Out], later: bool = False) -> None:
        """With `later`, the core is told when it is done with what it does now."""
        for one in out:
            if isinstance(one, RmrMessage):
                self._send(one)
            elif isinstance(one, Call):
                self._ask(one)
            elif isinstance(one, Tell):
                self._tell(one.event)
            elif later:
                self._loop.call_soon(self._told, one)
            else:
                self._told(one)
        self._set_timer()

    def _told(self, told: Told) -> None:
        self._hear(told.events)

    def _bus(self) -> Rmr:
        assert self._rmr is not None
        return self._rmr

    def _send(self, message: RmrMessage) -> None:
        try:
            self._bus().send(message)
        except TransportError as error:
            self._loop.call_soon(self._unsent, message, error.problem)

    def _unsent(self, message: RmrMessage, why: str) -> None:
        self._do(self.session.unsent(message, why, self._now()))

    def _ask(self, call: Call) -> None:
        try:
            self._rest(call).ask(call)
        except TransportError as error:
            self._loop.call_soon(self._was_answered, call, Answer(0, b"", error.problem))

    def _rest(self, call: Call) -> Rest:
        return self._rests[0 if call.ask in _SUBSCRIBING else 1]

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self.session.next_deadline()
        if due is not None and not self._closing:
            self._timer = self._loop.call_later(max(due - self._now(), 0.0), self._tick)

    def _tick(self) -> None:
        self._timer = None
        now = self._now()
        out = self.session.tick(now)
        if self.session.watch.due <= now:
            out += self.session.watch.look(condition_of(self._core, now), now, self._wall())
        self._do(out)

    # What comes in, from threads.

    def _soon(self, what: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is over: nobody waits for it
            self._loop.call_soon_threadsafe(what)

    def _received(self, message: RmrMessage) -> None:
        self._soon(functools.partial(self._was_received, message))

    def _was_received(self, message: RmrMessage) -> None:
        assert self._rmr is not None
        if not self._closing:
            self._do(self.session.rmr(message, self._now(), self._wall()))
        self._rmr.done(message)

    def _answered(self, call: Call, answer: Answer) -> None:
        self._soon(functools.partial(self._was_answered, call, answer))

    def _was_answered(self, call: Call, answer: Answer) -> None:
        self._do(self.session.answered(call, answer, self._now()))

    def _notified(self, body: bytes) -> None:
        self._soon(functools.partial(self._was_notified, body))

    def _was_notified(self, body: bytes) -> None:
        if not self._closing:
            self._do(self.session.notified(body, self._now()))


def _descriptor(config: OscConfig) -> str:
    """The one that the RIC put into the container, else what ours would be."""
    place = os.environ.get("CONFIG_FILE")
    if not place:
        return descriptor_text(config)
    try:
        with Path(place).open("rb") as file:
            data = file.read(MOST_DESCRIPTOR + 1)
        if len(data) > MOST_DESCRIPTOR:
            raise ConfigurationError(f"{place} has more than 1 MiB.", "It is no descriptor.")
        return data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The descriptor {place} cannot be read: {error}.",
                                 "Correct CONFIG_FILE, or unset it.") from error
