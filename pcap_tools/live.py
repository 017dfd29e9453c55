"""Frames of a network interface as they pass, through a ring shared with the kernel.

They need CAP_NET_RAW. What is in the frames is not known here, but that a VLAN tag which the kernel
keeps aside belongs into them: a capture of the same frames, replayed, gives the same flows.
`SnifferSource` is the slow and simple way to the same.
"""

from __future__ import annotations

import gc
import mmap
import os
import select
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from pcap_tools import ring
from pcap_tools.errors import LiveError
from pcap_tools.interfaces import (
    ANY,
    ETHERNET,
    RAW_IP,
    Interface,
    bind,
    find_interface,
    not_permitted,
    packet_socket,
    refused,
)
from pcap_tools.listening import (
    IGNORE_OUTGOING,
    SOL_PACKET,
    STATISTICS,
    LiveConfig,
    attach_filter,
    counted,
    no_frames,
    refuse_all,
)
from pcap_tools.records import Counters, Records, Warning
from pcap_tools.ring import RingShape
from pcap_tools.sniffer import SnifferSource

__all__ = ["LiveConfig", "RingShape", "RingSource", "SnifferSource"]
ALL_PROTOCOLS = 0x0003  # ETH_P_ALL
ADD_MEMBERSHIP, RX_RING, VERSION = 1, 5, 10  # PACKET_
TPACKET_V3 = 2
MEMBER_PROMISCUOUS = 1  # PACKET_MR_PROMISC


