"""libusrsctp through ctypes: SCTP as a library of this process, without a thread of its own.

The library gets datagrams by `receive`, hands them out by `transmit`, and learns of time by `tick`;
peers are numbers that the caller gives. So it does nothing unless it is called, all of it happens
in the caller's thread, and no lock or wake-up of another thread is in the way of a message. While
one of its functions runs, it only notes which sockets need a look; they get it afterwards.
It knows no UDP and no event loop; what was sent when, the library looks up itself. Constants and
layouts are those of usrsctp.h 0.9.5.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import errno
import os
import socket
import struct
from collections.abc import Callable
from functools import cache
from typing import Any

from xapp.errors import NoTransport
from xapp.ric.transport import Limits

AF_CONN = 123  # addresses are pointers, which here are numbers of peers
IPPROTO_SCTP = 132
# Options of its sockets.
RTO, ASSOCIATION, INIT, NODELAY, PATH, EVENT, RECEIVE_INFO = 1, 2, 3, 4, 10, 0x1e, 0x1f
RTO_INFO = struct.Struct("=IIII")  # association; first, most, least in ms
ASSOCIATION_INFO = struct.Struct("=IIIIHH")  # association; three not set, retransmissions, one not
INIT_INFO = struct.Struct("=HHHH")  # streams out, streams in, attempts, most ms
# address: family, port, peer; association; ms between heartbeats, bytes of a packet, flags, label;
# retransmissions, code point
PATH_INFO = struct.Struct("=HHxxxxQ112xIIIIIHBx")
HEARTBEATS_ON, FIXED_PACKETS = 1, 0x10
EVENT_INFO = struct.Struct("=IHBx")  # association, event, whether it is wanted
SEND_INFO, RECEIVED_INFO = struct.Struct("=HHIII"), struct.Struct("=HHHxxIIIII")
AS_SEND_INFO = 1
ASSOCIATION_CHANGE = 1
CHANGE = struct.Struct("=HHIHH")  # type, flags, length; state, error
UP, LOST, RESTARTED, SHUT_DOWN, NOT_STARTED = 1, 2, 3, 4, 5
NOTIFICATION = 0x2000  # MSG_NOTIFICATION
END_OF_MESSAGE = 0x80  # MSG_EOR
SHUT_WRITING = 1
STREAMS = 16  # each way; E2 nodes use one or two
BACKLOG = 128
READ_BYTES = 256 << 10
# Extensions that E2 has no use for: each is one more way to break in.
EXTENSIONS = ("auto_asconf", "asconf_enable", "auth_enable", "reconfig_enable", "nrsack_enable",
              "pktdrop_enable", "pr_enable")
LIBRARIES = ("libusrsctp.so.2", "libusrsctp.so.1", "libusrsctp.so")

_Output = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t,
                           ctypes.c_uint8, ctypes.c_uint8)
_Upcall = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int)
Transmit = Callable[[int, bytes], None]


class _Place(ctypes.Structure):
    """struct sockaddr_conn"""

    _fields_ = (("family", ctypes.c_uint16), ("port", ctypes.c_uint16),
                ("peer", ctypes.c_void_p))


@cache
def load() -> Any:
    """The library with its functions' types; OSError where it is not installed."""
    library = _open()
    handle, number, size = ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t
    length, whole = ctypes.c_uint32, ctypes.c_ssize_t
    for name, result, *arguments in (
        ("init_nothreads", None, ctypes.c_uint16, _Output, handle),
        ("finish", number),
        ("conninput", None, handle, handle, size, ctypes.c_uint8),
        ("handle_timers", None, length),
        ("register_address", None, handle),
        ("deregister_address", None, handle),
        ("socket", handle, number, number, number, handle, handle, length, handle),
        ("setsockopt", number, handle, number, number, ctypes.c_char_p, length),
        ("set_non_blocking", number, handle, number),
        ("set_upcall", number, handle, _Upcall, handle),
        ("bind", number, handle, handle, length),
        ("listen", number, handle, number),
        ("accept", handle, handle, handle, handle),
        ("connect", number, handle, handle, length),
        ("sendv", whole, handle, ctypes.c_char_p, size, handle, number, ctypes.c_char_p, length,
         ctypes.c_uint, number),
        ("recvv", whole, handle, handle, size, handle, handle, handle, handle, handle, handle),
        ("shutdown", number, handle, number),
        ("close", None, handle),
    ):
        function = getattr(library, f"usrsctp_{name}")
        function.restype, function.argtypes = result, arguments
    return library


