"""What crossed an interface between two moments, as packets say: TCP's payload by direction.

It is the check on what both sides counted on their sockets, and knows nothing of them. A packet
that TCP sent again is counted once: by its sequence numbers. One whose first sending was before the
capture cannot be told from a new one, so the capture begins when nothing more comes.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pcap_tools.errors import PcapError
from pcap_tools.listening import LiveConfig, no_frames
from pcap_tools.live import RingSource
from pcap_tools.parse import parse

SNAP = 128  # bytes of each frame: the headers
TCP = 6
QUIET_SECONDS = 0.3  # without a packet: over TCP's least time-out, after which it sends again
MOST_SECONDS = 3.0  # that are waited for such a silence
SETTLE_SECONDS = 0.05  # that the kernel's ring may keep the last frames, and a block's time-out


@dataclass(frozen=True)
class Captured:
    """Bytes of TCP payload; None where frames were lost, or too little of one was captured."""

    up: int | None
    down: int | None


class Capture:
    """From the next silence on, of one server's port, or of all TCP; `end` says what there was."""

    def __init__(self, device: str, port: int | None) -> None:
        self._port = port
        self._parts: list[NDArray[np.void]] = []
        self._came = threading.Event()
        self.cpu_seconds = 0.0  # of the processor that listening has taken so far
        self._source = RingSource(device, "tcp" if port is None else f"tcp port {port}",
                                  LiveConfig(snap=SNAP))
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        deadline = time.monotonic() + MOST_SECONDS
        while self._came.wait(QUIET_SECONDS) and time.monotonic() < deadline:
            self._came.clear()
        self._since = time.time_ns()

    def end(self) -> Captured:
        """Of a server's port: its payload by direction."""
        packets = self.packets()
        if packets is None:
            return Captured(None, None)
        down = packets["source_port"] == self._port
        return Captured(payload_of(packets[~down]), payload_of(packets[down]))

    def packets(self) -> NDArray[np.void] | None:
        """End it; all TCP packets, or None where some were lost or there were none."""
        time.sleep(SETTLE_SECONDS)
        self._source.close()
        self._thread.join(60.0)  # the first time its code is compiled
        if self._thread.is_alive() or self._source.counters.dropped or not self._parts:
            return None
        packets = np.concatenate(self._parts)
        found: NDArray[np.void] = packets[(packets["protocol"] == TCP)
                                          & (packets["time"] >= self._since)]
        return found

    def _listen(self) -> None:
        with self._source:
            for records in self._source:
                if len(records):  # none of it is a tick at which nothing came
                    self._came.set()
                self._parts.append(parse(records))
                self.cpu_seconds = time.thread_time()


def begin(device: str, port: int | None) -> Capture | None:
    """A capture, or None where this process may not have one."""
    parse(no_frames())  # compiled now, and not beside what is measured
    try:
        return Capture(device, port)
    except (PcapError, OSError):
        return None


def payload_of(packets: NDArray[np.void]) -> int | None:
    """Bytes of one direction, by flow; what was sent twice counts once."""
    if (packets["payload"] < 0).any():
        return None
    total = 0
    carrying = packets[packets["payload"] > 0]
    for port in np.unique(carrying[["source_port", "destination_port"]]):
        flow = carrying[(carrying["source_port"] == port["source_port"])
                        & (carrying["destination_port"] == port["destination_port"])]
        total += _once(flow["sequence"].astype(np.int64), flow["payload"].astype(np.int64))
    return total


def _once(sequence: NDArray[np.int64], size: NDArray[np.int64]) -> int:
    """Bytes that the ranges [sequence, sequence + size) cover; numbers may wrap around."""
    begin = np.unwrap(sequence.astype(np.float64), period=2.0**32).astype(np.int64)
    order = np.argsort(begin, kind="stable")
    total, reached = 0, None
    for at, length in zip(begin[order].tolist(), size[order].tolist(), strict=True):
        start = at if reached is None else max(at, reached)
        total += max(0, at + length - start)
        reached = max(at + length, start if reached is None else reached)
    return total
