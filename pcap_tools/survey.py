"""What the plots of a capture are drawn from, gathered in one pass and in bounded memory.

Counts over time, distributions of sizes and gaps, the largest flows, and the data packets
themselves up to a cap. It draws nothing. Directions come from a table of its own, with room for a
quarter of a million flows at a time: a flow that was forgotten begins anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcap_tools.compiled import compiled
from pcap_tools.flow_table import FLOW
from pcap_tools.packets import PACKET, Status

BINS = 4096  # slices of time; twice as long each whenever they no longer suffice
FINEST = 1_000_000  # nanoseconds of a slice at first
LATEST = 1 << 62  # nanoseconds since 1970; damaged captures hold any number
LONGEST = 65536  # bytes; longer packets, which only offloading makes, count as this long
GAP_DECADES, GAPS_PER_DECADE = (-6, 4), 12  # 1 µs to 10,000 s
WAYS, SETS = 4, 1 << 16  # flows remembered: WAYS x SETS, 40 bytes each
FORGET = 120_000_000_000  # nanoseconds of silence after which the next packet may turn the flow
DETAILS = 4_000_000  # data packets kept one by one, 20 bytes each
DETAILS_OF_FLOW = 400_000  # handed out of one flow; what is made of each takes 200 bytes
TOP_FLOWS = 500  # of the largest, in the report's table
HEADERS = {6: 20, 17: 8, 132: 28}  # least transport header by protocol; to guess a cut payload
SYN, ACK = 0x02, 0x10


@dataclass
class Timeline:
    """Packets and bytes in slices of time, as many as there is room for."""

    origin: int | None = None  # nanoseconds since 1970 of the first slice
    width: int = FINEST
    packets: NDArray[np.int64] = field(default_factory=lambda: np.zeros((2, BINS), np.int64))
    bytes: NDArray[np.int64] = field(default_factory=lambda: np.zeros((2, BINS), np.int64))

    def add(
        self, time: NDArray[np.int64], up: NDArray[np.bool_], length: NDArray[np.int32]
    ) -> None:
        """Count packets; row 0 is up, row 1 down."""
        if not len(time):
            return
        self._make_room(int(time.min()), int(time.max()))
        assert self.origin is not None  # there is room now
        index = (time - self.origin) // self.width + np.where(up, 0, BINS)
        self.packets += np.bincount(index, minlength=2 * BINS).reshape(2, BINS)
        self.bytes += np.bincount(index, length, minlength=2 * BINS).reshape(2, BINS).astype(
            np.int64)

    def _make_room(self, first: int, last: int) -> None:
        if self.origin is None:
            self.origin = first // self.width * self.width
        while first < self.origin or last >= self.origin + BINS * self.width:
            begin = min(first, self.origin)
            end = max(last + 1, self.origin + self._used() * self.width)
            if end - begin // self.width * self.width <= BINS * self.width:
                self._shift((self.origin - begin // self.width * self.width) // self.width)
            else:
                self._coarsen()

    def _used(self) -> int:
        filled = np.flatnonzero(self.packets.any(axis=0))
        return int(filled[-1]) + 1 if len(filled) else 0

    def _shift(self, slices: int) -> None:
        """Begin earlier."""
        assert self.origin is not None
        for table in (self.packets, self.bytes):
            table[:] = np.roll(table, slices, axis=1)
        self.origin -= slices * self.width

    def _coarsen(self) -> None:
        """Slices twice as long, which begin at multiples of their length as before."""
        assert self.origin is not None
        odd = self.origin // self.width % 2
        for table in (self.packets, self.bytes):
            padded = np.pad(table, ((0, 0), (odd, 2 - odd)))
            table[:] = 0
            table[:, :BINS // 2 + 1] = padded.reshape(2, -1, 2).sum(axis=2)
        self.origin -= odd * self.width
        self.width *= 2


@dataclass(frozen=True)
class Details:
    """Data packets, one by one."""

    time: NDArray[np.int64]  # nanoseconds since 1970
    size: NDArray[np.int32]  # payload bytes; below 0 from the end whose number is the higher
    key: NDArray[np.uint64]  # of the two ends: see `keys_of`


@dataclass
class Survey:
    """Everything the plots need; feed it packets and closed flows."""

    timeline: Timeline = field(default_factory=Timeline)
    sizes: NDArray[np.int64] = field(
        default_factory=lambda: np.zeros((2, LONGEST + 1), np.int64))
    gaps: NDArray[np.int64] = field(
        default_factory=lambda: np.zeros((2, gap_bins()), np.int64))
    protocols: dict[int, tuple[int, int]] = field(default_factory=dict)  # packets, bytes
    statuses: NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(Status), np.int64))
    flows: int = 0
    flow_bytes: int = 0
    top: NDArray[Any] = field(default_factory=lambda: np.empty(0, FLOW))  # largest first
    details_left: int = DETAILS
    details_missing: int = 0  # data packets for which there was no room
    _kept: list[Details] = field(default_factory=list)
    _in_order: bool = False
    _table: tuple[NDArray[Any], ...] = field(default_factory=lambda: _empty_table())

    def feed(self, packets: NDArray[Any]) -> None:
        """Take rows of `PACKET` in."""
        assert packets.dtype == PACKET
        self.statuses += np.bincount(packets["status"], minlength=len(Status))[:len(Status)]
        packets = packets[packets["status"] <= Status.FRAGMENT]
        if not len(packets):
            return
        key, low = keys_of(packets)
        time = np.clip(packets["time"], 0, LATEST)
        length = packets["length"].copy()
        up = np.empty(len(packets), np.bool_)
        gap = np.empty(len(packets), np.int64)
        follow(key, low, packets["flags"].copy(), time, up, gap, *self._table)
        self.timeline.add(time, up, length)
        self._count(packets["protocol"], length, up, gap)
        self._keep(packets, time, low, key)

    def add_flows(self, flows: NDArray[Any]) -> None:
        """Take rows of `FLOW` in; the largest are kept."""
        if not len(flows):
            return
        self.flows += len(flows)
        self.flow_bytes += int(flows["bytes_up"].sum() + flows["bytes_down"].sum())
        joined = np.concatenate([self.top, flows])
        order = np.argsort(-(joined["bytes_up"] + joined["bytes_down"]).astype(np.int64),
                           kind="stable")
        self.top = joined[order[:TOP_FLOWS]]

    def details_of(self, flow: Any) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Times and payloads, below 0 downwards, of the first data packets of a row of `FLOW`."""
        details = self._sorted()
        key, low = keys_of(np.array([flow], FLOW))
        begin, end = np.searchsorted(details.key, key[0], "left"), np.searchsorted(
            details.key, key[0], "right")
        time, size = details.time[begin:end], details.size[begin:end].astype(np.int64)
        chosen = np.flatnonzero((time >= flow["first"]) & (time <= flow["last"]))[:DETAILS_OF_FLOW]
        return time[chosen], (size if low[0] else -size)[chosen]

    def _sorted(self) -> Details:
        """All that were kept, those of the same ends together."""
        if len(self._kept) != 1 or not self._in_order:
            parts = self._kept or [Details(np.empty(0, np.int64), np.empty(0, np.int32),
                                           np.empty(0, np.uint64))]
            time, size, key = (np.concatenate([getattr(part, name) for part in parts])
                               for name in ("time", "size", "key"))
            order = np.argsort(key, kind="stable")
            self._kept, self._in_order = [Details(time[order], size[order], key[order])], True
        return self._kept[0]

    def _count(self, protocol: NDArray[np.uint8], length: NDArray[np.int32],
               up: NDArray[np.bool_], gap: NDArray[np.int64]) -> None:
        clipped = np.clip(length, 0, LONGEST) + np.where(up, 0, LONGEST + 1)
        self.sizes += np.bincount(clipped, minlength=2 * (LONGEST + 1)).reshape(2, -1)
        known = gap >= 0
        index = gap_index(gap[known]) + np.where(up[known], 0, gap_bins())
        self.gaps += np.bincount(index, minlength=2 * gap_bins()).reshape(2, -1)
        packets = np.bincount(protocol, minlength=256)
        volume = np.bincount(protocol, length, minlength=256)
        for number in np.flatnonzero(packets).tolist():
            before = self.protocols.get(number, (0, 0))
            self.protocols[number] = (before[0] + int(packets[number]),
                                      before[1] + int(volume[number]))

    def _keep(self, packets: NDArray[Any], time: NDArray[np.int64], low: NDArray[np.bool_],
              key: NDArray[np.uint64]) -> None:
        payload = payloads_of(packets)
        data = np.flatnonzero(payload)
        room = data[:self.details_left]
        self.details_left -= len(room)
        self.details_missing += len(data) - len(room)
        if len(room):
            size = np.where(low[room], payload[room], -payload[room]).astype(np.int32)
            self._kept.append(Details(time[room], size, key[room]))
            self._in_order = False


