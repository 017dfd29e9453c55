"""Associations over SCTP of this process (libusrsctp), for machines whose kernel has none.

The library runs inside the event loop: packets come from the loop's sockets, time from its clock.
Nothing here runs in another thread. How packets travel is for `encapsulation`; what the library
wants is for `usrsctp_library`. The library is one for the whole process, so that only one event
loop can use it at a time.
"""

from __future__ import annotations

import asyncio
import errno
import random
from collections import Counter
from dataclasses import replace

from xapp.errors import ConfigurationError, TransportError
from xapp.ric import usrsctp_library
from xapp.ric.address import Address
from xapp.ric.association import Admission, QueuedAssociation, reason_of
from xapp.ric.encapsulation import Peer, Peers, Way
from xapp.ric.transport import Limits, OnAssociation
from xapp.ric.usrsctp_library import Library

TICK_SECONDS = 0.01  # between calls for the library's timers, whose least is ten times that
MESSAGES_AT_ONCE = 64  # of one association, before others have their turn
FREE_PORTS = range(49152, 65536)  # that nobody has by name
FREE_PORT_TRIES = 100


def available() -> bool:
    """Whether the library is installed."""
    try:
        usrsctp_library.load()
    except OSError:
        return False
    return True


def listen(address: Address, on_association: OnAssociation, limits: Limits) -> UsrsctpListener:
    """Take associations at `address`."""
    stack = _stack_of_loop()
    try:
        way = stack.way_at(address)
        way.use()
        try:
            return UsrsctpListener(stack, way, address, on_association, limits)
        finally:
            way.release()
    finally:
        stack.end_if_unused()


async def connect(address: Address, limits: Limits) -> UsrsctpAssociation:
    """An association with who listens at `address`."""
    stack = _stack_of_loop()
    try:
        association = stack.connect(address, limits)
    finally:
        stack.end_if_unused()
    try:
        async with asyncio.timeout(limits.connect_seconds):
            await association.up
    except TimeoutError as error:
        association.abort()
        raise TransportError(
            f"{address} did not answer within {limits.connect_seconds:g} s.",
            "Look whether something listens there, over the same UDP port, and whether a firewall "
            "lets it through.") from error
    except BaseException:
        association.abort()
        raise
    if association.ended is not None:
        raise TransportError(f"{address} cannot be reached: {association.ended}.",
                             "Look whether something listens there.")
    return association


