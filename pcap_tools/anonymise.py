"""Captures without people: addresses become pseudonyms, payload goes, the traffic stays.

Times, sizes, ports, TCP's flags and numbers, tunnels and their TEIDs stay, so that flows and
features are the same; MAC and IP addresses are replaced inside tunnels too, and what follows the
transport header is cut off or zeroed. What cannot be looked into is dropped and counted, never
passed on: it might hold addresses. It knows no files.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

DEPTH = 8  # IP headers inside each other
TAGS = 8  # VLAN tags of a frame
EXTENSIONS = 16  # headers of an IPv6 packet
GTP_U, VXLAN = 2152, 4789  # UDP ports
TCP, UDP, SCTP, ICMP, ICMP6, GRE, IPV4, IPV6 = 6, 17, 132, 1, 58, 47, 4, 41
ECHOES = {ICMP: (0, 8), ICMP6: (128, 129)}  # types: answer and question
ETHERTYPES_IP = (0x0800, 0x86DD)


class Payload(Enum):
    """What becomes of the bytes after the transport header."""

    CUT = "cut"  # not written; the frame keeps its length as a number
    ZERO = "zero"  # zeroes instead
    KEEP = "keep"  # as they were: for traffic that is encrypted, or your own


class Names(Protocol):
    """What addresses become: `Pseudonyms`, or what else exchanges them."""

    def address(self, packed: bytes, /) -> bytes: ...
    def station(self, packed: bytes, /) -> bytes: ...


class Unclear(Exception):
    """A frame that cannot be looked into; the reason is what it is counted under."""


@dataclass
class Walk:
    """A frame on its way through; `end` moves forward to the end of its headers."""

    frame: bytearray
    names: Names
    payload: Payload
    end: int = 0  # bytes from here on are payload
    transport: tuple[int, int, int] | None = None  # protocol, header, IP header's start
    quotes: bool = False  # the payload may hold addresses


def anonymise(
    frame: bytes, length: int, link: int, names: Names, payload: Payload = Payload.CUT,
) -> bytes:
    """The frame as it may be shown; `length` is what it had on the wire. Raises `Unclear`."""
    walk = Walk(bytearray(frame), names, payload)
    try:
        _enter(walk, link)
    except (IndexError, struct.error):
        # The headers were cut off by the capture: what is left of them is not understood.
        raise Unclear("cut headers") from None
    if payload is Payload.CUT:
        del walk.frame[walk.end:]
    elif payload is Payload.ZERO or walk.quotes:
        walk.frame[walk.end:] = bytes(len(walk.frame) - walk.end)
    _mend_checksum(walk, whole=len(walk.frame) >= length)
    return bytes(walk.frame)


def _enter(walk: Walk, link: int) -> None:
    """The link layer, by its LINKTYPE_."""
    frame = walk.frame
    if link == 1:
        _ethernet(walk, 0)
    elif link in (12, 14, 101, 228, 229):
        _internet(walk, 0, 0)
    elif link in (0, 108):
        _internet(walk, 4, 0)
    elif link == 113:
        _station(walk, 6, min(_short(frame, 4), 8))
        _by_type(walk, 14)
    elif link == 276:
        _station(walk, 12, min(frame[11], 8))
        _by_type(walk, 0, kind=_short(frame, 0), at_inner=20)
    else:
        raise Unclear("link type")


def _station(walk: Walk, at: int, size: int) -> None:
    """An address of the link layer: a MAC becomes a pseudonym, another kind is emptied."""
    old = bytes(walk.frame[at:at + size])
    walk.frame[at:at + size] = (
        walk.names.station(old) if size == 6 and len(old) == 6 else bytes(len(old)))


def _ethernet(walk: Walk, at: int, depth: int = 0) -> None:
    _station(walk, at, 6)
    _station(walk, at + 6, 6)
    _by_type(walk, at + 12, depth=depth)


def _by_type(
    walk: Walk, at: int, kind: int | None = None, at_inner: int | None = None, depth: int = 0,
) -> None:
    """What follows an EtherType at `at`, or at `at_inner` where it stands elsewhere."""
    frame = walk.frame
    kind = _short(frame, at) if kind is None else kind
    at = at + 2 if at_inner is None else at_inner
    for _ in range(TAGS):
        if kind in ETHERTYPES_IP:
            return _internet(walk, at, depth)
        if kind in (0x8100, 0x88A8, 0x9100):
            kind = _short(frame, at + 2)
            at += 4
        elif kind == 0x0806:
            return _arp(walk, at)
        else:
            raise Unclear("not IP")
    raise Unclear("too many tags")


def _arp(walk: Walk, at: int) -> None:
    frame = walk.frame
    if bytes(frame[at:at + 6]) != bytes.fromhex("000108000604"):
        raise Unclear("not IP")
    for place in (at + 8, at + 18):
        _station(walk, place, 6)
        _rename(walk, place + 6, 4)
    walk.end = at + 28


def _rename(walk: Walk, at: int, size: int) -> None:
    old = bytes(walk.frame[at:at + size])
    if len(old) < size:
        raise Unclear("cut headers")
    walk.frame[at:at + size] = walk.names.address(old)


def _internet(walk: Walk, at: int, depth: int) -> None:
    if depth == DEPTH:
        raise Unclear("too many tunnels")
    version = walk.frame[at] >> 4
    if version == 4:
        _internet_4(walk, at, depth)
    elif version == 6:
        _internet_6(walk, at, depth)
    else:
        raise Unclear("not IP")


def _internet_4(walk: Walk, at: int, depth: int) -> None:
    frame = walk.frame
    size = 4 * (frame[at] & 15)
    if size < 20 or at + size > len(frame):
        raise Unclear("cut headers")
    _rename(walk, at + 12, 4)
    _rename(walk, at + 16, 4)
    frame[at + 20:at + size] = b"\x01" * (size - 20)  # options may hold addresses
    frame[at + 10:at + 12] = b"\0\0"
    struct.pack_into("!H", frame, at + 10, checksum(frame[at:at + size]))
    walk.end = at + size
    if not _short(frame, at + 6) & 0x1FFF:  # a later fragment begins with payload
        _transport(walk, frame[at + 9], at + size, at, depth)


def _internet_6(walk: Walk, at: int, depth: int) -> None:
    frame = walk.frame
    start, kind = at, frame[at + 6]
    _rename(walk, at + 8, 16)
    _rename(walk, at + 24, 16)
    at += 40
    for _ in range(EXTENSIONS):
        walk.end = at
        if kind == 44:
            kind, first = frame[at], not _short(frame, at + 2) >> 3
            at += 8
            if not first:
                walk.end = min(at, len(frame))
                return
        elif kind in (0, 43, 60):
            kind, size = frame[at], 8 * (frame[at + 1] + 1)
            if at + size > len(frame):
                raise Unclear("cut headers")
            # Routing headers and options may hold addresses: PadN over all of them.
            frame[at + 2:at + size] = bytes([1, size - 4]) + bytes(size - 4)
            at += size
        else:
            walk.end = at
            return _transport(walk, kind, at, start, depth)
    raise Unclear("too many headers")


def _transport(walk: Walk, protocol: int, at: int, header: int, depth: int) -> None:
    frame = walk.frame
    walk.transport = (protocol, at, header)
    if protocol == TCP:
        size = 4 * (frame[at + 12] >> 4)
        if size < 20:
            raise Unclear("cut headers")
        walk.end = min(at + size, len(frame))
    elif protocol == UDP:
        walk.end = min(at + 8, len(frame))
        ports = (_short(frame, at), _short(frame, at + 2))
        _look_into(walk, at, ports, depth)
    elif protocol in (IPV4, IPV6):
        _internet(walk, at, depth + 1)
    elif protocol == GRE:
        _gre(walk, at, depth)
    elif protocol in (ICMP, ICMP6):
        # What follows may quote a packet, or name a neighbour: except in an echo it is not kept.
        walk.end, walk.quotes = min(at + 4, len(frame)), frame[at] not in ECHOES[protocol]
    elif protocol == SCTP:
        walk.end = min(at + 12, len(frame))
    else:
        walk.end = at
        walk.transport = None


def _look_into(walk: Walk, at: int, ports: tuple[int, int], depth: int) -> None:
    """Tunnels over UDP; what only has their port is payload."""
    if GTP_U in ports:
        inner = gtp_inner(walk.frame, at + 8)
        if inner:
            _without_checksum(walk, at)
            _internet(walk, inner, depth + 1)
    elif ports[1] == VXLAN and walk.frame[at + 8:at + 9] == b"\x08":
        _without_checksum(walk, at)
        _ethernet(walk, at + 16, depth + 1)


def _without_checksum(walk: Walk, at: int) -> None:
    """A tunnel's outer checksum would cover what is inside; 0 says that there is none."""
    walk.frame[at + 6:at + 8] = b"\0\0"


