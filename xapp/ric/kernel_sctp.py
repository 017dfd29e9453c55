"""Associations over the kernel's SCTP: one-to-one sockets of the standard library.

The payload protocol identifier goes with a message as ancillary data (RFC 6458, section 5.3.2). A
message that comes in parts is put together here; notifications say why an association ended.
Constants and layouts are those of Linux, include/uapi/linux/sctp.h.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import struct
from collections import Counter
from contextlib import suppress

from xapp.errors import ConfigurationError, NoTransport, TransportError
from xapp.ric.address import Address
from xapp.ric.association import Admission, QueuedAssociation, reason_of
from xapp.ric.transport import Limits, OnAssociation

IPPROTO_SCTP = 132
# Options of its sockets.
RTO, ASSOCIATION, INIT, NODELAY, PATH, EVENTS, ENCAPSULATION = 0, 1, 2, 3, 9, 11, 132
SEND_RECEIVE = 1  # kind of ancillary data: SCTP_SNDRCV
# stream, number, flags; identifier; context, time to live, transmission numbers, association
SEND_RECEIVE_INFO = struct.Struct("=HHHxxIIIIIi")
RTO_INFO = struct.Struct("=iIII")  # association; first, most, least in ms
ASSOCIATION_INFO = struct.Struct("=iHHIII")  # association; retransmissions, and four not set
INIT_INFO = struct.Struct("=HHHH")  # streams out, streams in, attempts, most ms
# association, address (any); ms between heartbeats; retransmissions; 0 leaves the rest as it is
PATH_INFO = struct.Struct("=i128sIHIIIIBx")
ENCAPSULATION_INFO = struct.Struct("=i4x128sH6x")  # association, address (any), port
HEARTBEATS_ON = 1
# Events: data's ancillary data and changes of the association, of ten kinds.
WANTED_EVENTS = bytes([1, 1, 0, 0, 0, 0, 0, 0, 0, 0])
NOTIFICATION = 0x8000  # MSG_NOTIFICATION
ASSOCIATION_CHANGE = 0x8001
CHANGE = struct.Struct("=HHIHH")  # type, flags, length; state, error
LOST, RESTARTED, SHUT_DOWN = 1, 2, 3
STREAMS = 16  # each way; E2 nodes use one or two
READ_BYTES = 64 << 10  # at a time; what is longer comes in parts
ANCILLARY_BYTES = 128  # room for what WANTED_EVENTS brings
MESSAGES_AT_ONCE = 64  # of one association, before others have their turn
BACKLOG = 128
EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
EXHAUSTED_SECONDS = 1.0  # until it is tried again to take callers
SO_SNDBUFFORCE = 32


def available() -> bool:
    """Whether this kernel has SCTP; asking loads its module where that is allowed."""
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_SCTP).close()
    except OSError:
        return False
    return True


def listen(address: Address, on_association: OnAssociation, limits: Limits) -> KernelListener:
    """Take associations at `address`."""
    if address.udp:
        raise ConfigurationError(
            f"{address} cannot be listened on: the kernel's SCTP takes UDP for all or none.",
            f"Leave udp={address.udp} out, and say: sysctl net.sctp.udp_port={address.udp}")
    plain = _socket(address, limits)
    try:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if address.family == socket.AF_INET6:
            plain.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        plain.bind((address.host, address.port))
        plain.listen(BACKLOG)
    except OSError as error:
        plain.close()
        raise cannot_listen(address, error) from error
    return KernelListener(plain, address, on_association, limits)


def cannot_listen(address: Address, error: OSError) -> TransportError:
    """What to do where the system does not let us listen."""
    remedy = {
        errno.EADDRINUSE: f"Another program has port {address.port}: end it (ss -lnpS shows "
                          "those with SCTP), or choose another port.",
        errno.EADDRNOTAVAIL: "This machine does not have that address: ip addr lists those it has.",
        errno.EACCES: "Choose a port from 1024, or run with CAP_NET_BIND_SERVICE.",
        errno.ENOSYS: "The kernel's SCTP lacks its hash: modprobe hmac, then modprobe -r sctp and "
                      "modprobe sctp.",
    }.get(error.errno or 0, "Choose another address.")
    return TransportError(f"{address} cannot be listened on: {reason_of(error)}.", remedy)


async def connect(address: Address, limits: Limits) -> KernelAssociation:
    """An association with who listens at `address`."""
    plain = _socket(address, limits)
    try:
        if address.udp:
            plain.setsockopt(IPPROTO_SCTP, ENCAPSULATION,
                             ENCAPSULATION_INFO.pack(0, b"", socket.htons(address.udp)))
        async with asyncio.timeout(limits.connect_seconds):
            await _connected(plain, (address.host, address.port))
    except TimeoutError as error:
        plain.close()
        raise TransportError(f"{address} did not answer within {limits.connect_seconds:g} s.",
                             "Look whether something listens there, and whether a firewall lets "
                             "IP protocol 132 through.") from error
    except OSError as error:
        plain.close()
        raise TransportError(f"{address} cannot be reached: {reason_of(error)}.",
                             "Look whether something listens there.") from error
    except BaseException:
        plain.close()
        raise
    return KernelAssociation(plain, _named(address, plain.getpeername()), address.host, limits)


def _socket(address: Address, limits: Limits) -> socket.socket:
    try:
        plain = socket.socket(address.family, socket.SOCK_STREAM, IPPROTO_SCTP)
    except OSError as error:
        raise NoTransport(f"{address} cannot be used: this kernel has no SCTP "
                          f"({reason_of(error)}).",
                          "Load it (modprobe sctp), or use usrsctp://.") from error
    try:
        plain.setblocking(False)
        set_options(plain, limits)
    except BaseException:
        plain.close()
        raise
    return plain


def set_options(plain: socket.socket, limits: Limits) -> None:
    """Timing and buffers of an association; on a listening socket, of those to come."""
    first, most, least = (round(seconds * 1e3) for seconds in (
        limits.first_timeout_seconds, limits.most_timeout_seconds, limits.least_timeout_seconds))
    for option, value in (
        (NODELAY, struct.pack("=i", 1)),  # a decision waits for no other
        (EVENTS, WANTED_EVENTS),
        (INIT, INIT_INFO.pack(STREAMS, STREAMS, 0, most)),
        (RTO, RTO_INFO.pack(0, first, most, least)),
        (ASSOCIATION, ASSOCIATION_INFO.pack(0, limits.retransmissions, 0, 0, 0, 0)),
        (PATH, PATH_INFO.pack(0, b"", round(limits.heartbeat_seconds * 1e3),
                              limits.retransmissions, 0, 0, HEARTBEATS_ON, 0, 0)),
    ):
        plain.setsockopt(IPPROTO_SCTP, option, value)
    _make_room(plain, limits)


def _make_room(plain: socket.socket, limits: Limits) -> None:
    """The kernel sends no message that is larger than its buffer."""
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, limits.message_bytes)
    if _send_room(plain) < limits.message_bytes:
        with suppress(PermissionError):  # which is told below
            plain.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, limits.message_bytes)
    if _send_room(plain) < limits.message_bytes:
        raise ConfigurationError(
            f"Messages of {limits.message_bytes:,} bytes are more than this kernel sends.",
            f"Allow it: sysctl net.core.wmem_max={limits.message_bytes}")


def _send_room(plain: socket.socket) -> int:
    return plain.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)


async def _connected(plain: socket.socket, target: tuple[str, int]) -> None:
    """Until the association is up; OSError where it is refused."""
    loop = asyncio.get_running_loop()
    begun = plain.connect_ex(target)
    if begun == errno.EINPROGRESS:
        up: asyncio.Future[None] = loop.create_future()
        loop.add_writer(plain, _answered, up)
        try:
            await up
        finally:
            loop.remove_writer(plain)
        begun = plain.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if begun:
        raise OSError(begun, os.strerror(begun))


def _answered(up: asyncio.Future[None]) -> None:
    if not up.done():
        up.set_result(None)


def _named(address: Address, name: tuple[str, int]) -> str:
    return str(Address(address.scheme, name[0], name[1], address.udp))


class KernelListener:
    """A listening socket."""

    def __init__(self, plain: socket.socket, address: Address, on_association: OnAssociation,
                 limits: Limits) -> None:
        self.address = Address(address.scheme, address.host, plain.getsockname()[1])
        self._socket, self._limits = plain, limits
        self._on_association = on_association
        self._admission = Admission(limits)
        self._loop = asyncio.get_running_loop()
        self._again: asyncio.TimerHandle | None = None
        self._listen()

    @property
    def port(self) -> int:
        return self.address.port

    @property
    def refused(self) -> Counter[str]:
        return self._admission.refused

    def close(self) -> None:
        """Take no more."""
        if self._again is not None:
            self._again.cancel()
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket)
            self._socket.close()

    async def wait_closed(self) -> None:
        """The socket is closed at once."""

    def _listen(self) -> None:
        self._again = None
        self._loop.add_reader(self._socket, self._accept)

    def _accept(self) -> None:
        for _ in range(BACKLOG):
            try:
                plain, name = self._socket.accept()
            except OSError as error:
                if error.errno in EXHAUSTED:
                    self._admission.refused["exhausted"] += 1
                    self._loop.remove_reader(self._socket)
                    self._again = self._loop.call_later(EXHAUSTED_SECONDS, self._listen)
                return  # or nobody is there, or not any more
            self._take(plain, name)
            if self._socket.fileno() < 0:
                return  # closed by who was told

    def _take(self, plain: socket.socket, name: tuple[str, int]) -> None:
        if self._socket.fileno() < 0 or self._admission.objection(name[0]) is not None:
            cut(plain)
            return
        try:
            plain.setblocking(False)
            set_options(plain, self._limits)
        except OSError:  # it went as it came
            plain.close()
            return
        association = KernelAssociation(plain, _named(self.address, name), name[0], self._limits)
        self._admission.taken(association)
        association.succeeded(lambda: self._take(plain, name))
        self._on_association(association)


def cut(plain: socket.socket) -> None:
    """Close a socket so that its peer is told of an abort."""
    with suppress(OSError):  # no association any more: closed all the same
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    plain.close()


class KernelAssociation(QueuedAssociation):
    """A connected socket."""

    def __init__(self, plain: socket.socket, peer: str, host: str, limits: Limits) -> None:
        super().__init__(peer, host, limits)
        self._socket = plain
        self._read_on()

    def _write(self, payload: bytes, ppid: int) -> bool:
        info = SEND_RECEIVE_INFO.pack(0, 0, 0, socket.htonl(ppid), 0, 0, 0, 0, 0)
        try:
            self._socket.sendmsg([payload], [(IPPROTO_SCTP, SEND_RECEIVE, info)],
                                 socket.MSG_NOSIGNAL)
        except BlockingIOError:
            self._loop.add_writer(self._socket, self._can_write)
            return False
        return True

    def _can_write(self) -> None:
        self._loop.remove_writer(self._socket)
        self._writable()

    def _read_on(self) -> None:
        self._loop.add_reader(self._socket, self._readable)

    def _shut_down(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError as error:
            self._lost(reason_of(error))

    def _leave(self) -> None:
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)

    def _cut(self) -> None:
        self._leave()
        cut(self._socket)

    def _readable(self) -> None:
        for _ in range(MESSAGES_AT_ONCE):
            try:
                data, ancillary, flags, _ = self._socket.recvmsg(READ_BYTES, ANCILLARY_BYTES)
            except BlockingIOError:
                return
            except OSError as error:
                self._lost(reason_of(error))
                return
            if flags & NOTIFICATION:
                self._notified(data)
            elif not data:
                self._lost("closed by its peer")
            else:
                self._part(data, _ppid(ancillary), bool(flags & socket.MSG_EOR))
            if self._gone:
                return
            if self._paused:
                self._loop.remove_reader(self._socket)
                return

    def _notified(self, data: bytes) -> None:
        if len(data) < CHANGE.size:
            return
        kind, _, _, state, _ = CHANGE.unpack_from(data)
        if kind != ASSOCIATION_CHANGE:
            return
        if state == RESTARTED:
            self._restarted()
        elif state == SHUT_DOWN:
            self._lost("closed by its peer")  # who closed first reads no end of file behind it
        elif state == LOST:
            # The socket tells more: a reset by the peer, or a time-out.
            error = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            self._lost(reason_of(OSError(error or errno.ECONNRESET, os.strerror(error)))
                       if error else "aborted by its peer")


def _ppid(ancillary: list[tuple[int, int, bytes]]) -> int:
    for level, kind, info in ancillary:
        if level == IPPROTO_SCTP and kind == SEND_RECEIVE and len(info) == SEND_RECEIVE_INFO.size:
            return socket.ntohl(int(SEND_RECEIVE_INFO.unpack(info)[3]))
    return 0
