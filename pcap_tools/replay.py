"""A capture onto an interface again: at its own pace, another one, or so many packets a second.

How late each frame left is measured and reported; nothing is left out to catch up. Frames go as
they were captured: one of which a part is missing is sent short, and counted. Addresses can be
exchanged on the way. Clock and sleep are passed in; `sending` talks to the kernel.
"""

from __future__ import annotations

import ipaddress
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pcap_tools.anonymise import Payload, Unclear, anonymise
from pcap_tools.errors import UsageError
from pcap_tools.records import Records

ETHERNET, RAW_IP = 1, 101
AT_ONCE = 1024  # frames that are sent together where they are due together
LATE_NS = 1_000_000  # from when on a frame counts as late
SPIN_NS = 60_000  # the kernel wakes a sleeper about this late: the rest is waited for awake
BUCKETS_A_DECADE = 20  # of lateness: 12 % apart
HEADERS = {1: 14, 113: 16, 276: 20, 0: 4, 108: 4}  # bytes before an IP packet, by LINKTYPE_
RAW_LINKS = (12, 14, 101, 228, 229)
VLAN_TAGS = (b"\x81\x00", b"\x88\xa8", b"\x91\x00")
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Rewrite:
    """What is exchanged in every frame; checksums follow, where all of the packet is there."""

    source_mac: bytes | None = None
    destination_mac: bytes | None = None
    networks: tuple[tuple[Network, Network], ...] = ()  # from, to; of one size; hosts are networks

    def __post_init__(self) -> None:
        for old, new in self.networks:
            if (old.version, old.prefixlen) != (new.version, new.prefixlen):
                raise UsageError(f"{old} cannot become {new}: they are not of one size.",
                                 "Give two addresses, or two networks with as many bits.")

    def address(self, address: bytes) -> bytes:
        """The new address, 4 or 16 bytes; that of the first network that holds it."""
        number = int.from_bytes(address, "big")
        for old, new in self.networks:
            if old.max_prefixlen == 8 * len(address):
                host = int(old.hostmask)
                if number & ~host == int(old.network_address):
                    return (int(new.network_address) | number & host).to_bytes(len(address), "big")
        return address

    def station(self, address: bytes) -> bytes:
        """MAC addresses are exchanged by their place in the frame, not by what they are."""
        return address


@dataclass(frozen=True)
class ReplayConfig:
    """At which pace, and how changed."""

    speed: float = 1.0  # times the original pace; inf: as fast as the interface takes it
    rate: float | None = None  # packets a second, whatever the original pace was
    longest_gap: float | None = None  # seconds of the capture's time; longer silences become it
    rewrite: Rewrite = field(default_factory=Rewrite)

    def __post_init__(self) -> None:
        for value in (self.speed, self.rate, self.longest_gap):
            if value is not None and not value > 0:
                raise UsageError(f"A pace of {value:g} does not move.", "Give a number above 0.")


class FrameSender(Protocol):
    """Where frames go; `sending.Sender` is one."""

    @property
    def link(self) -> int: ...

    def send(self, data: NDArray[np.uint8], start: NDArray[np.int64],
             captured: NDArray[np.int32]) -> None: ...


class Lateness:
    """How late frames left, in buckets: bounded, whatever the length of a capture."""

    def __init__(self) -> None:
        self._buckets = np.zeros(13 * BUCKETS_A_DECADE, np.int64)  # to 10,000 s
        self.packets = self.late = self.most = 0

    def add(self, late: NDArray[np.int64]) -> None:
        """Nanoseconds after it was due, of each frame."""
        if not len(late):
            return
        late = np.maximum(late, 0)
        places = (np.log10(np.maximum(late, 1)) * BUCKETS_A_DECADE).astype(np.int64)
        self._buckets += np.bincount(np.minimum(places, len(self._buckets) - 1),
                                     minlength=len(self._buckets))
        self.packets += len(late)
        self.late += int(np.count_nonzero(late > LATE_NS))
        self.most = max(self.most, int(late.max()))

    def quantile(self, share: float) -> float | None:
        """Nanoseconds within which this share of the frames left, to 12 %."""
        if not self.packets:
            return None
        place = int(np.searchsorted(np.cumsum(self._buckets), share * self.packets))
        return float(min(10.0 ** ((place + 1) / BUCKETS_A_DECADE), self.most))


@dataclass
class Replayed:
    """What was sent, and how well."""

    packets: int = 0
    bytes: int = 0
    cut: int = 0  # sent without what had not been captured
    left_out: Counter[str] = field(default_factory=Counter)  # not sent, by reason
    seconds: float = 0.0
    paced: bool = True  # whether there was a pace to keep
    lateness: Lateness = field(default_factory=Lateness)

    def as_dict(self) -> dict[str, object]:
        def milliseconds(value: float | None) -> float | None:
            return None if value is None or not self.paced else round(value / 1e6, 4)

        return {"packets": self.packets, "bytes": self.bytes, "cut": self.cut,
                "left_out": sum(self.left_out.values()),
                "left_out_by_reason": dict(self.left_out), "seconds": round(self.seconds, 6),
                "packets_per_s": round(self.packets / self.seconds, 1) if self.seconds else None,
                "late_ms_p50": milliseconds(self.lateness.quantile(0.5)),
                "late_ms_p99": milliseconds(self.lateness.quantile(0.99)),
                "late_ms_most": milliseconds(self.lateness.most),
                "late_over_1_ms": self.lateness.late if self.paced else None}