class RingSource:
    """Frames of an interface through a TPACKET_V3 ring.

    Each run of frames is a block of the ring, copied out: it stays valid. `close` may be called
    from any thread, and from a signal's handler.
    """

    def __init__(
        self, interface: str, filter: str = "", config: LiveConfig | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.config = config or LiveConfig()
        self.interface = find_interface(interface)
        self.counters = Counters(dropped=0)
        self.warnings: list[Warning] = []
        self._clock = clock
        self._map: mmap.mmap | None = None
        self._ring: NDArray[np.uint8] | None = None
        self._closing = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._closed = self._in_use = False
        cooked = self.interface.cooked
        self._socket = packet_socket(socket.SOCK_DGRAM if cooked else socket.SOCK_RAW)
        try:
            attach_filter(self._socket, filter, RAW_IP if cooked else self.interface.link,
                          self.config.snap)
            self._map = self._open_ring()
            self._ring = np.frombuffer(self._map, np.uint8)
            # From here on frames come: the filter and the ring were there first.
            _bind(self._socket, self.interface, self.config)
        except BaseException:
            self._release()
            raise

    @property
    def link(self) -> int:
        """LINKTYPE_ of all its frames."""
        return self.interface.link

    def _open_ring(self) -> mmap.mmap:
        shape = self.config.ring
        try:
            self._socket.setsockopt(SOL_PACKET, VERSION, TPACKET_V3)
            self._socket.setsockopt(SOL_PACKET, RX_RING, shape.request())
            return mmap.mmap(self._socket.fileno(), shape.total)
        except (OSError, ValueError, struct.error) as error:
            raise LiveError(f"The kernel gives no ring of {shape.total:,} bytes: {error}.",
                            "Ask for fewer or smaller blocks; a block's size is a power of two "
                            "from 4,096 bytes.") from error

    def __iter__(self) -> Iterator[Records]:
        """Runs of frames, until `close` or the end of the duration; then what came up to it."""
        self._in_use = True
        try:
            if self._ring is not None:
                yield from self._blocks()
        finally:
            self._count_drops()
            self._release()

    def _blocks(self) -> Iterator[Records]:
        """Blocks as they become ours; where nothing comes, an empty run at every tick."""
        block = 0
        poll = select.poll()
        poll.register(self._socket.fileno(), select.POLLIN | select.POLLERR)
        poll.register(self._closing, select.POLLIN)
        duration = self.config.duration
        end = None if duration is None else self._clock() + duration
        while not self._closed and (end is None or self._clock() < end):
            if self._is_ours(block):
                yield self._take(block)
                block = (block + 1) % self.config.ring.blocks
            elif not self._wait(poll, end) and self.config.tick is not None:
                yield no_frames()
            self._count_drops()
        yield from self._last(block)

    def _last(self, block: int) -> Iterator[Records]:
        """What came up to now, also in a block that is not full: ours within its timeout."""
        refuse_all(self._socket)
        for _ in range(self.config.ring.blocks):
            deadline = self._clock() + 2e-3 * self.config.ring.retire_ms + 5e-3
            while not self._is_ours(block):
                if self._clock() > deadline:
                    return
                time.sleep(1e-3)
            yield self._take(block)
            block = (block + 1) % self.config.ring.blocks

    def _wait(self, poll: select.poll, end: float | None) -> bool:
        """Until frames are there, or it is time; whether something happened."""
        waits = [wait for wait in (self.config.tick, None if end is None else end - self._clock())
                 if wait is not None]
        events = poll.poll(max(min(waits) * 1e3, 0.0) if waits else None)
        for number, event in events:
            if number == self._socket.fileno() and event & select.POLLERR:
                self._interface_failed()
        return bool(events)

    def _interface_failed(self) -> None:
        """An interface that is down may come back; one that is gone ends the source."""
        reason = os.strerror(self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
        if self.interface.name != ANY and not self._socket.getsockname()[0]:
            reason, self._closed = "the interface is gone", True
        self.warnings.append(Warning(self.interface.name, None, reason))

    def _is_ours(self, block: int) -> bool:
        assert self._ring is not None
        at = block * self.config.ring.block_bytes + ring.BLOCK_STATUS
        status = int(self._ring[at:at + 4].view(np.uint32)[0])
        return status & ring.OF_USER != 0

    def _take(self, block: int) -> Records:
        """Copy a block's frames, give it back and count them."""
        assert self._ring is not None
        size = self.config.ring.block_bytes
        begin = block * size
        head = self._ring[begin:begin + 48].view(np.uint32)
        frames = min(int(head[ring.BLOCK_FRAMES >> 2]), ring.frames_fit(size))
        used = min(int(head[ring.BLOCK_LENGTH >> 2]), size)
        data = np.empty(used + frames * ring.MOST_ADDED, np.uint8)
        start, times = np.empty(frames, np.int64), np.empty(frames, np.int64)
        captured, length = np.empty(frames, np.int32), np.empty(frames, np.int32)
        count, filled = ring.take_block(
            self._ring, begin, size, self.interface.cooked, self.link == ETHERNET, data, start,
            captured, length, times)
        head[ring.BLOCK_STATUS >> 2] = ring.OF_KERNEL
        self.counters.bad_records += frames - count
        return counted(self.counters, Records(
            data[:filled], start[:count], captured[:count], length[:count], times[:count],
            np.full(count, self.link, np.uint16), np.zeros(count, np.int32)))

    def _count_drops(self) -> None:
        """The kernel starts from 0 whenever it is asked."""
        if self._socket.fileno() < 0:
            return
        with suppress(OSError):
            drops = ring.STATISTICS.unpack(self._socket.getsockopt(
                SOL_PACKET, STATISTICS, ring.STATISTICS.size))[1]
            self.counters.dropped = (self.counters.dropped or 0) + drops

    def close(self) -> None:
        """End the source: its iterator yields what is there, and stops."""
        self._closed = True
        if not self._in_use:
            self._release()
        with suppress(OSError, ValueError):  # released already
            os.eventfd_write(self._closing, 1)

    def _release(self) -> None:
        self._closed, self._ring = True, None
        memory, self._map = self._map, None
        if memory is not None:
            _unmap(memory)
        self._socket.close()
        closing, self._closing = self._closing, -1
        if closing >= 0:
            os.close(closing)

    def __enter__(self) -> RingSource:
        return self

    def __exit__(self, *_: object) -> None:
        self._release()


def _unmap(memory: mmap.mmap) -> None:
    """Give the ring back, now: it keeps the socket open and the kernel copying."""
    try:
        memory.close()
    except BufferError:
        # numba's compiler leaves cycles that hold the arrays it first compiled for.
        gc.collect()
        with suppress(BufferError):  # then it goes when the last view of it goes
            memory.close()


def _bind(listening: socket.socket, interface: Interface, config: LiveConfig) -> None:
    """Start to hear the interface."""
    if config.promiscuous and interface.index:
        listening.setsockopt(SOL_PACKET, ADD_MEMBERSHIP,
                             struct.pack("=iHH8s", interface.index, MEMBER_PROMISCUOUS, 0, b""))
    if config.ignore_outgoing or interface.loopback:  # lo says everything twice, out and in
        listening.setsockopt(SOL_PACKET, IGNORE_OUTGOING, 1)
    try:
        bind(listening, interface.index, ALL_PROTOCOLS)
    except OSError as error:
        if refused(error):
            raise not_permitted("listens on an interface") from error
        raise LiveError(f"Interface {interface.name} cannot be listened to: {error.strerror}.",
                        f"Look at: ip link show {interface.name}") from error