def gtp_inner(frame: bytearray, at: int) -> int:
    """Where a GTP-U message's packet begins; 0 where it carries none."""
    if len(frame) < at + 9 or frame[at] >> 5 != 1 or frame[at + 1] != 255:
        return 0
    flags, at = frame[at], at + 8
    if flags & 7:
        following, at = frame[at + 3], at + 4
        while flags & 4 and following:
            size = 4 * frame[at]
            if not size:
                return 0
            following, at = frame[at + size - 1], at + size
    return at if at < len(frame) and frame[at] >> 4 in (4, 6) else 0


def _gre(walk: Walk, at: int, depth: int) -> None:
    flags, kind = _short(walk.frame, at), _short(walk.frame, at + 2)
    if flags & 7:
        raise Unclear("not IP")
    inner = at + 4 + 4 * sum(bool(flags & bit) for bit in (0x8000, 0x2000, 0x1000))
    if kind == 0x6558:
        _ethernet(walk, inner, depth + 1)
    elif kind in ETHERTYPES_IP:
        _internet(walk, inner, depth + 1)
    else:
        raise Unclear("not IP")


def _mend_checksum(walk: Walk, whole: bool) -> None:
    """The innermost transport checksum: right where the whole packet is there, else 0."""
    if walk.transport is None:
        return
    frame, (protocol, at, header) = walk.frame, walk.transport
    place = {TCP: at + 16, UDP: at + 6, ICMP: at + 2, ICMP6: at + 2}.get(protocol)
    if place is None or place + 2 > len(frame):
        return
    frame[place:place + 2] = b"\0\0"
    four = frame[header] >> 4 == 4
    end = header + _short(frame, header + 2) if four else header + 40 + _short(frame, header + 4)
    fragmented = four and _short(frame, header + 6) & 0x3FFF
    if not whole or end > len(frame) or end < at or fragmented:
        return
    covered = bytes(frame[at:end])
    if protocol != ICMP:
        ends = frame[header + 12:header + 20] if four else frame[header + 8:header + 40]
        covered = bytes(ends) + struct.pack("!II", len(covered), protocol) + covered
    total = checksum(covered)
    struct.pack_into("!H", frame, place, 0xFFFF if protocol == UDP and not total else total)


def checksum(data: bytes | bytearray) -> int:
    """The Internet's (RFC 1071)."""
    if len(data) % 2:
        data = bytes(data) + b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _short(frame: bytearray, at: int) -> int:
    return frame[at] << 8 | frame[at + 1]