def payloads_of(packets: NDArray[Any]) -> NDArray[np.int32]:
    """Payload of each; where it was not captured, the length less the usual headers."""
    payload = packets["payload"].copy()
    unknown = payload < 0
    if unknown.any():
        headers = np.zeros(256, np.int32)
        for protocol, size in HEADERS.items():
            headers[protocol] = size
        network = np.where(packets["version"][unknown] == 6, 40, 20)
        payload[unknown] = np.maximum(
            packets["length"][unknown] - network - headers[packets["protocol"][unknown]], 0)
    return np.asarray(payload, np.int32)


def keys_of(rows: NDArray[Any]) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """A number for the two ends of each, the same in both directions; and which end is the source.

    Of rows of `PACKET` or `FLOW`. Tunnels are left out: packets know one direction's alone.
    """
    source = _end_of(rows["source"], rows["source_port"])
    destination = _end_of(rows["destination"], rows["destination_port"])
    low, high = np.minimum(source, destination), np.maximum(source, destination)
    kind = rows["protocol"].astype(np.uint64) << np.uint64(8) | rows["version"]
    return _mixed(low + _mixed(high + _mixed(kind))), source <= destination


def _end_of(address: NDArray[np.uint8], port: NDArray[np.uint16]) -> NDArray[np.uint64]:
    halves = np.ascontiguousarray(address).view("<u8").reshape(-1, 2)
    return _mixed(halves[:, 0] + _mixed(halves[:, 1] + _mixed(port.astype(np.uint64))))


