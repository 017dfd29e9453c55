"""IPv4 packets with a TCP segment: bytes to a `Segment` and back, with both checksums.

    packet = encode(segment, number)
    segment = decode(packet)          # None for anything else, and for what is damaged

Options are the largest segment and time stamps (RFC 7323), as kernels send them; others are passed
over. It knows no connection.
"""

from __future__ import annotations

import enum
import socket
import struct
from dataclasses import dataclass

TCP = 6
IP_HEADER, TCP_HEADER = 20, 20  # bytes without options
STAMPS_BYTES = 12  # of every segment: two fillers, kind, length, two stamps
_NONE, _FILLER, _LARGEST, _STAMPS = 0, 1, 2, 8  # kinds of options
_IP = struct.Struct(">BBHHHBBH4s4s")
_TCP = struct.Struct(">HHIIBBHHH")
_DO_NOT_FRAGMENT = 0x4000
_MORE_OR_OFFSET = 0x3FFF  # of a fragment
_TIME_TO_LIVE = 64


class Flag(enum.IntFlag):
    """Of a segment."""

    FIN = 1
    SYN = 2
    RST = 4
    PSH = 8
    ACK = 16


@dataclass(frozen=True, slots=True)
class End:
    """One end of a connection."""

    address: str  # IPv4
    port: int


@dataclass(frozen=True, slots=True)
class Segment:
    """One of a connection, as it is on the wire."""

    source: End
    target: End
    sequence: int  # 32 bits
    acknowledged: int  # 32 bits; means something with ACK alone
    flags: Flag
    window: int  # bytes
    stamp: int = 0  # milliseconds of the sender's, 32 bits
    echo: int = 0  # the last stamp that came from the other end
    largest: int | None = None  # bytes of a segment that the sender takes; of SYN alone
    data: bytes = b""


def checksum(octets: bytes) -> int:
    """RFC 1071: of what has a valid one inside, 0."""
    if len(octets) % 2:
        octets += b"\0"
    # Adding 16-bit words with their carries put back is the remainder by 65535.
    return 0xFFFF - (int.from_bytes(octets, "big") % 0xFFFF or (0xFFFF if any(octets) else 0))


def encode(segment: Segment, number: int) -> bytes:
    """The packet; `number` is its IP identification."""
    source, target = (socket.inet_aton(one.address) for one in (segment.source, segment.target))
    options = b"" if segment.largest is None else struct.pack(">BBH", _LARGEST, 4, segment.largest)
    options += struct.pack(">BBBBII", _FILLER, _FILLER, _STAMPS, 10, segment.stamp, segment.echo)
    offset = (TCP_HEADER + len(options)) // 4 << 4
    head = _TCP.pack(segment.source.port, segment.target.port, segment.sequence,
                     segment.acknowledged, offset, segment.flags, segment.window, 0, 0)
    body = head + options + segment.data
    body = body[:16] + struct.pack(">H", checksum(_pseudo(source, target, body))) + body[18:]
    header = _IP.pack(0x45, 0, IP_HEADER + len(body), number & 0xFFFF, _DO_NOT_FRAGMENT,
                      _TIME_TO_LIVE, TCP, 0, source, target)
    return header[:10] + struct.pack(">H", checksum(header)) + header[12:] + body


def decode(packet: bytes) -> Segment | None:
    """What a packet carries; None unless it is a whole, sound TCP segment."""
    if len(packet) < IP_HEADER + TCP_HEADER or packet[0] >> 4 != 4:
        return None
    header, size = (packet[0] & 15) * 4, int.from_bytes(packet[2:4], "big")
    if (header < IP_HEADER or packet[9] != TCP or not header + TCP_HEADER <= size <= len(packet)
            or int.from_bytes(packet[6:8], "big") & _MORE_OR_OFFSET
            or checksum(packet[:header])):
        return None
    source, target, body = packet[12:16], packet[16:20], packet[header:size]
    begin = (body[12] >> 4) * 4
    if not TCP_HEADER <= begin <= len(body) or checksum(_pseudo(source, target, body)):
        return None
    from_, to, sequence, acknowledged, _, flags, window, _, _ = _TCP.unpack_from(body)
    largest, stamp, echo = _options(body[TCP_HEADER:begin])
    return Segment(End(socket.inet_ntoa(source), from_), End(socket.inet_ntoa(target), to),
                   sequence, acknowledged, Flag(flags & 31), window, stamp, echo, largest,
                   body[begin:])


def _pseudo(source: bytes, target: bytes, body: bytes) -> bytes:
    """What TCP's checksum is of."""
    return source + target + struct.pack(">HH", TCP, len(body)) + body


def _options(octets: bytes) -> tuple[int | None, int, int]:
    """Largest segment, stamp and echo, where they are there and whole."""
    largest, stamp, echo, at = None, 0, 0, 0
    while at < len(octets) and octets[at] != _NONE:
        if octets[at] == _FILLER:
            at += 1
            continue
        if at + 1 >= len(octets) or not 2 <= octets[at + 1] <= len(octets) - at:
            break
        kind, size = octets[at], octets[at + 1]
        if kind == _LARGEST and size == 4:
            largest = int.from_bytes(octets[at + 2:at + 4], "big")
        elif kind == _STAMPS and size == 10:
            stamp, echo = struct.unpack_from(">II", octets, at + 2)
        at += size
    return largest, stamp, echo
