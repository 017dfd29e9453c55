"""Frames out of a buffer onto an interface, many with one call of the kernel (sendmmsg).

When they are due is `replay`'s business.
"""

from __future__ import annotations

import ctypes
import os
import select
import socket
from contextlib import suppress
from dataclasses import dataclass
from errno import EAGAIN, EINTR, EINVAL, EMSGSIZE, ENOBUFS

import numpy as np
from numpy.typing import NDArray

from pcap_tools.errors import LiveError
from pcap_tools.interfaces import find_interface, not_permitted, packet_socket, refused

MOST_AT_ONCE = 1024  # UIO_MAXIOV, what one sendmmsg takes
SOL_PACKET, QDISC_BYPASS = 263, 20
BUFFER_BYTES = 4 << 20  # of the socket: what waits for the device
WAIT_MS = 100  # for a device that has no room
MESSAGE = np.dtype([  # struct mmsghdr of 64-bit Linux
    ("name", "u8"), ("name_length", "u4"), ("pad", "u4"), ("vector", "u8"), ("vectors", "u8"),
    ("control", "u8"), ("control_length", "u8"), ("flags", "i4"), ("pad2", "u4"),
    ("sent", "u4"), ("pad3", "u4")])
VECTOR = np.dtype([("base", "u8"), ("length", "u8")])  # struct iovec
_library = ctypes.CDLL(None, use_errno=True)


@dataclass
class Sent:
    """What became of the frames."""

    packets: int = 0
    bytes: int = 0
    too_long: int = 0  # frames that the interface does not take: over its MTU, or no frame at all
    no_room: int = 0  # times the device's queue was full, and it was tried again


class Sender:
    """A packet socket that only sends; `bypass` leaves the interface's queueing out."""

    def __init__(self, interface: str, bypass: bool = False) -> None:
        self.interface = find_interface(interface)
        if self.interface.cooked:
            raise LiveError(f"Nothing can be sent on {interface}: it is no Ethernet and no TUN "
                            "device.", "Name another interface.")
        self.sent = Sent()
        self._socket = packet_socket(socket.SOCK_RAW)
        try:
            self._socket.bind((interface, 0))
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
            if bypass:
                self._socket.setsockopt(SOL_PACKET, QDISC_BYPASS, 1)
        except OSError as error:
            self._socket.close()
            if refused(error):
                raise not_permitted("sends on an interface") from error
            raise LiveError(f"Nothing can be sent on {interface}: {error.strerror}.") from error

    @property
    def link(self) -> int:
        """LINKTYPE_ of the frames that it takes."""
        return self.interface.link

    def send(self, data: NDArray[np.uint8], start: NDArray[np.int64],
             captured: NDArray[np.int32]) -> None:
        """Send these frames of `data`, in order."""
        vectors = np.zeros(len(start), VECTOR)
        vectors["base"] = data.ctypes.data + start.astype(np.uint64)
        vectors["length"] = captured
        messages = np.zeros(len(start), MESSAGE)
        messages["vector"] = vectors.ctypes.data + 16 * np.arange(len(start), dtype=np.uint64)
        messages["vectors"] = 1
        done = 0
        while done < len(start):
            done += self._send_some(messages, done, captured)

    def _send_some(self, messages: NDArray[np.void], done: int, captured: NDArray[np.int32]) -> int:
        """Hand as many to the kernel as it takes; returns how many are dealt with."""
        count = int(_library.sendmmsg(
            self._socket.fileno(), ctypes.c_void_p(messages.ctypes.data + 64 * done),
            min(len(messages) - done, MOST_AT_ONCE), 0))
        if count > 0:
            self.sent.packets += count
            self.sent.bytes += int(captured[done:done + count].sum(dtype=np.int64))
            return count
        number = ctypes.get_errno()
        if number in (EMSGSIZE, EINVAL):
            self.sent.too_long += 1
            return 1
        if number in (ENOBUFS, EAGAIN):
            self.sent.no_room += 1
            select.select([], [self._socket], [], WAIT_MS / 1e3)
        elif number != EINTR:
            raise LiveError(f"{self.interface.name} takes no more frames: {os.strerror(number)}.",
                            f"Look at: ip link show {self.interface.name}")
        return 0

    def close(self) -> None:
        with suppress(OSError):
            self._socket.close()

    def __enter__(self) -> Sender:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
