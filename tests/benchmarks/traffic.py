"""Captures of made-up traffic for benchmarks: many flows, several protocols, the same every time.

Flow sizes have a heavy tail, packet sizes two peaks, flows overlap in time. Everything follows from
the seed. Headers are valid, checksums of IPv4 too; payloads are noise that no dissector knows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcap_tools.compiled import compiled
from pcap_tools.records import Records
from pcap_tools.write import PcapWriter

BEGIN = 1_700_000_000 * 10**9  # nanoseconds
TCP, UDP = 6, 17
V4, V6, VLAN = range(3)
SHARES = (0.65, 0.25, 0.10)  # of the flows: IPv4, IPv6, IPv4 in a VLAN
ACK, SYN, FIN = 0x10, 0x02, 0x01
SERVER_PORTS = (443, 80, 8443, 8080, 22, 3478)
NOISE = 1 << 16  # bytes that payloads are cut from
HEADROOM = 160  # bytes before any payload
CHUNK = 1 << 16  # packets made at once
GNB, UPF, PREFIX = 0x0A64_0001, 0x0A64_0101, 0x2001_0DB8_0000_0000
Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Mix:
    """What to make."""

    packets: int = 3_000_000
    flows: int = 60_000
    seed: int = 7
    seconds: float = 300.0  # in which flows begin
    tunnel: bool = False  # GTP-U as on N3, with QFI
    snap: int = 1 << 18  # bytes kept of each frame


@dataclass(frozen=True)
class Plan:
    """Flows, and the packets in the order of time; one row each."""

    version: NDArray[np.uint8]
    protocol: NDArray[np.uint8]
    client: NDArray[np.uint32]
    server: NDArray[np.uint32]
    client_port: NDArray[np.uint16]
    server_port: NDArray[np.uint16]
    time: NDArray[np.int64]
    flow: NDArray[np.int32]
    payload: NDArray[np.int32]
    up: NDArray[np.bool_]
    flags: NDArray[np.uint8]


def plan(mix: Mix) -> Plan:
    """The same flows and packets for the same mix, whatever they are wrapped in."""
    random = np.random.default_rng(mix.seed)
    sizes = flow_sizes(mix, random)
    flow = np.repeat(np.arange(mix.flows, dtype=np.int32), sizes)
    first = np.cumsum(sizes) - sizes
    pace = random.lognormal(np.log(0.02), 1.0, mix.flows)  # seconds between packets
    gaps = random.exponential(np.minimum(pace, 60 / sizes)[flow])
    gaps[first] = 0
    passed = np.cumsum(gaps)
    begins = np.sort(random.uniform(0, mix.seconds, mix.flows))
    time = passed - passed[first][flow] + begins[flow]
    protocol = np.where(random.random(mix.flows) < 0.7, TCP, UDP).astype(np.uint8)
    up = random.random(len(flow)) < random.beta(2, 3, mix.flows)[flow]
    up[first] = True
    kind = random.random(len(flow))
    payload = np.where(kind < 0.45, random.integers(0, 60, len(flow)),
                       np.where(kind < 0.75, random.integers(60, 700, len(flow)), 1350))
    flags = np.where(protocol[flow] == TCP, ACK, 0).astype(np.uint8)
    last = first + sizes - 1
    flags[first[protocol == TCP]] = SYN
    flags[last[(protocol == TCP) & (sizes > 2)]] |= FIN
    payload[(flags & SYN) != 0] = 0
    order = np.argsort(time, kind="stable")
    number = np.arange(mix.flows)
    return Plan(
        random.choice(3, mix.flows, p=SHARES).astype(np.uint8), protocol,
        (0x0A00_0000 + number % 40_009).astype(np.uint32),
        (0xC612_0000 + random.integers(0, 3000, mix.flows)).astype(np.uint32),
        (20_000 + number // 2 % 40_000).astype(np.uint16),
        random.choice(SERVER_PORTS, mix.flows).astype(np.uint16),
        (BEGIN + (time[order] * 1e9).astype(np.int64)), flow[order],
        payload[order].astype(np.int32), up[order], flags[order])


def flow_sizes(mix: Mix, random: np.random.Generator) -> NDArray[np.int64]:
    """Packets of each flow: at least one, many small, few huge, all of them together as wanted."""
    shares = random.lognormal(0, 1.8, mix.flows)
    sizes = 1 + np.floor((mix.packets - mix.flows) * shares / shares.sum()).astype(np.int64)
    sizes[np.argmax(sizes)] += mix.packets - sizes.sum()
    return np.asarray(sizes, np.int64)


def batches(mix: Mix, made: Plan) -> Iterator[Records]:
    """The frames, some thousand at a time."""
    noise = np.random.default_rng(mix.seed).integers(0, 256, NOISE, np.uint8)
    for begin in range(0, len(made.time), CHUNK):
        part = slice(begin, begin + CHUNK)
        heads, sizes = headers(made, part, mix.tunnel)
        length = (sizes + made.payload[part]).astype(np.int32)
        start = np.cumsum(length, dtype=np.int64) - length
        data = np.empty(int(length.sum(dtype=np.int64)), np.uint8)
        join(data, start, length, heads, sizes, noise)
        yield Records(data, start, np.minimum(length, mix.snap).astype(np.int32), length,
                      made.time[part], np.ones(len(length), np.uint16),
                      np.zeros(len(length), np.int32))


def write(mix: Mix, path: Path, most: int | None = None) -> None:
    """The capture that `mix` describes, or its first `most` packets."""
    with PcapWriter(path, snap=mix.snap) as writer:
        for records in batches(mix, first(plan(mix), most)):
            writer.write(records)


def first(made: Plan, most: int | None) -> Plan:
    """The first packets of a plan."""
    return replace(made, time=made.time[:most], flow=made.flow[:most],
                   payload=made.payload[:most], up=made.up[:most], flags=made.flags[:most])


@compiled
def join(data: Bytes, start: NDArray[np.int64], length: NDArray[np.int32], heads: Bytes,
         sizes: NDArray[np.int64], noise: Bytes) -> None:
    """Headers, each with as much noise behind it as its frame is long."""
    for row in range(len(start)):
        begin, size, place = start[row], sizes[row], row * 7919 % (NOISE - 2000)
        data[begin:begin + size] = heads[row, :size]
        rest = length[row] - size
        data[begin + size:begin + length[row]] = noise[place:place + rest]


def headers(made: Plan, part: slice, tunnel: bool) -> tuple[Bytes, NDArray[np.int64]]:
    """Everything before the payload of each packet, one a row, and how long it is."""
    flow = made.flow[part]
    heads = np.zeros((len(flow), HEADROOM), np.uint8)
    sizes = np.zeros(len(flow), np.int64)
    for version in (V4, V6, VLAN):
        for protocol in (TCP, UDP):
            rows = np.flatnonzero((made.version[flow] == version)
                                  & (made.protocol[flow] == protocol))
            one = header(made, rows + (part.start or 0), version, protocol, tunnel)
            heads[rows, :one.shape[1]] = one
            sizes[rows] = one.shape[1]
    return heads, sizes


def header(made: Plan, rows: NDArray[np.int64], version: int, protocol: int,
           tunnel: bool) -> Bytes:
    """The headers of packets of one kind, one a row."""
    flow, up = made.flow[rows], made.up[rows]
    ends = made.client[flow].astype(np.int64), made.server[flow].astype(np.int64)
    ports = made.client_port[flow].astype(np.int64), made.server_port[flow].astype(np.int64)
    size = made.payload[rows].astype(np.int64) + (20 if protocol == TCP else 8)
    here, there = np.where(up, *ends), np.where(up, *reversed(ends))
    six = version == V6
    inner = (ipv6 if six else ipv4)(size, protocol, here, there)
    kind = b"\x86\xdd" if six else b"\x08\x00"
    if version == VLAN and not tunnel:
        kind = b"\x81\x00\x00\x64" + kind
    if tunnel:
        inner, kind = wrap(inner, size + (40 if six else 20), flow, up), b"\x08\x00"
    macs = bytes.fromhex("020000000001020000000002")
    if protocol == TCP:
        rest = [(rows + 1, 4), (1, 4), (0x5000 | made.flags[rows].astype(np.int64), 2),
                (0x0400 << 32, 6)]
    else:
        rest = [(size, 2), (0, 2)]
    return fields(len(rows), [*((byte, 1) for byte in macs + kind), (inner, inner.shape[1]),
                              (np.where(up, *ports), 2), (np.where(up, *reversed(ports)), 2),
                              *rest])


def fields(count: int, values: Sequence[tuple[Any, int]]) -> Bytes:
    """Numbers in network byte order side by side, `count` rows; bytes as they are."""
    out = np.empty((count, sum(size for _, size in values)), np.uint8)
    at = 0
    for value, size in values:
        if isinstance(value, np.ndarray) and value.ndim == 2:
            out[:, at:at + size] = value
        else:
            wide = np.broadcast_to(np.asarray(value, ">u8"), count).copy()
            out[:, at:at + size] = wide.view(np.uint8).reshape(count, 8)[:, 8 - size:]
        at += size
    return out


def ipv4(size: Any, protocol: int, here: Any, there: Any) -> Bytes:
    out = fields(len(size), [(0x4500, 2), (size + 20, 2), (0x4000, 4), (64, 1), (protocol, 1),
                             (0, 2), (here, 4), (there, 4)])
    total = out.view(">u2").sum(axis=1, dtype=np.int64)
    total = (total & 0xFFFF) + (total >> 16)
    out[:, 10:12] = fields(len(out), [(~(total + (total >> 16)) & 0xFFFF, 2)])
    return out


def ipv6(size: Any, protocol: int, here: Any, there: Any) -> Bytes:
    return fields(len(size), [(6 << 28, 4), (size, 2), (protocol, 1), (64, 1),
                              (PREFIX, 8), (here, 8), (PREFIX, 8), (there, 8)])


def wrap(inner: Bytes, size: NDArray[np.int64], flow: NDArray[np.int32],
         up: NDArray[np.bool_]) -> Bytes:
    """`inner`, head of `size` bytes, behind IPv4, UDP and GTP-U with a PDU session container."""
    outer = ipv4(size + 24, UDP, np.where(up, GNB, UPF), np.where(up, UPF, GNB))
    teid = flow % 500 + np.where(up, 0x1000, 0x2000)
    return fields(len(size), [(outer, 20), (2152, 2), (2152, 2), (size + 24, 2), (0, 2),
                              (0x34FF, 2), (size + 8, 2), (teid, 4), (0x85, 4), (1, 1),
                              (np.where(up, 0x10, 0), 1), (flow % 5 + 1, 1), (0, 1),
                              (inner, inner.shape[1])])