def _mixed(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """splitmix64: every bit of the result depends on every bit of the value; it wraps around."""
    value = value + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(value ^ (value >> np.uint64(31)), np.uint64)


def gap_bins() -> int:
    return (GAP_DECADES[1] - GAP_DECADES[0]) * GAPS_PER_DECADE


def gap_edges() -> NDArray[np.float64]:
    """Seconds at which the slices of the gaps' distribution begin and end."""
    return np.asarray(10.0 ** np.linspace(GAP_DECADES[0], GAP_DECADES[1], gap_bins() + 1))


def gap_index(gap: NDArray[np.int64]) -> NDArray[np.int64]:
    """The slice of each gap, in nanoseconds; shorter and longer ones are in the outermost."""
    decades = np.log10(np.maximum(gap, 1) / 1e9) - GAP_DECADES[0]
    return np.asarray(np.clip(decades * GAPS_PER_DECADE, 0, gap_bins() - 1), np.int64)


def _empty_table() -> tuple[NDArray[Any], ...]:
    size = WAYS * SETS
    return (np.zeros(size, np.uint64), np.zeros(size, np.bool_), np.full((2, size), -1, np.int64),
            np.full(size, -1, np.int64))


@compiled
def follow(
    key: NDArray[np.uint64], low: NDArray[np.bool_], flags: NDArray[np.uint8],
    time: NDArray[np.int64], up: NDArray[np.bool_], gap: NDArray[np.int64],
    table_key: NDArray[np.uint64], table_low: NDArray[np.bool_], table_last: NDArray[np.int64],
    table_used: NDArray[np.int64],
) -> None:
    """Whether each packet goes up, and nanoseconds since the one before it that way, else -1."""
    for i in range(len(key)):
        base = int(key[i] % np.uint64(SETS)) * WAYS
        place, oldest = -1, base
        for way in range(base, base + WAYS):
            if table_used[way] >= 0 and table_key[way] == key[i]:
                place = way
                break
            if table_used[way] < table_used[oldest]:
                oldest = way
        opens = flags[i] & SYN != 0
        fresh = place < 0 or time[i] - table_used[place] > FORGET
        if place < 0:
            place = oldest
        if fresh:
            table_key[place] = key[i]
            table_last[0, place] = table_last[1, place] = -1
        if opens:
            # Whoever says SYN is up; who says SYN and ACK was asked by the other.
            table_low[place] = low[i] == (flags[i] & ACK == 0)
        elif fresh:
            table_low[place] = low[i]
        up[i] = low[i] == table_low[place]
        way_up = 0 if up[i] else 1
        before = table_last[way_up, place]
        gap[i] = max(time[i] - before, 0) if before >= 0 else -1
        table_last[way_up, place] = time[i]
        table_used[place] = max(time[i], 0)
