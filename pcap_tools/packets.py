"""One row a packet: what flows and features are made of, from whatever source.

`parse` makes it of captured frames; data sets that hold no frames are brought into it directly.
With tunnels (GTP-U, GRE, VXLAN, IP in IP) addresses, ports and lengths are the innermost packet's.
Pure data.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Status(IntEnum):
    """What a frame turned out to be; only `FLOW` and `FRAGMENT` count to flows."""

    FLOW = 0  # an IP packet, with ports where its protocol has them
    FRAGMENT = 1  # a later fragment: no ports of its own
    NOT_IP = 2  # ARP, LLDP and the like
    CUT = 3  # too little was captured to tell
    BAD = 4  # lengths or versions that contradict each other
    UNKNOWN_LINK = 5  # a link type that is not understood


class Tunnel(IntEnum):
    NONE = 0
    GTP_U = 1
    GRE = 2
    IP_IN_IP = 3
    VXLAN = 4


PACKET = np.dtype([
    ("time", "<i8"),  # nanoseconds since 1970
    ("length", "<i4"),  # bytes of the (innermost) IP packet, its header included, as on the wire
    ("payload", "<i4"),  # of these, bytes after the transport header; -1 where it was not captured
    ("fragment", "<u4"),  # identification that the fragments of one packet share; 0: not fragmented
    ("source", "u1", 16),  # IPv4 in the first four bytes, the rest 0
    ("destination", "u1", 16),
    ("source_port", "<u2"),  # ICMP: 0
    ("destination_port", "<u2"),
    ("sequence", "<u4"),  # TCP's number; 0 where it is not known
    ("teid", "<u4"),  # GTP-U tunnel; 0 where there is none
    ("version", "u1"),  # 4 or 6; 0 where the frame is no IP
    ("protocol", "u1"),  # IP's number: 6 TCP, 17 UDP, 132 SCTP
    ("flags", "u1"),  # TCP's
    ("qfi", "u1"),  # 5G QoS flow, from GTP-U's extension header; 255 where there is none
    ("quic", "?"),  # a long header of a known QUIC version
    ("tunnel", "u1"),  # the outermost, a `Tunnel`
    ("status", "u1"),  # a `Status`
    ("vlan", "<u2"),  # outermost VLAN; 0 where there is none
], align=True)
