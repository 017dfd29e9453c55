"""Taps' messages from ZeroMQ into the event loop: SUB, and CURVE where a tap's key is given.

    source = LabelSource("tcp://10.0.0.5:5556", table.take, time.monotonic)
    source.start(asyncio.get_running_loop())

A flood costs the loop some messages at a time and never more: between two such turns everything
else is served, and what a queue has no room for is lost and noticed by its number. Garbage is
counted. It knows messages and not what is done with them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import zmq

from classifier.errors import BadMessage
from classifier.messages import MOST_BYTES, Message, decode
from classifier.publisher import Keys
from xapp.errors import ConfigurationError

PER_TURN = 64  # messages; some 20 µs each: about a millisecond
MOST_QUEUED = 10_000  # messages; about 4 MB
MOST_PARTS = 2  # of a message; more are read and thrown away
RECONNECT_MS, RECONNECT_MOST_MS = 100, 5_000
Take = Callable[[Message, str, float], None]


@dataclass(slots=True)
class SourceCounters:
    """Since the start."""

    messages: int = 0
    garbage: int = 0
    turns: int = 0


class LabelSource:
    """One tap's address."""

    def __init__(
        self, address: str, take: Take, now: Callable[[], float], server: bytes | None = None,
        keys: Keys | None = None, context: zmq.Context[zmq.Socket[bytes]] | None = None,
    ) -> None:
        """`server` is the tap's public key; `keys` are this side's, or made up."""
        self.address = address
        self.counters = SourceCounters()
        self.heard: float | None = None  # when anything came
        self._take, self._now = take, now
        self._own = context is None
        self._context = zmq.Context() if context is None else context
        self._socket = self._context.socket(zmq.SUB)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._again: asyncio.Handle | None = None
        for option, value in ((zmq.LINGER, 0), (zmq.RCVHWM, MOST_QUEUED),
                              (zmq.MAXMSGSIZE, MOST_BYTES), (zmq.RECONNECT_IVL, RECONNECT_MS),
                              (zmq.RECONNECT_IVL_MAX, RECONNECT_MOST_MS)):
            self._socket.setsockopt(option, value)
        try:
            if server is not None:
                public, secret = zmq.curve_keypair() if keys is None else (keys.public, keys.secret)
                self._socket.curve_publickey, self._socket.curve_secretkey = public, secret
                self._socket.curve_serverkey = server
            self._socket.subscribe("")
            self._socket.connect(address)
        except (zmq.ZMQError, ValueError) as error:
            self.close()
            raise ConfigurationError(f"Cannot ask {address} for labels: {error}.",
                                     "Give the address that the tap printed, under `taps`."
                                     ) from error

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take messages from now on."""
        self._loop = loop
        loop.add_reader(self._socket.FD, self._readable)
        self._readable()  # what came before is not signalled again

    def _readable(self) -> None:
        if self._again is None:
            self._turn()

    def _turn(self) -> None:
        """Some messages; where there are more, the rest when others have had their turn."""
        self._again = None
        self.counters.turns += 1
        for _ in range(PER_TURN):
            parts = self._receive()
            if parts is None:
                return
            self.heard = self._now()
            try:
                message = decode(parts)
            except BadMessage:
                self.counters.garbage += 1  # a stranger's bytes are no reason to stop
                continue
            self.counters.messages += 1
            self._take(message, self.address, self.heard)
        if self._loop is not None:
            self._again = self._loop.call_soon(self._turn)

    def _receive(self) -> list[bytes] | None:
        """A message; None where there is none yet."""
        if self._socket.closed:
            return None
        try:
            parts = [self._socket.recv(zmq.NOBLOCK)]
            while self._socket.getsockopt(zmq.RCVMORE):
                part = self._socket.recv(zmq.NOBLOCK)
                if len(parts) <= MOST_PARTS:
                    parts.append(part)
        except zmq.Again:
            return None
        return parts

    def silent_for(self, now: float) -> float | None:
        """Seconds since anything came; None: nothing ever did."""
        return None if self.heard is None else now - self.heard

    def close(self) -> None:
        if self._loop is not None:
            self._loop.remove_reader(self._socket.FD)
            self._loop = None
        if self._again is not None:
            self._again.cancel()
            self._again = None
        self._socket.close()
        if self._own:
            self._context.term()