def _open() -> ctypes.PyDLL:
    # PyDLL keeps Python's lock during calls: they take microseconds, and to get the lock back
    # from a busy thread takes up to 5 ms.
    for name in LIBRARIES:
        try:
            return ctypes.PyDLL(name, use_errno=True)
        except OSError:
            continue
    found = ctypes.util.find_library("usrsctp")
    if found is None:
        raise OSError(errno.ENOENT, "no libusrsctp")
    return ctypes.PyDLL(found, use_errno=True)


class Library:
    """The library in use; one at a time in a process, from one thread.

    `ready` are sockets where something happened: the caller looks at them and clears it.
    """

    def __init__(self, transmit: Transmit) -> None:
        try:
            self._library = load()
        except OSError as error:
            raise NoTransport("SCTP in this process needs libusrsctp, which is not here.",
                              "Install it: apt-get install libusrsctp2") from error
        self.ready: dict[int, None] = {}
        self._transmit = transmit
        self._output, self._upcall = _Output(self._out), _Upcall(self._noted)
        self._buffer = ctypes.create_string_buffer(READ_BYTES)
        self._address = ctypes.addressof(self._buffer)
        self._view = memoryview(self._buffer).cast("B")
        self._info = ctypes.create_string_buffer(RECEIVED_INFO.size)
        self._place = _Place()
        self._lengths = [ctypes.c_uint32(), ctypes.c_uint32(), ctypes.c_uint(), ctypes.c_int()]
        self._receive_arguments = (
            self._address, READ_BYTES, ctypes.addressof(self._place),
            *(ctypes.addressof(item) for item in
              (self._lengths[0], self._info, *self._lengths[1:])))
        self._library.usrsctp_init_nothreads(0, self._output, None)
        for name in EXTENSIONS:
            getattr(self._library, f"usrsctp_sysctl_set_sctp_{name}")(0)

    def finish(self) -> bool:
        """Whether the library ended; it does not while an association is being ended."""
        return bool(self._library.usrsctp_finish() == 0)

    def _out(self, peer: int, data: int, length: int, _tos: int, _whole: int) -> int:
        self._transmit(peer, ctypes.string_at(data, length))
        return 0  # what is not sent counts as lost on the way, and is sent again

    def _noted(self, handle: int, _argument: int, _flags: int) -> None:
        self.ready[handle] = None

    def receive(self, peer: int, address: int, length: int) -> None:
        """A packet of that peer lies at that address."""
        self._library.usrsctp_conninput(peer, address, length, 0)

    def tick(self, milliseconds: int) -> None:
        """So much time has passed."""
        self._library.usrsctp_handle_timers(milliseconds)

    def know(self, peer: int) -> None:
        """Packets of this peer may come."""
        self._library.usrsctp_register_address(peer)

    def forget(self, peer: int) -> None:
        """None will come any more."""
        self._library.usrsctp_deregister_address(peer)

    def open(self, limits: Limits) -> int:
        """A socket that does not block."""
        handle = self._library.usrsctp_socket(
            AF_CONN, socket.SOCK_STREAM, IPPROTO_SCTP, None, None, 0, None)
        if not handle:
            raise _error()
        try:
            self._prepare(handle)
            self._set_limits(handle, limits)
        except OSError:
            self.close(handle)
            raise
        return int(handle)

    def _prepare(self, handle: int) -> None:
        self._check(self._library.usrsctp_set_non_blocking(handle, 1))
        self._check(self._library.usrsctp_set_upcall(handle, self._upcall, None))
        # A close without delay: who wants one shuts down first.
        self._set(handle, socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._set(handle, IPPROTO_SCTP, NODELAY, struct.pack("=i", 1))
        self._set(handle, IPPROTO_SCTP, RECEIVE_INFO, struct.pack("=i", 1))
        self._set(handle, IPPROTO_SCTP, EVENT, EVENT_INFO.pack(0, ASSOCIATION_CHANGE, 1))

    def _set_limits(self, handle: int, limits: Limits) -> None:
        first, most, least = (round(seconds * 1e3) for seconds in (
            limits.first_timeout_seconds, limits.most_timeout_seconds,
            limits.least_timeout_seconds))
        # No message is taken that is larger than the buffer.
        self._set(handle, socket.SOL_SOCKET, socket.SO_SNDBUF,
                  struct.pack("=i", 2 * limits.message_bytes))
        self._set(handle, IPPROTO_SCTP, INIT, INIT_INFO.pack(STREAMS, STREAMS, 0, most))
        self._set(handle, IPPROTO_SCTP, RTO, RTO_INFO.pack(0, first, most, least))
        self._set(handle, IPPROTO_SCTP, ASSOCIATION,
                  ASSOCIATION_INFO.pack(0, 0, 0, 0, limits.retransmissions, 0))

    def set_path(self, handle: int, limits: Limits, packet_bytes: int,
                 place: tuple[int, int] | None = None) -> None:
        """How often the peer is asked whether it is there, and how large packets to it may be.

        `place` is the peer and its port of an association that is up.
        """
        peer, port = place or (0, 0)
        self._set(handle, IPPROTO_SCTP, PATH, PATH_INFO.pack(
            AF_CONN if place else 0, socket.htons(port), peer, 0,
            round(limits.heartbeat_seconds * 1e3), packet_bytes, HEARTBEATS_ON | FIXED_PACKETS, 0,
            limits.retransmissions, 0))

    def _set(self, handle: int, level: int, option: int, value: bytes) -> None:
        self._check(self._library.usrsctp_setsockopt(handle, level, option, value, len(value)))

    def bind(self, handle: int, port: int) -> None:
        """Take a port, for all peers."""
        place = _Place(AF_CONN, socket.htons(port), None)
        self._check(self._library.usrsctp_bind(handle, ctypes.byref(place), ctypes.sizeof(place)))

    def listen(self, handle: int) -> None:
        """Take associations."""
        self._check(self._library.usrsctp_listen(handle, BACKLOG))

    def accept(self, handle: int) -> tuple[int, int, int] | None:
        """The socket of the next association, its peer and the peer's port."""
        self._lengths[0].value = ctypes.sizeof(self._place)
        accepted = self._library.usrsctp_accept(
            handle, ctypes.addressof(self._place), ctypes.addressof(self._lengths[0]))
        if not accepted:
            return None
        self._prepare(accepted)
        return int(accepted), int(self._place.peer or 0), socket.ntohs(self._place.port)

    def connect(self, handle: int, port: int, peer: int) -> None:
        """Begin an association."""
        place = _Place(AF_CONN, socket.htons(port), peer)
        if self._library.usrsctp_connect(handle, ctypes.byref(place), ctypes.sizeof(place)) < 0:
            error = _error()
            if error.errno != errno.EINPROGRESS:
                raise error

    def send(self, handle: int, payload: bytes, ppid: int) -> bool:
        """Whether the message was taken."""
        info = SEND_INFO.pack(0, 0, socket.htonl(ppid), 0, 0)
        if self._library.usrsctp_sendv(handle, payload, len(payload), None, 0, info, len(info),
                                       AS_SEND_INFO, 0) >= 0:
            return True
        error = _error()
        if error.errno == errno.EWOULDBLOCK:
            return False
        raise error

    def read(self, handle: int) -> tuple[bytes, int, int]:
        """Data, its payload protocol identifier, and flags; BlockingIOError when there is none."""
        place, info, _, flags = self._lengths
        place.value, info.value, flags.value = ctypes.sizeof(self._place), RECEIVED_INFO.size, 0
        length = self._library.usrsctp_recvv(handle, *self._receive_arguments)
        if length < 0:
            raise _error()
        ppid = socket.ntohl(RECEIVED_INFO.unpack(self._info)[3])
        return bytes(self._view[:length]), ppid, flags.value

    def shut_down(self, handle: int) -> None:
        """End an association behind what was sent."""
        self._check(self._library.usrsctp_shutdown(handle, SHUT_WRITING))

    def close(self, handle: int) -> None:
        """Close a socket; an association that is still there is aborted."""
        self._library.usrsctp_close(handle)
        self.ready.pop(handle, None)

    def _check(self, result: int) -> None:
        if result < 0:
            raise _error()


def _error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))
