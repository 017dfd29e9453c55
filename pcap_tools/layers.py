"""The headers around an IP packet, and its own: link layers, IPv4, IPv6; compiled.

Every function gets `at`, where its header begins, and `end`, where the captured bytes do, as
indices of `data`; it reads nothing at or after `end`. `limit` is where the bytes end that were on
the wire, captured or not. Results are a next step and where it begins; a negative step is the
frame's `Status` (see `done`). Sizes and codes are those of IANA and tcpdump.org/linktypes.
"""

from __future__ import annotations

from typing import Any

from pcap_tools.compiled import compiled, inlined
from pcap_tools.octets import byte, long, short, word
from pcap_tools.packets import Status

FLOW, FRAGMENT, NOT_IP = int(Status.FLOW), int(Status.FRAGMENT), int(Status.NOT_IP)
CUT, BAD, UNKNOWN_LINK = int(Status.CUT), int(Status.BAD), int(Status.UNKNOWN_LINK)
# Steps: what lies at `at`. From TRANSPORT on it is that plus the protocol's number.
IP, TRANSPORT = 1, 1000
TAGS = 8  # VLAN tags and MPLS labels of one frame that are looked behind
EXTENSIONS = 16  # headers of an IPv6 packet, likewise
NO_NEXT_HEADER = 59


@inlined
def done(status: int) -> int:
    """The step that ends a frame with this status."""
    return -1 - status


@compiled
def point_to_point(data: Any, at: int, end: int) -> tuple[int, int]:
    """PPP: address and control are optional, and a protocol's first byte where it is 0; HDLC."""
    if at + 4 > end:
        return done(CUT), at
    if byte(data, at) in (0x0F, 0x8F):  # Cisco's HDLC: an EtherType follows
        return (IP, at + 4) if short(data, at + 2) in (0x0800, 0x86DD) else (done(NOT_IP), at)
    if short(data, at) == 0xFF03:
        at += 2
    protocol = byte(data, at)
    if protocol & 1:
        at += 1
    else:
        protocol = protocol << 8 | byte(data, at + 1)
        at += 2
    return (IP, at) if protocol in (0x21, 0x57) else (done(NOT_IP), at)


@compiled
def by_type(data: Any, at: int, end: int, kind: int) -> tuple[int, int]:
    """What follows an EtherType, whose two bytes begin at `at`."""
    at += 2
    for _ in range(TAGS):
        if kind == 0x0800 or kind == 0x86DD:
            return IP, at
        if kind in (0x8100, 0x88A8, 0x9100):
            if at + 4 > end:
                return done(CUT), at
            kind = short(data, at + 2)
            at += 4
        elif kind == 0x8864:  # PPPoE session
            if at + 6 > end:
                return done(CUT), at
            return point_to_point(data, at + 6, end)
        elif kind == 0x8847:  # MPLS: IP's version tells what follows the last label
            if at + 5 > end:
                return done(CUT), at
            last = byte(data, at + 2) & 1
            at += 4
            if last:
                return (IP, at) if byte(data, at) >> 4 in (4, 6) else (done(NOT_IP), at)
        elif kind <= 1500:  # a length; only SNAP says what follows
            if at + 8 > end:
                return done(CUT), at
            if short(data, at) != 0xAAAA or byte(data, at + 2) != 3 or short(data, at + 3) != 0:
                return done(NOT_IP), at
            kind = short(data, at + 6)
            at += 8
            if kind <= 1500:
                return done(NOT_IP), at
        else:
            return done(NOT_IP), at
    return done(NOT_IP), at


@compiled
def ethernet(data: Any, at: int, end: int, out: Any, outermost: bool) -> tuple[int, int]:
    """Ethernet and its VLAN tags."""
    if at + 14 > end:
        return done(CUT), at
    kind = short(data, at + 12)
    if kind == 0x0800 or kind == 0x86DD:
        return IP, at + 14
    if outermost and kind in (0x8100, 0x88A8, 0x9100) and at + 16 <= end:
        out["vlan"] = short(data, at + 14) & 0xFFF
    return by_type(data, at + 12, end, kind)


