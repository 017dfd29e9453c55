"""E2 PDUs out of the frames of a capture: SCTP's DATA chunks, pieces put together, told once.

It looks through Ethernet (VLANs too), Linux's cooked headers and raw IP, IPv4 and IPv6, and SCTP in
UDP, on port 9899 or wherever its chunks and its checksum are right. What is sent again counts once.
Pieces may come in any order. Frames are a stranger's: lengths are checked, and what is kept for
pieces that never come is capped; the oldest make room.
Without E2's PPIDs or ports, `is_pdu` is asked once about a message whose PPID says nothing. It
knows neither files nor E2AP.
"""

from __future__ import annotations

import ipaddress
import struct
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import google_crc32c

E2_PPIDS = (70, 71, 72)
E2_PORTS = (36421, 36422)  # of RICs; some nodes send with another PPID
NO_PPID = 0  # of a gNB in one piece; other protocols over SCTP have theirs
WHOLE = 3  # flags of a DATA chunk that is all of a message
ETHERNET, SLL, SLL2, NULL = 1, 113, 276, 0  # LINKTYPE_
RAW = (101, 12, 14, 228, 229)
SCTP_ALONE = 248
VLAN_TYPES = (0x8100, 0x88A8, 0x9100)
IP_TYPES = (0x0800, 0x86DD)
UDP, SCTP = 17, 132
TUNNEL_PORT = 9899
MOST_TAGS = 8
MOST_WAYS = 4096  # directions of associations, the oldest of which make room
MOST_PIECES = 512 << 10  # octets of one PDU: more than anybody takes
MOST_RUNS = 16_384  # of pieces side by side that wait for others, of all directions together
MOST_WAITING = 32 << 20  # octets of them
NUMBERS = 1 << 32  # of transmission, after which they begin anew
RECENT = 1024  # transmission numbers remembered of each direction, to tell what is sent again
COMMON = 12  # octets before the chunks: ports, tag, checksum
DATA_CHUNK, HEADER = 0, 16


@dataclass(frozen=True, slots=True)
class FoundPdu:
    """A PDU, and where it was."""

    time: int  # nanoseconds since 1970, of its last piece
    source: str  # address and port
    destination: str
    ppid: int
    data: bytes

    @property
    def ends(self) -> frozenset[str]:
        """The association, whichever way."""
        return frozenset((self.source, self.destination))


@dataclass(eq=False)
class _Run:
    """Pieces of one PDU whose numbers follow each other."""

    way: _Way
    stream: int
    first: int
    last: int
    begins: bool  # with the PDU's first piece
    ends: bool
    parts: deque[bytes]
    octets: int


