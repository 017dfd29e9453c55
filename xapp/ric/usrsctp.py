"""Associations over SCTP of this process (libusrsctp), for machines whose kernel has none.

Nothing here runs in another thread: `usrsctp_stack` has the library inside the event loop. How
packets travel is for `encapsulation`, and what the library wants for `usrsctp_library`.
"""

from __future__ import annotations

import asyncio
import errno
from collections import Counter
from dataclasses import replace

from xapp.errors import TransportError
from xapp.ric import usrsctp_library
from xapp.ric.address import Address
from xapp.ric.association import Admission, QueuedAssociation, reason_of
from xapp.ric.encapsulation import Peer, Way
from xapp.ric.transport import Limits, OnAssociation
from xapp.ric.usrsctp_stack import Stack, bind_free_port, stack_of_loop

MESSAGES_AT_ONCE = 64  # of one association, before others have their turn
# Listening sockets of the library by SCTP port: whichever way packets come, they share one.
_acceptors: dict[int, Acceptor] = {}


def available() -> bool:
    """Whether the library is installed."""
    try:
        usrsctp_library.load()
    except OSError:
        return False
    return True


def listen(address: Address, on_association: OnAssociation, limits: Limits) -> UsrsctpListener:
    """Take associations at `address`."""
    stack = stack_of_loop()
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
    stack = stack_of_loop()
    try:
        association = _begun(stack, address, limits)
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


def _begun(stack: Stack, address: Address, limits: Limits) -> UsrsctpAssociation:
    """An association that is on its way up, from any address and a free UDP port."""
    here = replace(address, host="::" if ":" in address.host else "0.0.0.0",
                   udp=0 if address.udp == 0 else None)
    library, way = stack.library, stack.open_way(here, address)
    way.use()
    try:
        peer = way.peer(_name(address))
        handle = library.open(limits)
        try:
            library.set_path(handle, limits, peer.packet_bytes())
            port = bind_free_port(library, handle)
            library.connect(handle, address.port, peer.number)
        except BaseException:
            library.close(handle)
            raise
    except OSError as error:
        raise TransportError(f"{address} cannot be reached: {reason_of(error)}.",
                             "Look whether something listens there.") from error
    else:
        return UsrsctpAssociation(stack, handle, peer, address.port, limits, port)
    finally:
        way.release()


def _name(address: Address) -> tuple[str, int] | tuple[str, int, int, int]:
    """As a socket says it, so that packets from there are known."""
    port = address.udp or 0
    return (address.host, port, 0, 0) if ":" in address.host else (address.host, port)


class Acceptor:
    """A listening socket of the library, for the listeners of a port."""

    def __init__(self, stack: Stack, port: int, limits: Limits) -> None:
        self._stack, self._library = stack, stack.library
        self.listeners: dict[Way, UsrsctpListener] = {}
        self._handle = self._library.open(limits)
        try:
            if port:
                self._library.bind(self._handle, port)
            else:
                port = bind_free_port(self._library, self._handle)
            self._library.listen(self._handle)
        except BaseException:
            self._library.close(self._handle)
            raise
        self.port = port
        stack.users[self._handle] = _acceptors[port] = self

    def look(self) -> bool:
        """Take who waits."""
        while self.listeners and (found := self._library.accept(self._handle)) is not None:
            handle, number, port = found
            peer = self._stack.peers.get(number)
            listener = self.listeners.get(peer.way) if peer is not None else None
            if peer is None or listener is None:
                self._library.close(handle)  # one whose way has no listener at this port
            else:
                listener.take(handle, peer, port)
        return True

    def remove(self, way: Way) -> None:
        """No listener there any more; with the last, the port is free again."""
        del self.listeners[way]
        if not self.listeners:
            del self._stack.users[self._handle], _acceptors[self.port]
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
        shared = _acceptors.get(address.port)
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

    def take(self, handle: int, peer: Peer, port: int) -> None:
        """Make an association of a connected socket, unless it is one too many."""
        library = self._stack.library
        if self._closed or self._admission.objection(peer.host) is not None:
            library.close(handle)
            return
        try:
            library.set_path(handle, self._limits, peer.packet_bytes(), (peer.number, port))
        except OSError:  # it went as it came
            library.close(handle)
            return
        association = UsrsctpAssociation(
            self._stack, handle, peer, port, self._limits, self.port)
        self._admission.taken(association)
        association.succeeded(lambda: self.take(handle, peer, port))
        self._on_association(association)
        library.ready[handle] = None  # what came before anybody looked

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
        self._library.close(self._handle)
        self._leave()

    def _leave(self) -> None:
        del self._stack.users[self._handle]
        self._peer.way.part_with(self._peer)
        self._peer.way.release(self._own_port)
        self._stack.end_if_unused()

    def look(self) -> bool:
        """Go on with what waits to be sent, and with what came."""
        if self._outbox:
            self._writable()
        for count in range(MESSAGES_AT_ONCE):
            if self._gone or self._paused:
                return count > 0
            try:
                data, ppid, flags = self._library.read(self._handle)
            except BlockingIOError:
                if self._lost_it:
                    self._lost("aborted by its peer")
                return count > 0
            except OSError as error:
                if error.errno != errno.ENOTCONN:  # not yet
                    self._lost(reason_of(error))
                return count > 0
            if flags & usrsctp_library.NOTIFICATION:
                self._notified(data)
            elif not data:
                self._lost("closed by its peer")
            else:
                self._part(data, ppid, bool(flags & usrsctp_library.END_OF_MESSAGE))
        self._read_on()  # when others had their turn
        return True

    def _notified(self, data: bytes) -> None:
        if len(data) < usrsctp_library.CHANGE.size:
            return
        kind, _, _, state, _ = usrsctp_library.CHANGE.unpack_from(data)
        if kind != usrsctp_library.ASSOCIATION_CHANGE:
            return
        if state == usrsctp_library.UP:
            self._answered()
        elif state == usrsctp_library.RESTARTED:
            self._restarted()
        elif state == usrsctp_library.NOT_STARTED:
            self._lost("connection refused")
        elif state == usrsctp_library.LOST:
            self._lost_it = True  # what is read next tells why