@compiled
def enter(data: Any, at: int, end: int, link: int, out: Any) -> tuple[int, int]:
    """From a frame's first byte to its IP packet, by its link type."""
    if link == 1:
        return ethernet(data, at, end, out, True)
    if link in (101, 12, 14, 228, 229):  # raw IP
        return IP, at
    if link == 113:  # Linux "cooked"
        if at + 16 > end:
            return done(CUT), at
        return by_type(data, at + 14, end, short(data, at + 14))
    if link == 276:  # the same, second version: the type comes first
        if at + 20 > end:
            return done(CUT), at
        return by_type(data, at + 18, end, short(data, at))
    if link == 0 or link == 108:  # loopback: an address family in some machine's byte order
        if at + 4 > end:
            return done(CUT), at
        family = long(data, at)
        if family > 0xFFFF:
            family = byte(data, at) | byte(data, at + 1) << 8
        return (IP, at + 4) if family in (2, 10, 23, 24, 28, 30) else (done(NOT_IP), at)
    if link == 9 or link == 50 or link == 104:
        return point_to_point(data, at, end)
    return done(UNKNOWN_LINK), at


@inlined
def long_as_word(data: Any, at: int) -> int:
    """Four bytes as `word` would give them with four zeroes behind."""
    return (byte(data, at) | byte(data, at + 1) << 8 | byte(data, at + 2) << 16
            | byte(data, at + 3) << 24)


@compiled
def internet_4(data: Any, at: int, end: int, limit: int, whole: bool, out: Any,
               ) -> tuple[int, int, int, bool]:
    """IPv4: to the transport header, the packet's end, and whether all of the packet is there."""
    if at + 20 > end:
        return done(CUT), at, limit, whole
    header = (byte(data, at) & 15) * 4
    total = short(data, at + 2)
    if total == 0:  # segmentation was left to the network card
        total = limit - at
    if header < 20 or total < header or (whole and at + total > limit):
        return done(BAD), at, limit, whole
    out["version"] = 4
    out["length"] = total
    out["source_0"], out["source_1"] = long_as_word(data, at + 12), 0
    out["destination_0"], out["destination_1"] = long_as_word(data, at + 16), 0
    protocol = byte(data, at + 9)
    out["protocol"] = protocol
    offset = short(data, at + 6)
    limit = at + total
    if offset & 0x3FFF:
        out["fragment"] = short(data, at + 4) | 0x10000
        if offset & 0x1FFF:
            out["payload"] = total - header
            return done(FRAGMENT), at, limit, whole
        whole = False
    if at + header > end:
        return done(CUT), at, limit, whole
    return TRANSPORT + protocol, at + header, limit, whole


@compiled
def internet_6(data: Any, at: int, end: int, limit: int, whole: bool, out: Any,
               ) -> tuple[int, int, int, bool]:
    """IPv6 and its extension headers, likewise."""
    if at + 40 > end:
        return done(CUT), at, limit, whole
    total = short(data, at + 4) + 40
    if total == 40:  # a jumbogram, or left to the network card
        total = limit - at
    if whole and at + total > limit:
        return done(BAD), at, limit, whole
    out["version"] = 6
    out["length"] = total
    out["source_0"], out["source_1"] = word(data, at + 8), word(data, at + 16)
    out["destination_0"], out["destination_1"] = word(data, at + 24), word(data, at + 32)
    protocol = byte(data, at + 6)
    limit = at + total
    at += 40
    for _ in range(EXTENSIONS):
        if protocol not in (0, 43, 60, 135, 51, 44, 139, 140):
            break
        out["protocol"] = protocol
        if at + 8 > limit:
            return done(BAD), at, limit, whole
        if at + 8 > end:
            return done(CUT), at, limit, whole
        following = byte(data, at)
        size = (byte(data, at + 1) + 1) * 8
        if protocol == 51:  # AH counts in words of four
            size = (byte(data, at + 1) + 2) * 4
        elif protocol == 44:
            size = 8
            offset = short(data, at + 2)
            if offset & 0xFFF9:
                out["fragment"] = max(long(data, at + 4), 1)
                if offset & 0xFFF8:
                    out["protocol"] = following
                    out["payload"] = limit - at - 8
                    return done(FRAGMENT), at, limit, whole
                whole = False
        if at + size > limit:
            return done(BAD), at, limit, whole
        protocol = following
        at += size
    out["protocol"] = protocol
    if at > end:
        return done(CUT), at, limit, whole
    return TRANSPORT + protocol, at, limit, whole