@dataclass(eq=False)
class _Way:
    """What is kept of one direction of an association."""

    recent: dict[int, None] = field(default_factory=dict)
    firsts: dict[int, _Run] = field(default_factory=dict)  # what waits, by its first number
    lasts: dict[int, _Run] = field(default_factory=dict)

    def broken(self) -> int:
        """PDUs of which something is here and something is not."""
        count, is_open = 0, False
        newest = next(reversed(self.recent), 0)  # numbers are told apart around it, as they wrap
        for run in sorted(self.firsts.values(),
                          key=lambda run: (run.first - newest + NUMBERS // 2) % NUMBERS):
            count += run.begins or not is_open
            is_open = not run.ends
        return count


class PduFinder:
    """Takes frames in their order."""

    def __init__(self, is_pdu: Callable[[bytes], bool] = lambda data: False) -> None:
        self._is_pdu = is_pdu
        self._known: set[frozenset[str]] = set()  # associations that were found to be E2's
        self.others = 0  # DATA chunks of other protocols
        self._given_up = 0  # runs that made room, or were too long
        self.repeated = 0  # DATA chunks sent again
        self._ways: dict[tuple[str, str, int], _Way] = {}
        self._waiting: OrderedDict[_Run, None] = OrderedDict()  # the oldest first
        self._octets = 0  # of all that waits

    @property
    def lost(self) -> int:
        """PDUs of which a piece is missing, as far as was looked."""
        return self._given_up + sum(way.broken() for way in self._ways.values())

    def take(self, time: int, frame: bytes, link: int) -> list[FoundPdu]:
        """The PDUs that are whole with this frame."""
        try:
            return list(self._take(time, frame, link))
        except (IndexError, struct.error):  # it ends within a header
            return []

    def _take(self, time: int, frame: bytes, link: int) -> Iterator[FoundPdu]:
        for source, destination, segment in _segments(frame, link):
            source_port, destination_port, tag = struct.unpack_from(">HHI", segment)
            ends = f"{source}:{source_port}", f"{destination}:{destination_port}"
            known = source_port in E2_PORTS or destination_port in E2_PORTS
            for chunk in _data_chunks(segment):
                ppid = int.from_bytes(chunk[12:16])
                if ppid not in E2_PPIDS and not known and not self._speaks_e2(ends, chunk):
                    self.others += 1
                    continue
                data = self._whole(self._way((*ends, tag)), chunk)
                if data is not None:
                    yield FoundPdu(time, *ends, ppid, data)

    def _speaks_e2(self, ends: tuple[str, str], chunk: bytes) -> bool:
        """Whether the association is E2's at a port of its own: one message tells for all."""
        pair = frozenset(ends)
        if (pair not in self._known and len(self._known) < MOST_WAYS
                and int.from_bytes(chunk[12:16]) == NO_PPID and chunk[1] & WHOLE == WHOLE
                and self._is_pdu(chunk[HEADER:])):
            self._known.add(pair)
        return pair in self._known

    def _way(self, key: tuple[str, str, int]) -> _Way:
        way = self._ways.get(key)
        if way is None:
            if len(self._ways) >= MOST_WAYS:
                oldest = self._ways.pop(next(iter(self._ways)))
                self._given_up += oldest.broken()
                for run in list(oldest.firsts.values()):
                    self._take_out(run)
            way = self._ways[key] = _Way()
        return way

    def _whole(self, way: _Way, chunk: bytes) -> bytes | None:
        """The user message that is whole with this chunk."""
        flags, number = chunk[1], int.from_bytes(chunk[4:8])
        if number in way.recent or number in way.firsts or number in way.lasts:
            self.repeated += 1
            return None
        way.recent[number] = None
        if len(way.recent) > RECENT:
            del way.recent[next(iter(way.recent))]
        part = chunk[HEADER:]
        if flags & WHOLE == WHOLE:
            return part
        run = self._joined(_Run(way, int.from_bytes(chunk[8:10]), number, number,
                                bool(flags & 2), bool(flags & 1), deque([part]), len(part)))
        if run.begins and run.ends:
            return b"".join(run.parts)
        if run.octets > MOST_PIECES:
            self._given_up += 1
        else:
            self._put(run)
        return None

    def _joined(self, run: _Run) -> _Run:
        """It, with what waits at either side; the longer one takes the shorter one's pieces."""
        before = run.way.lasts.get((run.first - 1) % NUMBERS)
        if before is not None and _fit(before, run):
            self._take_out(before)
            run = _together(before, run)
        after = run.way.firsts.get((run.last + 1) % NUMBERS)
        if after is not None and _fit(run, after):
            self._take_out(after)
            run = _together(run, after)
        return run

    def _put(self, run: _Run) -> None:
        run.way.firsts[run.first] = run.way.lasts[run.last] = run
        self._waiting[run] = None
        self._octets += run.octets
        while len(self._waiting) > MOST_RUNS or self._octets > MOST_WAITING:
            self._given_up += 1
            self._take_out(next(iter(self._waiting)))

    def _take_out(self, run: _Run) -> None:
        del run.way.firsts[run.first], run.way.lasts[run.last], self._waiting[run]
        self._octets -= run.octets


def _fit(one: _Run, other: _Run) -> bool:
    """Whether they are of one PDU, as their numbers follow each other."""
    return not one.ends and not other.begins and one.stream == other.stream


def _together(one: _Run, other: _Run) -> _Run:
    parts = one.parts
    if len(parts) >= len(other.parts):
        parts.extend(other.parts)
    else:
        parts = other.parts
        parts.extendleft(reversed(one.parts))
    return _Run(one.way, one.stream, one.first, other.last, one.begins, other.ends, parts,
                one.octets + other.octets)


def _data_chunks(segment: bytes) -> Iterator[bytes]:
    """The DATA chunks of an SCTP packet, with their headers."""
    at = COMMON
    while at + 4 <= len(segment):
        kind, length = segment[at], int.from_bytes(segment[at + 2:at + 4])
        if length < 4 or at + length > len(segment):
            return
        if kind == DATA_CHUNK and length > HEADER:
            yield segment[at:at + length]
        at += (length + 3) & ~3


def _segments(frame: bytes, link: int) -> Iterator[tuple[str, str, bytes]]:
    """The SCTP packet of a frame, and between whom."""
    if link == SCTP_ALONE:
        yield "-", "-", frame
        return
    packet = _ip(frame, link)
    if packet is None:
        return
    inside = _inside_ip(packet)
    if inside is None:
        return
    source, destination, protocol, content = inside
    if protocol == SCTP:
        yield source, destination, content
    elif protocol == UDP:
        packet = content[8:int.from_bytes(content[4:6]) or None]
        if TUNNEL_PORT in struct.unpack_from(">HH", content) or _is_sctp(packet):
            yield source, destination, packet


def _is_sctp(packet: bytes) -> bool:
    """Whether it can be nothing else: its chunks end with it, and its checksum is right."""
    at = COMMON
    while at + 4 <= len(packet):
        length = int.from_bytes(packet[at + 2:at + 4])
        if length < 4:
            return False
        at += (length + 3) & ~3
    if at <= COMMON or at != len(packet):
        return False
    right: int = google_crc32c.value(packet[:8] + bytes(4) + packet[COMMON:])
    return int.from_bytes(packet[8:COMMON], "little") == right


def _ip(frame: bytes, link: int) -> bytes | None:
    """The IP packet of a frame."""
    if link in RAW:
        return frame
    if link == NULL:
        return frame[4:]
    if link == SLL:
        return frame[16:] if int.from_bytes(frame[14:16]) in IP_TYPES else None
    if link == SLL2:
        return frame[20:] if int.from_bytes(frame[:2]) in IP_TYPES else None
    if link != ETHERNET:
        return None
    at = 12
    for _ in range(MOST_TAGS):
        kind = int.from_bytes(frame[at:at + 2])
        if kind not in VLAN_TYPES:
            return frame[at + 2:] if kind in IP_TYPES else None
        at += 4
    return None


def _inside_ip(packet: bytes) -> tuple[str, str, int, bytes] | None:
    """Addresses, protocol and content of an IP packet that is no fragment."""
    if packet[0] >> 4 == 4:
        header = (packet[0] & 15) * 4
        fragment = int.from_bytes(packet[6:8]) & 0x3FFF
        end = int.from_bytes(packet[2:4]) or len(packet)
        if fragment or header < 20 or end < header:
            return None
        source, destination = packet[12:16], packet[16:20]
        protocol, content = packet[9], packet[header:end]
    elif packet[0] >> 4 == 6:
        source, destination = packet[8:24], packet[24:40]
        protocol, content = packet[6], packet[40:40 + int.from_bytes(packet[4:6])]
    else:
        return None
    if len(source) != len(destination) or len(destination) not in (4, 16):
        return None
    return (_text(source), _text(destination), protocol, content)


def _text(address: bytes) -> str:
    text = str(ipaddress.ip_address(address))
    return text if len(address) == 4 else f"[{text}]"
