"""A recording of one phone's traffic: times, sizes, directions, and the packets where there are.

Captures (pcap, pcapng, packed or not) are read by `pcap_tools`. A CSV has the columns `Time`
(seconds), `Source`, `Destination` and `Length`, as Wireshark exports them; what else is in it is
passed over. Which address is the phone's is said, or it is the one that most packets are of; of
two with as many, the one that more bytes go to. Packets of others, and what is no IPv4, are left
out and counted. A packet longer than a packet may be becomes several, made up: offloading has put
it together in the first place.
"""

from __future__ import annotations

import csv
import gzip
import ipaddress
import math
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pcap_tools.read import open_captures
from pcap_tools.records import Records
from pcap_tools.replay import HEADERS, RAW_LINKS, VLAN_TAGS
from testbed.ran.traffic.arrivals import DOWN, SECOND, UP
from testbed.ran.traffic.config import LEAST_PACKET, TrafficConfig
from xapp.errors import ConfigurationError

MOST_PACKETS = 5_000_000  # of one recording, in memory with their bytes
MOST_BYTES = 2 << 30
ETHERNET = 1
IP_4_TYPE = b"\x08\x00"
COLUMNS = ("Time", "Source", "Destination", "Length")
PEERS = int(ipaddress.IPv4Address("198.18.0.1"))  # of RFC 2544's range, which is nobody's
MOST_PEERS = 131_000
_Packet = tuple[int, int, int, int, bytes]  # nanoseconds, source, destination, length, captured


@dataclass(frozen=True)
class Recording:
    """Packets of one phone, in order of time."""

    time: NDArray[np.int64]  # nanoseconds since the first
    size: NDArray[np.int32]  # bytes of the IP packet
    direction: NDArray[np.uint8]
    flow: NDArray[np.uint16]
    peer: NDArray[np.uint32]  # the other end's address, exchanged for one of 198.18.0.0/15
    begin: NDArray[np.int64]  # of the packet's bytes in `data`
    captured: NDArray[np.int32]  # of them that there are; 0: none, the packet is made up
    data: NDArray[np.uint8]
    user: str  # the phone's address in it
    left_out: int  # packets of others, or no IPv4
    split: int  # packets that became several

    @property
    def seconds(self) -> float:
        return float(self.time[-1]) / SECOND


def read_recording(config: TrafficConfig) -> Recording:
    """The recording that a replay has."""
    assert config.file is not None  # configurations of replays have one
    return _read(config.file, config.user, config.header_bytes, config.packet_bytes,
                 config.longest_gap)


@lru_cache(maxsize=8)  # many users share one
def _read(path: Path, user: str | None, header_bytes: int, most: int,
          longest_gap: float | None) -> Recording:
    csv_file = path.name.lower().removesuffix(".gz").endswith(".csv")
    packets, left_out = _of_csv(path, header_bytes) if csv_file else _of_capture(path)
    phone = _phone(path, packets, user)
    kept = [one for one in packets if phone in one[1:3]]
    kept.sort(key=lambda one: one[0])
    return _built(path, kept, phone, left_out + len(packets) - len(kept), most, longest_gap)


def _of_capture(path: Path) -> tuple[list[_Packet], int]:
    packets: list[_Packet] = []
    left_out = room = 0
    for records in open_captures([path]):
        for one in _ip_packets(records):
            if one is None:
                left_out += 1
                continue
            packets.append(one)
            room += len(one[4])
        if len(packets) > MOST_PACKETS or room > MOST_BYTES:
            raise ConfigurationError(f"{path} has more packets than fit in memory.",
                                     "Cut it: airsplit pcap cut, or editcap.")
    return packets, left_out


def _ip_packets(records: Records) -> Iterator[_Packet | None]:
    data = records.data.tobytes()
    for start, captured, time, link in zip(
            records.start.tolist(), records.captured.tolist(), records.time.tolist(),
            records.link.tolist(), strict=True):
        frame = data[start:start + captured]
        at = _network_layer(frame, link)
        packet = frame[at:] if at is not None else b""
        if len(packet) < 20 or packet[0] >> 4 != 4 or (packet[0] & 15) < 5:
            yield None
            continue
        length = int.from_bytes(packet[2:4], "big")
        if length < 4 * (packet[0] & 15):  # 0 where a network card cuts segments itself
            length = len(packet)
        yield (time, int.from_bytes(packet[12:16], "big"), int.from_bytes(packet[16:20], "big"),
               length, packet[:length])


