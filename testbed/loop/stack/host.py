"""A host's TCP without a kernel: packets in, packets out, connections that begin and that come.

    host = Host("10.46.0.2", random.Random(1))
    stream = host.connect(End("10.46.0.1", 8470), now)
    host.take(packet, now)            # who came to a port that listens is in `accepted`
    for packet in host.outgoing(now): ...

What is no TCP for this host is not taken, and counted. It has no sockets and reads no clock.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator

from testbed.errors import LinkFailure
from testbed.loop.stack.segments import IP_HEADER, TCP_HEADER, End, Flag, Segment, decode, encode
from testbed.loop.stack.stream import Stream

FIRST_PORT, LAST_PORT = 32_768, 60_999  # of connections that begin here, as Linux has it
MOST_STREAMS = 256  # a phone has a few


class Host:
    """One address."""

    def __init__(self, address: str, chance: random.Random, listens: Iterable[int] = (),
                 mtu: int = 1400) -> None:
        self.address = address
        self.accepted: list[Stream] = []  # that came since somebody last took them from here
        self.foreign = 0  # packets that were none of ours
        self._listens, self._chance = frozenset(listens), chance
        self._largest = mtu - IP_HEADER - TCP_HEADER
        self._streams: dict[tuple[int, End], Stream] = {}
        self._answers: list[Segment] = []  # to what is of no connection
        self._number = chance.randrange(1 << 16)
        self._port = chance.randrange(FIRST_PORT, LAST_PORT)

    def connect(self, theirs: End, now: float) -> Stream:
        """A connection that begins here."""
        self._check_room()
        for _ in range(FIRST_PORT, LAST_PORT + 1):
            self._port = FIRST_PORT if self._port == LAST_PORT else self._port + 1
            if (self._port, theirs) not in self._streams:
                break
        made = Stream.connecting(End(self.address, self._port), theirs,
                                 self._chance.getrandbits(32), self._largest, now)
        self._streams[self._port, theirs] = made
        return made

    def _check_room(self) -> None:
        if len(self._streams) >= MOST_STREAMS:
            raise LinkFailure(f"{self.address} has {MOST_STREAMS} connections already.")

    def take(self, packet: bytes, now: float) -> Stream | None:
        """The connection that it was for."""
        segment = decode(packet)
        if segment is None or segment.target.address != self.address:
            self.foreign += 1
            return None
        key = (segment.target.port, segment.source)
        stream = self._streams.get(key)
        if stream is not None:
            stream.take(segment, now)
        elif (segment.flags & (Flag.SYN | Flag.ACK | Flag.RST) == Flag.SYN
              and segment.target.port in self._listens and len(self._streams) < MOST_STREAMS):
            stream = self._streams[key] = Stream.answering(
                segment, self._chance.getrandbits(32), self._largest, now)
            self.accepted.append(stream)
        elif Flag.RST not in segment.flags:
            self._answers.append(_refusal(segment))
        return stream

    def outgoing(self, now: float) -> Iterator[bytes]:
        """Packets to be sent now; connections that are over go."""
        answers, self._answers = self._answers, []
        yield from (self._encoded(one) for one in answers)
        for key, stream in list(self._streams.items()):
            yield from (self._encoded(one) for one in stream.outgoing(now))
            if stream.over is not None:
                del self._streams[key]

    def _encoded(self, segment: Segment) -> bytes:
        self._number = (self._number + 1) & 0xFFFF
        return encode(segment, self._number)

    def due(self) -> float | None:
        """When `tick` is to be called, if nothing comes before."""
        return min((due for one in self._streams.values() if (due := one.due()) is not None),
                   default=None)

    def tick(self, now: float) -> None:
        for stream in self._streams.values():
            stream.tick(now)


def _refusal(segment: Segment) -> Segment:
    """RFC 9293, 3.10.7.1: nobody is there."""
    sequence, flags = segment.acknowledged, Flag.RST
    if Flag.ACK not in segment.flags:
        sequence, flags = 0, Flag.RST | Flag.ACK
    length = len(segment.data) + bool(segment.flags & Flag.SYN) + bool(segment.flags & Flag.FIN)
    return Segment(segment.target, segment.source, sequence,
                   (segment.sequence + length) & 0xFFFFFFFF, flags, 0)
