"""Frames of a network interface through scapy, one by one: simple and slow.

Good for a few thousand packets a second; times are floating-point numbers, half a microsecond
coarse. It has the interface of `live.RingSource`, which is the one for real rates.
"""

from __future__ import annotations

import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import numpy as np

from pcap_tools.bpf import compile_filter
from pcap_tools.errors import LiveError
from pcap_tools.interfaces import find_interface, packet_socket
from pcap_tools.listening import (
    IGNORE_OUTGOING,
    MOST_SNAP,
    SOL_PACKET,
    STATISTICS,
    LiveConfig,
    attach_filter,
    counted,
    refuse_all,
)
from pcap_tools.records import Counters, Records, Warning

BATCH = 512  # frames that are handed on together
SO_RCVBUFFORCE, BUFFER_BYTES = 33, 8 << 20


class SnifferSource:
    """Frames of an interface; a `RecordSource`."""

    def __init__(
        self, interface: str, filter: str = "", config: LiveConfig | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.config = config or LiveConfig()
        self.interface = find_interface(interface)
        if self.interface.cooked:
            raise LiveError(f"The sniffer does not know devices such as {interface}.",
                            "Listen with the ring.")
        self.counters = Counters(dropped=0)
        self.warnings: list[Warning] = []
        self._clock = clock
        self._closed = threading.Event()
        self._in_use = self._released = False
        packet_socket(socket.SOCK_RAW).close()  # says plainly what is missing
        compile_filter(filter, self.link, MOST_SNAP)  # a mistake opens nothing
        # scapy takes a second to load.
        from scapy.config import conf
        from scapy.layers import inet, inet6, l2  # noqa: F401  # before a socket asks for them

        self._waking, self._waker = socket.socketpair()
        self._listener: Any = conf.L2listen(iface=interface, promisc=self.config.promiscuous)
        attach_filter(self._listener.ins, filter, self.link, MOST_SNAP)
        with suppress(PermissionError):  # the right to more than the system's default
            self._listener.ins.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
        if self.config.ignore_outgoing or self.interface.loopback:
            self._listener.ins.setsockopt(SOL_PACKET, IGNORE_OUTGOING, 1)
        self._drain()

    @property
    def link(self) -> int:
        return self.interface.link

    def _drain(self) -> None:
        """Frames from before the filter was there do not belong to it."""
        while select.select([self._listener.ins], [], [], 0)[0]:
            self._listener.ins.recv(1)
        self._listener.ins.getsockopt(SOL_PACKET, STATISTICS, 8)

    def __iter__(self) -> Iterator[Records]:
        """Runs of frames, until `close` or the end of the duration."""
        duration = self.config.duration
        end = None if duration is None else self._clock() + duration
        self._in_use = True
        try:
            while not self._closed.is_set() and (end is None or self._clock() < end):
                self._wait(end)
                records = self._take()
                if len(records) or self.config.tick is not None:
                    yield records
            if not self._released:
                refuse_all(self._listener.ins)
            while not self._released and len(records := self._take()):
                yield records
        finally:
            self._release()

    def _wait(self, end: float | None) -> None:
        """Until a frame is there, or it is time."""
        waits = [wait for wait in (self.config.tick, None if end is None else
                                   max(end - self._clock(), 0.0)) if wait is not None]
        select.select([self._listener.ins, self._waking], [], [], min(waits) if waits else None)

    def _take(self) -> Records:
        """What waits in the socket."""
        frames: list[tuple[bytes, int]] = []
        while len(frames) < BATCH and select.select([self._listener.ins], [], [], 0)[0]:
            _, frame, seconds = self._listener.recv_raw(MOST_SNAP)
            if frame:
                frames.append((frame, round((time.time() if seconds is None else seconds) * 1e6)))
        drops = struct.unpack("=2I", self._listener.ins.getsockopt(SOL_PACKET, STATISTICS, 8))[1]
        self.counters.dropped = (self.counters.dropped or 0) + drops
        length = np.array([len(frame) for frame, _ in frames], np.int32)
        captured = np.minimum(length, self.config.snap)
        kept = b"".join(frame[:self.config.snap] for frame, _ in frames)
        return counted(self.counters, Records(
            np.frombuffer(kept, np.uint8), np.cumsum(captured, dtype=np.int64) - captured, captured,
            length, np.array([moment for _, moment in frames], np.int64) * 1000,
            np.full(len(frames), self.link, np.uint16), np.zeros(len(frames), np.int32)))

    def close(self) -> None:
        """End the source, from any thread or a signal's handler."""
        self._closed.set()
        if not self._in_use:
            self._release()
        with suppress(OSError):
            self._waker.send(b"x")

    def _release(self) -> None:
        self._closed.set()
        self._released = True
        self._listener.close()
        self._waking.close()
        self._waker.close()

    def __enter__(self) -> SnifferSource:
        return self

    def __exit__(self, *_: object) -> None:
        self._release()