class Stack:
    """The library, its sockets and the ways of its packets, in one event loop."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.library = Library(self._transmit)
        self.peers = Peers(self.library.know, self.library.forget)
        self.users: dict[int, UsrsctpAssociation | Acceptor] = {}  # by the library's handle
        self.acceptors: dict[int, Acceptor] = {}  # by SCTP port
        self._ways: dict[tuple[str, int], Way] = {}
        self._ticked = self.loop.time()
        self._timer = self.loop.call_later(TICK_SECONDS, self._tick)

    def way_at(self, address: Address) -> Way:
        """Where packets to `address` come; listeners of several SCTP ports share one."""
        way = self._ways.get((address.host, address.udp)) if address.udp is not None else None
        if way is None:
            way = self._open(address, address)
            self._ways[address.host, way.udp] = way
        return way

    def connect(self, address: Address, limits: Limits) -> UsrsctpAssociation:
        """Begin an association, from any address and a free UDP port."""
        here = replace(address, host="::" if ":" in address.host else "0.0.0.0",
                       udp=0 if address.udp == 0 else None)
        way = self._open(here, address)
        way.use()
        try:
            peer = way.peer(_name(address))
            handle = self.library.open(limits)
            try:
                self.library.set_path(handle, limits, peer.packet_bytes())
                port = _bound(self.library, handle)
                self.library.connect(handle, address.port, peer.number)
            except BaseException:
                self.library.close(handle)
                raise
        except OSError as error:
            raise TransportError(f"{address} cannot be reached: {reason_of(error)}.",
                                 "Look whether something listens there.") from error
        else:
            return UsrsctpAssociation(self, handle, peer, address.port, limits, port)
        finally:
            way.release()

    def _open(self, here: Address, asked: Address) -> Way:
        try:
            return Way(here, self.peers, self.library.receive, self.look)
        except OSError as error:
            raise _no_way(asked, error) from error

    def _transmit(self, number: int, packet: bytes) -> None:
        peer = self.peers.get(number)
        if peer is not None:
            peer.way.send(peer, packet)

    def look(self) -> None:
        """Let those go on whose sockets have something."""
        ready = self.library.ready
        while ready:
            handle, _ = ready.popitem()
            user = self.users.get(handle)
            if user is not None:
                user.look()

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
        for place in [place for place, known in self._ways.items() if known.unused]:
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
        self.loop, self._ticked = loop, loop.time()
        self._timer = loop.call_later(TICK_SECONDS, self._tick)


_stack: Stack | None = None


def _stack_of_loop() -> Stack:
    global _stack
    if _stack is None:
        _stack = Stack()
    elif _stack.loop is not asyncio.get_running_loop():
        _stack.move(asyncio.get_running_loop())
    return _stack


def _bound(library: Library, handle: int) -> int:
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


def _name(address: Address) -> tuple[str, int] | tuple[str, int, int, int]:
    """As a socket says it, so that packets from there are known."""
    port = address.udp or 0
    return (address.host, port, 0, 0) if ":" in address.host else (address.host, port)


def _no_way(address: Address, error: OSError) -> TransportError:
    remedy = {
        errno.EADDRINUSE: f"Another program has UDP port {address.udp}: end it (ss -lnpu shows "
                          "who), or choose another with ?udp=PORT.",
        errno.EADDRNOTAVAIL: "This machine does not have that address: ip addr lists those it has.",
        errno.EPERM: "Raw IP needs CAP_NET_RAW: run as root, or carry SCTP in UDP (?udp=9899).",
        errno.EACCES: "Choose a UDP port from 1024, or run with CAP_NET_BIND_SERVICE.",
    }.get(error.errno or 0, "Choose another address.")
    return TransportError(f"{address} cannot be used: {reason_of(error)}.", remedy)


class Acceptor:
    """A listening socket of the library: one for a port, whichever way packets come."""

    def __init__(self, stack: Stack, port: int, limits: Limits) -> None:
        self._stack, self._library = stack, stack.library
        self.listeners: dict[Way, UsrsctpListener] = {}
        self._handle = self._library.open(limits)
        try:
            if port:
                self._library.bind(self._handle, port)
            else:
                port = _bound(self._library, self._handle)
            self._library.listen(self._handle)
        except BaseException:
            self._library.close(self._handle)
            raise
        self.port = port
        stack.users[self._handle] = stack.acceptors[port] = self

    def look(self) -> None:
        """Take who waits."""
        while self.listeners and (found := self._library.accept(self._handle)) is not None:
            handle, number, port = found
            peer = self._stack.peers.get(number)
            listener = self.listeners.get(peer.way) if peer is not None else None
            if peer is None or listener is None or not listener.take(handle, peer, port):
                self._library.close(handle)

    def remove(self, way: Way) -> None:
        """No listener there any more; with the last, the port is free again."""
        del self.listeners[way]
        if not self.listeners:
            del self._stack.users[self._handle], self._stack.acceptors[self.port]
            self._library.close(self._handle)


class UsrsctpListener:
    """Associations that come one way to one port."""

    def __init__(self, stack: Stack, way: Way, address: Address, on_association: OnAssociation,
                 limits: Limits) -> None:
        self._stack, self._way, self._limits = stack, way, limits
        self._on_association = on_association
        self._admission = Admission(limits)
        self._closed = False
        self._acceptor = self._take_port(address)
        self._acceptor.listeners[way] = self
        way.use(self._acceptor.port)
        self.address = replace(address, port=self._acceptor.port, udp=way.udp)

    def _take_port(self, address: Address) -> Acceptor:
        shared = self._stack.acceptors.get(address.port)
        try:
            if shared is None:
                return Acceptor(self._stack, address.port, self._limits)
            if self._way in shared.listeners:
                raise OSError(errno.EADDRINUSE, "address already in use")
        except OSError as error:
            raise TransportError(
                f"{address} cannot be listened on: {reason_of(error)}.",
                f"This process listens on port {address.port} already: choose another.") from error
        return shared

    @property
    def port(self) -> int:
        return self.address.port

    @property
    def refused(self) -> Counter[str]:
        return self._admission.refused

    def take(self, handle: int, peer: Peer, port: int) -> bool:
        """Whether the association is taken."""
        if self._admission.objection(peer.host) is not None:
            return False
        association = UsrsctpAssociation(
            self._stack, handle, peer, port, self._limits, self.port)
        try:
            self._stack.library.set_path(handle, self._limits, peer.packet_bytes(),
                                         (peer.number, port))
        except OSError as error:
            association.abort(reason_of(error))  # it went as it came
            return True
        self._admission.taken(association)
        self._on_association(association)
        self._stack.library.ready[handle] = None  # what came before anybody looked
        return True

    def close(self) -> None:
        """Take no more."""
        if not self._closed:
            self._closed = True
            self._acceptor.remove(self._way)
            self._way.release(self.port)
            self._stack.end_if_unused()

    async def wait_closed(self) -> None:
        """The port is free at once; packets of associations come as before."""


class UsrsctpAssociation(QueuedAssociation):
    """A connected socket of the library, or one that is being connected."""

    def __init__(self, stack: Stack, handle: int, peer: Peer, port: int, limits: Limits,
                 own_port: int) -> None:
        super().__init__(str(Address("usrsctp", peer.host, port, peer.name[1])), peer.host, limits)
        self.up: asyncio.Future[None] = self._loop.create_future()
        self.at_end(self._answered)
        self._stack, self._library = stack, stack.library
        self._handle, self._peer, self._own_port = handle, peer, own_port
        self._lost_it = False
        stack.users[handle] = self
        peer.way.use(own_port)
        peer.way.befriend(peer)

    def _answered(self) -> None:
        if not self.up.done():
            self.up.set_result(None)

    def _write(self, payload: bytes, ppid: int) -> bool:
        return self._library.send(self._handle, payload, ppid)

    def _read_on(self) -> None:
        self._library.ready[self._handle] = None
        self._loop.call_soon(self._stack.look)

    def _shut_down(self) -> None:
        try:
            self._library.shut_down(self._handle)
        except OSError as error:
            self._lost(reason_of(error))

    def _cut(self) -> None:
        del self._stack.users[self._handle]
        self._library.close(self._handle)
        self._peer.way.part_with(self._peer)
        self._peer.way.release(self._own_port)
        self._stack.end_if_unused()

    def look(self) -> None:
        """Go on with what waits to be sent, and with what came."""
        if self._outbox:
            self._writable()
        for _ in range(MESSAGES_AT_ONCE):
            if self._gone or self._paused:
                return
            try:
                data, ppid, flags = self._library.read(self._handle)
            except BlockingIOError:
                if self._lost_it:
                    self._lost("aborted by its peer")
                return
            except OSError as error:
                if error.errno != errno.ENOTCONN:  # not yet
                    self._lost(reason_of(error))
                return
            if flags & usrsctp_library.NOTIFICATION:
                self._notified(data)
            elif not data:
                self._lost("closed by its peer")
            else:
                self._part(data, ppid, bool(flags & usrsctp_library.END_OF_MESSAGE))
        self._read_on()  # when others had their turn

    def _notified(self, data: bytes) -> None:
        if len(data) < usrsctp_library.CHANGE.size:
            return
        kind, _, _, state, _ = usrsctp_library.CHANGE.unpack_from(data)
        if kind != usrsctp_library.ASSOCIATION_CHANGE:
            return
        if state == usrsctp_library.UP:
            self._answered()
        elif state == usrsctp_library.RESTARTED:
            # The peer knows nothing of what was said before: a new association has to tell it.
            self._lost("its peer started anew")
        elif state == usrsctp_library.NOT_STARTED:
            self._lost("connection refused")
        elif state == usrsctp_library.LOST:
            self._lost_it = True  # what is read next tells why
