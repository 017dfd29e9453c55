"""The SCTP library of this process inside an event loop: packets come from the loop's sockets, time
from its clock, and whoever has something to do is looked at.

The library is one for the whole process, so that only one event loop can use it at a time. It is
there while something uses it. What an association is, is not known here.
"""

from __future__ import annotations

import asyncio
import errno
import random
from typing import Protocol

from xapp.errors import ConfigurationError, TransportError
from xapp.ric.address import Address
from xapp.ric.association import reason_of
from xapp.ric.encapsulation import Peers, Way
from xapp.ric.sctp_packet import acknowledges_alone, association_of
from xapp.ric.usrsctp_library import Library

TICK_SECONDS = 0.01  # between calls for the library's timers, whose least is ten times that
# For which an acknowledgement waits, unless a message is not whole yet: what a report leads to goes
# first, and is not held up while the kernel takes this. SCTP lets it wait for 200 ms.
ACKNOWLEDGED_SECONDS = 0.003
FREE_PORTS = range(49152, 65536)  # that nobody has by name
FREE_PORT_TRIES = 100


class User(Protocol):
    """Who has a socket of the library."""

    def look(self) -> bool:
        """Something happened there; whether it took anything."""


class Stack:
    """The library, its sockets and the ways of its packets."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.library = Library(self._transmit)
        self.peers = Peers(self.library.know, self.library.forget)
        self.users: dict[int, User] = {}  # by the library's handle
        self._answering = False  # the library is being given a packet
        self._acknowledging = False  # it acknowledged that one
        # Acknowledgements that wait, by peer and association: a newer one says all of an older.
        self._acknowledgements: dict[tuple[int, bytes], bytes] = {}
        self._ways: dict[tuple[str, int], Way] = {}
        self._ticked = self.loop.time()
        self._timer = self.loop.call_later(TICK_SECONDS, self._tick)

    def way_at(self, address: Address) -> Way:
        """Where packets to `address` come; listeners of several SCTP ports share one."""
        way = self._ways.get((address.host, address.udp)) if address.udp is not None else None
        if way is None:
            way = self.open_way(address, address)
            self._ways[address.host, way.udp] = way
        return way

    def open_way(self, here: Address, asked: Address) -> Way:
        """A socket of its own for packets, at `here`."""
        try:
            return Way(here, self.peers, self._receive, self.look)
        except OSError as error:
            raise _no_way(asked, error) from error

    def _receive(self, number: int, address: int, length: int) -> None:
        """A packet of a peer lies at that address."""
        self._answering = True
        try:
            self.library.receive(number, address, length)
        finally:
            self._answering = False

    def _transmit(self, number: int, packet: bytes) -> None:
        if self._answering and acknowledges_alone(packet):
            if not self._acknowledgements:
                self.loop.call_later(ACKNOWLEDGED_SECONDS, self._acknowledge)
            self._acknowledgements[number, association_of(packet)] = packet
            self._acknowledging = True
        else:
            self._send(number, packet)

    def _acknowledge(self) -> None:
        waiting, self._acknowledgements = self._acknowledgements, {}
        for (number, _), packet in waiting.items():
            self._send(number, packet)

    def _send(self, number: int, packet: bytes) -> None:
        peer = self.peers.get(number)
        if peer is not None:
            peer.way.send(peer, packet)

    def look(self) -> None:
        """Let those go on whose sockets have something."""
        ready, took = self.library.ready, False
        while ready:
            handle, _ = ready.popitem()
            user = self.users.get(handle)
            if user is not None:
                took |= user.look()
        if self._acknowledging and not took:
            self._acknowledge()  # what came is a part of a message, and the rest may wait for it
        self._acknowledging = False

    def _tick(self) -> None:
        now = self.loop.time()
        passed = int((now - self._ticked) * 1e3)
        self._ticked += passed / 1e3
        self.library.tick(passed)
        self.look()
        self._timer = self.loop.call_later(TICK_SECONDS, self._tick)
        self.end_if_unused()

    def end_if_unused(self) -> None:
        """Let go of what nobody needs any more, of the library too when that is all."""
        for place in [place for place, way in self._ways.items() if way.unused]:
            del self._ways[place]
        global _stack
        # It does not end while an association is being taken down: then it is tried again.
        if not self.users and not self._ways and self.library.finish():
            self._timer.cancel()
            if _stack is self:
                _stack = None

    def move(self, loop: asyncio.AbstractEventLoop) -> None:
        """Go on in another loop, if the one before left nothing."""
        if self.users:
            raise ConfigurationError("SCTP of this process is in use by another event loop.",
                                     "Close its listeners and associations first.")
        self._timer.cancel()
        self._acknowledgements.clear()
        self.loop, self._ticked = loop, loop.time()
        self._timer = loop.call_later(TICK_SECONDS, self._tick)


_stack: Stack | None = None


def stack_of_loop() -> Stack:
    """The library in the event loop that runs."""
    global _stack
    if _stack is None:
        _stack = Stack()
    elif _stack.loop is not asyncio.get_running_loop():
        _stack.move(asyncio.get_running_loop())
    return _stack


def bind_free_port(library: Library, handle: int) -> int:
    """Take a free port, which is returned."""
    for _ in range(FREE_PORT_TRIES):
        port = random.choice(FREE_PORTS)
        try:
            library.bind(handle, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            return port
    raise OSError(errno.EADDRINUSE, "no free SCTP port")


def _no_way(address: Address, error: OSError) -> TransportError:
    remedy = {
        errno.EADDRINUSE: f"Another program has UDP port {address.udp}: end it (ss -lnpu shows "
                          "who), or choose another with ?udp=PORT.",
        errno.EADDRNOTAVAIL: "This machine does not have that address: ip addr lists those it has.",
        errno.EPERM: "Raw IP needs CAP_NET_RAW: run as root, or carry SCTP in UDP (?udp=9899).",
        errno.EACCES: "Choose a UDP port from 1024, or run with CAP_NET_BIND_SERVICE.",
    }.get(error.errno or 0, "Choose another address.")
    return TransportError(f"{address} cannot be used: {reason_of(error)}.", remedy)
