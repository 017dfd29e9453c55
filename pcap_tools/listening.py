"""What every way of listening on an interface shares: its options, filter, and accounts."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass, field

import numpy as np

from pcap_tools.bpf import compile_filter, packed
from pcap_tools.bpf_code import REFUSE, Program
from pcap_tools.errors import UsageError
from pcap_tools.records import Counters, Records
from pcap_tools.ring import RingShape

MOST_SNAP = 262_144  # bytes: more than any frame, even one of offloaded segments
SO_ATTACH_FILTER = 26
SOL_PACKET = 263
STATISTICS, IGNORE_OUTGOING = 6, 23  # PACKET_


@dataclass(frozen=True)
class LiveConfig:
    """How to listen on an interface."""

    snap: int = MOST_SNAP  # bytes kept of each frame
    promiscuous: bool = False  # hear frames that are for other stations, too
    ignore_outgoing: bool = False  # hear only what comes in
    duration: float | None = None  # seconds after which the source ends; None: when it is closed
    tick: float | None = None  # seconds after which an empty run is yielded where nothing came
    ring: RingShape = field(default_factory=RingShape)

    def __post_init__(self) -> None:
        if not 1 <= self.snap <= MOST_SNAP:
            raise UsageError(f"{self.snap} bytes of each frame cannot be kept.",
                             f"Give a number from 1 to {MOST_SNAP:,}.")


def attach_filter(listening: socket.socket, text: str, link: int, snap: int) -> None:
    """Let the kernel pass only what `text` asks for; nothing is attached where that is all."""
    if text.strip() or snap != MOST_SNAP:
        _attach(listening, compile_filter(text, link, snap))


def refuse_all(listening: socket.socket) -> None:
    """Let no frame in from now on."""
    _attach(listening, REFUSE)


def _attach(listening: socket.socket, program: Program) -> None:
    steps = np.frombuffer(packed(program), np.uint8)
    listening.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER,
                         struct.pack("HP", len(program), steps.ctypes.data))


def counted(counters: Counters, records: Records) -> Records:
    """`records`, entered into the accounts."""
    count = len(records)
    if count:
        counters.packets += count
        counters.bytes += int(records.length.sum(dtype=np.int64))
        counters.captured_bytes += int(records.captured.sum(dtype=np.int64))
        counters.truncated += int(np.count_nonzero(records.captured < records.length))
        first, last = int(records.time.min()), int(records.time.max())
        counters.first = first if counters.first is None else min(first, counters.first)
        counters.last = last if counters.last is None else max(last, counters.last)
        link = int(records.link[0])
        counters.links[link] = counters.links.get(link, 0) + count
    return records


def no_frames() -> Records:
    """What a tick yields."""
    return Records(np.empty(0, np.uint8), np.empty(0, np.int64), np.empty(0, np.int32),
                   np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0, np.uint16),
                   np.empty(0, np.int32))
