"""Joins virtual radios over ZeroMQ: asks transmitters, answers receivers, takes orders.

As srsRAN's radios do it: whoever transmits answers (REP) each request of one byte with complex
float32 samples, whoever receives asks (REQ). A peer whose connection ends, or for which time has
stood still for `patience`, is taken for gone; it may come back at any time. The broker runs before
ordinary threads where that is permitted: radios wait for it. What is mixed, and when, the mixer
decides.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import zmq
from zmq.utils.monitor import recv_monitor_message

from pcap_tools.scheduling import Scheduled, priority_of, put_ahead, put_back
from testbed.radio import orders
from testbed.radio.errors import RadioError
from testbed.radio.mixer import BYTES, MOST_MESSAGE, Mixer
from testbed.radio.script import Script
from testbed.radio.settings import RadioSettings, Station
from testbed.radio.warm import warm

PATIENCE = 2.0  # seconds; srsRAN's radios give up after as long
IDLE = 0.1  # seconds of waiting for anything, between looks at the clock
MOST_REQUEST = 64  # bytes; a request has one, GNU Radio's four
NOTHING = bytes(BYTES)  # answers a request of one that is gone
ITSELF = "the broker"  # no station has that name


@dataclass
class Happened:
    """What a broker tells while it runs."""

    station: str
    what: str  # "joined", "lost" or "refused"; "scheduled" of the broker itself
    seconds: float  # of the radio
    note: str = ""


@dataclass
class _Ends:
    """The sockets of a station."""

    station: Station
    asking: zmq.Socket[bytes] | None = None  # of its transmitter
    monitor: zmq.Socket[bytes] | None = None
    outstanding: bool = False  # it has been asked and has not answered
    serving: zmq.Socket[bytes] | None = None  # of its receiver
    serving_monitor: zmq.Socket[bytes] | None = None
    stuck_since: float | None = None
    seen: int = 0  # how often it has joined


@dataclass
class Broker:
    """`run` returns when `stop` was called, by whom or whatever."""

    settings: RadioSettings
    tell: Callable[[Happened], None] = lambda happened: None
    script: Script | None = None
    patience: float = PATIENCE  # seconds
    clock: Callable[[], float] = time.monotonic
    mixer: Mixer = field(init=False)
    busy_seconds: float = field(default=0.0, init=False)  # of mixing alone

    def __post_init__(self) -> None:
        self.mixer = Mixer(self.settings)
        self._stopping = False
        self._poller = zmq.Poller()

    def stop(self) -> None:
        """Let `run` return soon; may be called from another thread or a signal's handler."""
        self._stopping = True

    def run(self) -> None:
        """Join radios until somebody says stop."""
        warm()  # loaded when the first samples come, it would have all radios wait for a second
        before = priority_of()
        scheduled = self._hurry(before)
        self._tell(ITSELF, "scheduled", str(scheduled))
        context: zmq.Context[Any] = zmq.Context()
        try:
            # ZeroMQ's own threads too, which abort where they may not. They inherit what was there.
            if scheduled.priority > before:
                context.set(zmq.THREAD_SCHED_POLICY, os.SCHED_FIFO)
                context.set(zmq.THREAD_PRIORITY, scheduled.priority)
            self._serve(context)
        finally:
            context.destroy(0)
            if scheduled.priority and not before:
                put_back()

    def _hurry(self, has: int) -> Scheduled:
        asked = self.settings.real_time_priority
        if not asked:
            return Scheduled(has, "" if has else "none was asked for")
        return Scheduled(has) if has >= asked else put_ahead(asked)

    def _serve(self, context: zmq.Context[Any]) -> None:
        control = _listening(context, zmq.REP, self.settings.control, orders.MOST_BYTES)
        self._poller.register(control, zmq.POLLIN)
        ends = [self._open(context, one) for one in self.settings.stations]
        begun: float | None = None
        while not self._stopping:
            progress = self._mix(begun)
            if begun is None and self.mixer.position:
                begun = self.clock() - self.mixer.position / self.settings.rate
            for one in ends:
                self._deliver(one)
                self._ask(one)
            ready = self._wait(0 if progress else int(1000 * self._rest(begun)))
            if control in ready:
                order = b"".join(control.recv_multipart())
                control.send(orders.answer(order, self.mixer, self.stop))
            for one in ends:
                self._hear(context, one, ready)
            self._look(context, ends)

    def _mix(self, begun: float | None) -> bool:
        if self.script is not None:
            self.script.apply()
        most = self.script.until() if self.script is not None else None
        if self.settings.pace and begun is not None:
            due = int((self.clock() - begun) * self.settings.rate) - self.mixer.position
            most = max(0, due if most is None else min(most, due))
        started = time.perf_counter()
        count = self.mixer.step(most)
        self.busy_seconds += time.perf_counter() - started
        return count > 0

    def _wait(self, milliseconds: int) -> dict[Any, int]:
        """What is there to be heard; whoever was waited for meanwhile is known to the mixer."""
        if not milliseconds:
            return dict(self._poller.poll(0))
        awaited = self.mixer.holding_up()
        since = self.clock()
        ready = dict(self._poller.poll(milliseconds))
        for name in awaited:
            self.mixer.awaited(name, self.clock() - since)
        return ready

    def _rest(self, begun: float | None) -> float:
        return 0.001 if self.settings.pace and begun is not None else IDLE

    def _open(self, context: zmq.Context[Any], station: Station) -> _Ends:
        ends = _Ends(station)
        if station.receives is not None:
            ends.serving = _listening(context, zmq.REP, station.receives, MOST_REQUEST)
            ends.serving_monitor = ends.serving.get_monitor_socket(zmq.EVENT_DISCONNECTED)
            self._poller.register(ends.serving, zmq.POLLIN)
            self._poller.register(ends.serving_monitor, zmq.POLLIN)
        if station.transmits is not None:
            self._connect(context, ends)
        return ends

    def _connect(self, context: zmq.Context[Any], ends: _Ends) -> None:
        assert ends.station.transmits is not None
        socket = context.socket(zmq.REQ)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.MAXMSGSIZE, MOST_MESSAGE * BYTES)
        socket.setsockopt(zmq.RECONNECT_IVL, 50)
        socket.setsockopt(zmq.RECONNECT_IVL_MAX, 500)
        ends.monitor = socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        socket.connect(ends.station.transmits)
        ends.asking, ends.outstanding = socket, False
        self._poller.register(socket, zmq.POLLIN)
        self._poller.register(ends.monitor, zmq.POLLIN)

    def _ask(self, ends: _Ends) -> None:
        if ends.asking is None or ends.outstanding or not self.mixer.wants(ends.station.name):
            return
        try:
            ends.asking.send(b"\x01", zmq.DONTWAIT)
        except zmq.Again:
            return  # nobody is there yet
        ends.outstanding = True

    def _deliver(self, ends: _Ends) -> None:
        if ends.serving is None:
            return
        samples = self.mixer.take(ends.station.name)
        if samples is not None:
            ends.serving.send(samples.data, copy=False)

    def _hear(self, context: zmq.Context[Any], ends: _Ends, ready: dict[Any, int]) -> None:
        name = ends.station.name
        if ends.asking is not None and ends.asking in ready:
            ends.outstanding = False
            try:
                for part in ends.asking.recv_multipart(copy=False):
                    self.mixer.offer(name, part.buffer)
            except RadioError as error:
                self._tell(name, "refused", str(error))
                self._lose(context, ends)
        if ends.serving is not None and ends.serving in ready:
            ends.serving.recv_multipart()
            self.mixer.asked(name)
        if ends.serving_monitor is not None and ends.serving_monitor in ready:
            recv_monitor_message(ends.serving_monitor)
            self._lose(context, ends)
        if ends.monitor is not None and ends.monitor in ready:
            recv_monitor_message(ends.monitor)
            self._lose(context, ends)
        joined = self.mixer.times_joined(name)
        if joined > ends.seen:
            ends.seen = joined
            self._tell(name, "joined")

    def _look(self, context: zmq.Context[Any], ends: list[_Ends]) -> None:
        """Who holds up time for too long is taken for gone: it was stopped, or its host died."""
        now = self.clock()
        awaited = self.mixer.holding_up()
        for one in ends:
            if one.station.name not in awaited:
                one.stuck_since = None
            elif one.stuck_since is None:
                one.stuck_since = now
            elif now - one.stuck_since > self.patience:
                self._lose(context, one)

    def _lose(self, context: zmq.Context[Any], ends: _Ends) -> None:
        """Silence it, and be ready for it to come again."""
        name = ends.station.name
        if name in self.mixer.joined:
            self._tell(name, "lost")
        if ends.serving is not None and self.mixer.is_asking(name):
            ends.serving.send(NOTHING)
        self.mixer.lose(name)
        ends.stuck_since = None
        if ends.asking is not None and ends.monitor is not None:
            self._poller.unregister(ends.asking)
            self._poller.unregister(ends.monitor)
            ends.asking.disable_monitor()
            ends.monitor.close(0)
            ends.asking.close(0)
            self._connect(context, ends)

    def _tell(self, station: str, what: str, note: str = "") -> None:
        self.tell(Happened(station, what, self.mixer.position / self.settings.rate, note))


def _listening(context: zmq.Context[Any], kind: int, place: str, most: int) -> zmq.Socket[bytes]:
    socket: zmq.Socket[bytes] = context.socket(kind)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.MAXMSGSIZE, most)
    try:
        socket.bind(place)
    except zmq.ZMQError as error:
        socket.close(0)
        raise RadioError(
            f"{place} cannot be listened at: {error}. Is another broker running, or does the radio "
            "bind it itself? A receiver's address is bound here.") from None
    return socket