class Pace:
    """When each frame is due, from the first on; time never runs backwards."""

    def __init__(self, config: ReplayConfig) -> None:
        self._config = config
        self._count = 0
        self._last: int | None = None  # time of the frame before, in the capture
        self._due = 0.0  # of the frame before, nanoseconds

    def due(self, times: NDArray[np.int64]) -> NDArray[np.int64]:
        """Nanoseconds after the start, for the next frames of the capture."""
        config, count = self._config, len(times)
        if config.rate is not None:
            due = (self._count + np.arange(count)) * (1e9 / config.rate)
        else:
            before = np.concatenate(([times[0] if self._last is None else self._last], times[:-1]))
            gaps = np.maximum(times - np.maximum.accumulate(before), 0).astype(np.float64)
            if config.longest_gap is not None:
                gaps = np.minimum(gaps, config.longest_gap * 1e9)
            due = self._due + np.cumsum(gaps / config.speed)
            self._last = max(int(times.max()), self._last or int(times[0]))
            self._due = float(due[-1])
        self._count += count
        return np.asarray(due, np.int64)


def replay(source: Iterable[Records], sender: FrameSender, config: ReplayConfig,
           clock: Callable[[], int], sleep: Callable[[float], None],
           told: Callable[[Replayed], None] = lambda _: None) -> Replayed:
    """Send the frames of `source` when they are due; `clock` in nanoseconds, `sleep` in seconds.

    `told` hears of the state after each sending.
    """
    done = Replayed(paced=config.rate is not None or math.isfinite(config.speed))
    pace, adapter = Pace(config), _Adapter(sender.link, config.rewrite)
    began: int | None = None
    for records in source:
        for part in adapter.adapted(records, done):
            due = pace.due(part.time)
            began = clock() if began is None else began
            sent = 0
            while sent < len(part):
                wait = int(due[sent]) + began - clock()
                if done.paced and wait > 0:
                    if wait > SPIN_NS:
                        sleep((wait - SPIN_NS) / 1e9)
                    continue
                now = clock() - began
                ready = int(np.searchsorted(due, now, "right")) if done.paced else len(part)
                stop = min(max(ready, sent + 1), sent + AT_ONCE)
                sender.send(part.data, part.start[sent:stop], part.captured[sent:stop])
                # Not before the kernel has them all: a frame is never later than is said.
                done.lateness.add(clock() - began - due[sent:stop])
                done.packets += stop - sent
                done.bytes += int(part.captured[sent:stop].sum(dtype=np.int64))
                done.cut += int(np.count_nonzero(
                    part.captured[sent:stop] < part.length[sent:stop]))
                done.seconds = (clock() - began) / 1e9
                sent = stop
                told(done)
    return done


class _Adapter:
    """Frames as the interface takes them, with addresses exchanged."""

    def __init__(self, link: int, rewrite: Rewrite) -> None:
        self._link, self._rewrite = link, rewrite

    def adapted(self, records: Records, done: Replayed) -> Iterator[Records]:
        """The frames that can be sent; those that need nothing stay where they are."""
        rewrite = self._rewrite
        plain = not (rewrite.networks or rewrite.source_mac or rewrite.destination_mac)
        if not len(records):
            return
        if plain and (records.link == self._link).all():
            yield records
            return
        frames: list[bytes] = []
        rows: list[int] = []
        for row in range(len(records)):
            begin = int(records.start[row])
            frame = records.data[begin:begin + int(records.captured[row])].tobytes()
            try:
                frames.append(self._changed(
                    frame, int(records.length[row]), int(records.link[row])))
                rows.append(row)
            except Unclear as reason:
                done.left_out[str(reason)] += 1
        if rows:
            yield self._together(records, frames, np.array(rows))

    def _changed(self, frame: bytes, length: int, link: int) -> bytes:
        if self._rewrite.networks:
            frame = anonymise(frame, length, link, self._rewrite, Payload.KEEP)
        if link != self._link and not (link in RAW_LINKS and self._link == RAW_IP):
            frame = self._other_link(frame, link)
        if self._link == ETHERNET and len(frame) >= 12:
            frame = ((self._rewrite.destination_mac or frame[:6])
                     + (self._rewrite.source_mac or frame[6:12]) + frame[12:])
        return frame

    def _other_link(self, frame: bytes, link: int) -> bytes:
        """Bare IP of any link's frame, and with an Ethernet header where that is wanted."""
        if link not in HEADERS and link not in RAW_LINKS:
            raise Unclear("link type not understood")
        start = HEADERS.get(link, 0)
        while link == ETHERNET and frame[start - 2:start] in VLAN_TAGS:
            start += 4
        packet = frame[start:]
        version = packet[0] >> 4 if packet else 0
        if version not in (4, 6):
            raise Unclear("no IP packet, which alone has a place on another kind of link")
        if self._link == RAW_IP:
            return packet
        return bytes(12) + (b"\x08\x00" if version == 4 else b"\x86\xdd") + packet

    def _together(self, records: Records, frames: list[bytes],
                  rows: NDArray[np.int64]) -> Records:
        captured = np.array([len(frame) for frame in frames], np.int32)
        grown = captured - records.captured[rows]
        return Records(
            np.frombuffer(b"".join(frames), np.uint8),
            np.cumsum(captured, dtype=np.int64) - captured, captured,
            np.asarray(records.length[rows] + grown, np.int32), records.time[rows],
            np.full(len(rows), self._link, np.uint16), records.interface[rows])
