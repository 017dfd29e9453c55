"""Prints a digest of what packets and frames become: `python -m tests.pcap_tools.digest`.

A test runs it compiled and uncompiled. Uncompiled, every read of a byte is checked for its bounds.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from pcap_tools.flow_engine import FlowEngine
from pcap_tools.flows import FlowConfig
from pcap_tools.parse import parse
from pcap_tools.records import Records
from tests.pcap_tools.frames import ethernet, gtp, ip, mixed, records_of, tcp, udp
from tests.pcap_tools.traffic import exact, outcome
from tests.pcap_tools.traffic import mixed as mixed_packets

INNER = tcp("192.0.2.1", "198.51.100.7", (1000, 443), b"x" * 50)
SEEDS = [
    ethernet(0x0800, INNER), ethernet(0x86DD, udp("2001:db8::1", "2001:db8::2", (5, 6), b"y" * 9)),
    ethernet(0x0800, gtp(7, INNER)), ethernet(0x0800, ip("10.0.0.1", "10.0.0.2", 4, INNER)),
    ethernet(0x0800, ip("10.0.0.1", "10.0.0.2", 47, b"\0\0\x65\x58" + ethernet(0x0800, INNER))),
    ethernet(0x0800, udp("10.0.0.1", "10.0.0.2", (9, 4789),
                         b"\x08" + bytes(7) + ethernet(0x0800, INNER))),
    ethernet(0x86DD, ip("2001:db8::1", "2001:db8::2", 0, b"\x2c\0" + bytes(6) + b"\x11\0\0\1"
                        + bytes(24))),
]


def broken_frames(seed: int, number: int) -> Records:
    """Good frames with a few bytes changed and their ends cut off."""
    random = np.random.default_rng(seed)
    frames = []
    for index in range(number):
        frame = bytearray(SEEDS[index % len(SEEDS)])
        for place in random.integers(0, len(frame), random.integers(0, 3)):
            frame[place] = random.integers(0, 256)
        frames.append(bytes(frame[:random.integers(0, 2 * len(frame))]))
    return records_of(frames)


def tables() -> list[NDArray[np.void]]:
    """Packets, flows and samples of everything."""
    made = []
    for records in (records_of(mixed(30)), broken_frames(1, 300)):
        engine = FlowEngine()
        engine.feed(records)
        made += [parse(records), *outcome(engine)]
    engine = FlowEngine(FlowConfig(windows=True, idle=5.0, most=7), seed=1)
    packets = mixed_packets(1, 400, 4)
    engine.feed_packets(packets[:200])
    engine.advance(int(packets["time"].max()))
    engine.feed_packets(packets[200:])
    return [*made, *outcome(engine)]


def main() -> None:
    digest = hashlib.sha256()
    for table in tables():
        for row in exact(table):
            digest.update(row)
    print(digest.hexdigest())


if __name__ == "__main__":
    main()