def _network_layer(frame: bytes, link: int) -> int | None:
    """Where an IP packet begins in a frame; None where there is none."""
    if link in RAW_LINKS:
        return 0
    if link != ETHERNET:
        return HEADERS.get(link)
    at = 12
    while frame[at:at + 2] in VLAN_TAGS:
        at += 4
    return at + 2 if frame[at:at + 2] == IP_4_TYPE else None


def _of_csv(path: Path, header_bytes: int) -> tuple[list[_Packet], int]:
    packets: list[_Packet] = []
    left_out = 0
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            if not set(COLUMNS) <= set(reader.fieldnames or ()):
                raise ConfigurationError(
                    f"{path} has no columns {', '.join(COLUMNS)}.",
                    "Export packets as CSV from Wireshark, or give a capture.")
            for row in reader:
                found = _of_row(row, header_bytes)
                if found is None:
                    left_out += 1
                else:
                    packets.append(found)
                if len(packets) > MOST_PACKETS:
                    raise ConfigurationError(f"{path} has more than {MOST_PACKETS} lines.",
                                             "Cut it.")
    except (OSError, EOFError, zlib.error) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}.",
                                 "Name a capture or a CSV.") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is no CSV: {error}.", "Correct it.") from error
    return packets, left_out


def _of_row(row: dict[str, str | None], header_bytes: int) -> _Packet | None:
    """A line's packet; None where it is of no IPv4 addresses or has no figures."""
    try:
        time, length = float(row["Time"] or ""), int(row["Length"] or "")
        source = int(ipaddress.IPv4Address(row["Source"] or ""))
        destination = int(ipaddress.IPv4Address(row["Destination"] or ""))
    except ValueError:
        return None
    if not (math.isfinite(time) and abs(time) < 1e10 and header_bytes < length < 1 << 20):
        return None
    return round(time * SECOND), source, destination, length - header_bytes, b""


def _phone(path: Path, packets: Sequence[_Packet], user: str | None) -> int:
    """The phone's address."""
    if not packets:
        raise ConfigurationError(f"{path} has no IPv4 packets.", "Give another recording.")
    seen: Counter[int] = Counter()
    received: Counter[int] = Counter()
    for _, source, destination, length, _ in packets:
        seen[source] += 1
        seen[destination] += 1
        received[destination] += length
    if user is None:
        return max(seen, key=lambda one: (seen[one], received[one]))
    try:
        phone = int(ipaddress.IPv4Address(user))
    except ValueError as error:
        raise ConfigurationError(f"{user!r} is no IPv4 address.", "Correct `user`.") from error
    if phone not in seen:
        raise ConfigurationError(
            f"{path} has no packet of {user}.", "Most are of " + ", ".join(
                str(ipaddress.IPv4Address(one)) for one, _ in seen.most_common(3)) + ".")
    return phone


def _built(path: Path, packets: Sequence[_Packet], phone: int, left_out: int, most: int,
           longest_gap: float | None) -> Recording:
    rows: list[tuple[int, int, int, int, int, int, int]] = []
    peers: dict[int, int] = {}
    room = bytearray()
    split = 0
    for time, source, destination, length, data in packets:
        other = destination if source == phone else source
        peer = PEERS + peers.setdefault(other, len(peers)) % MOST_PEERS
        head = (time, UP if source == phone else DOWN, peers[other] & 0xFFFF, peer)
        if length <= most:
            rows.append((*head, max(length, LEAST_PACKET), len(room), len(data)))
            room += data
        else:
            split += 1
            whole, rest = divmod(length, most)
            rows += [(*head, most, 0, 0)] * whole
            if rest:
                rows.append((*head, max(rest, LEAST_PACKET), 0, 0))
    table = np.array(rows, np.int64)
    return Recording(
        _closed_up(table[:, 0] - table[0, 0], longest_gap), table[:, 4].astype(np.int32),
        table[:, 1].astype(np.uint8), table[:, 2].astype(np.uint16),
        table[:, 3].astype(np.uint32), table[:, 5].copy(), table[:, 6].astype(np.int32),
        np.frombuffer(bytes(room), np.uint8), str(ipaddress.IPv4Address(phone)), left_out, split)


def _closed_up(times: NDArray[np.int64], longest_gap: float | None) -> NDArray[np.int64]:
    if longest_gap is None:
        return times
    gaps = np.minimum(np.diff(times), round(longest_gap * SECOND))
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(gaps)))
