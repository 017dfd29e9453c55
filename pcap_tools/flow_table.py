"""The tables that flows and their samples come in: one row a flow, one row a sample.

Both name a flow's ends the same way: the *source* is whoever began it, and what it sends goes up.
Pure data; `flow_engine` fills them.
"""

from __future__ import annotations

import numpy as np

from pcap_tools.features import FEATURES

KEY: list[tuple[str, str] | tuple[str, str, int]] = [
    ("flow", "<u8"),  # from 0, in the order in which flows began
    ("source", "u1", 16),  # IPv4 in the first four bytes, the rest 0
    ("destination", "u1", 16),
    ("source_port", "<u2"),
    ("destination_port", "<u2"),
    ("teid_up", "<u4"),  # GTP-U tunnel of each direction; 0 where there is none, or no packet yet
    ("teid_down", "<u4"),
    ("vlan", "<u2"),  # of the first packet, as are `tunnel` and `version`
    ("version", "u1"),
    ("protocol", "u1"),
    ("tunnel", "u1"),  # a `Tunnel`
    ("qfi", "u1"),  # the last one seen; 255 where there is none
    ("quic", "?"),  # a QUIC long header was seen
]


def _each_way(name: str, kind: str) -> list[tuple[str, str]]:
    return [(f"{name}_up", kind), (f"{name}_down", kind)]


FLOW = np.dtype([
    *KEY,
    ("end", "u1"),  # an `End`
    ("first", "<i8"),  # nanoseconds since 1970 of the first packet
    ("last", "<i8"),  # and of the latest
    *_each_way("packets", "<u8"),
    *_each_way("bytes", "<u8"),  # of (innermost) IP packets
    *_each_way("payload", "<u8"),  # of these, after the transport header
    # Bytes of IP packets.
    *_each_way("length_mean", "<f8"), *_each_way("length_std", "<f8"),
    *_each_way("length_min", "<u4"), *_each_way("length_max", "<u4"),
    # Seconds between packets of one direction, and of both; NaN where there are fewer than two.
    *_each_way("gap_mean", "<f8"), *_each_way("gap_std", "<f8"),
    *_each_way("gap_min", "<f8"), *_each_way("gap_max", "<f8"),
    ("gap_mean", "<f8"), ("gap_std", "<f8"), ("gap_min", "<f8"), ("gap_max", "<f8"),
    # Packets with each of TCP's flags.
    *_each_way("fin", "<u4"), *_each_way("syn", "<u4"), *_each_way("rst", "<u4"),
    *_each_way("psh", "<u4"), *_each_way("ack", "<u4"), *_each_way("urg", "<u4"),
    *_each_way("ece", "<u4"), *_each_way("cwr", "<u4"),
], align=True)

SAMPLE = np.dtype([
    *KEY,
    ("kind", "u1"),  # a `Sampled`
    ("at", "<i8"),  # nanoseconds since 1970 of the moment that it describes
    ("vector", "<f4", len(FEATURES)),  # in the order of `features.FEATURES`
], align=True)
