"""Captures of made-up traffic for benchmarks: many flows, several protocols, the same every time.

Flow sizes have a heavy tail, packet sizes two peaks, flows overlap in time. Everything follows from
the seed. Headers are valid, checksums of IPv4 too; payloads are noise that no dissector knows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
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
        flow, payload = made.flow[part], made.payload[part]
        data = np.zeros(len(flow) * HEADROOM + int(payload.sum()), np.uint8)
        start = np.empty(len(flow), np.int64)
        length = np.empty(len(flow), np.int32)
        build(data, start, length, noise, mix.tunnel, made.version, made.protocol, made.client,
              made.server, made.client_port, made.server_port, flow, payload, made.up[part],
              made.flags[part])
        yield Records(data, start, np.minimum(length, mix.snap).astype(np.int32), length,
                      made.time[part], np.ones(len(flow), np.uint16),
                      np.zeros(len(flow), np.int32))


def write(mix: Mix, path: Path) -> None:
    """The capture that `mix` describes."""
    with PcapWriter(path, snap=mix.snap) as writer:
        for records in batches(mix, plan(mix)):
            writer.write(records)


@compiled
def wide(number: Any) -> int:
    """`number` in 64 signed bits, so that nothing computed of it wraps around."""
    return np.int64(number)  # type: ignore[return-value]  # numpy's integer serves as one


@compiled
def put(data: NDArray[np.uint8], at: int, value: int, size: int) -> int:
    """`value` in network byte order; where it ends."""
    for place in range(size):
        data[at + place] = value >> 8 * (size - 1 - place) & 0xFF
    return at + size


@compiled
def build(
    data: NDArray[np.uint8], start: NDArray[np.int64], length: NDArray[np.int32],
    noise: NDArray[np.uint8], tunnel: bool, version: NDArray[np.uint8],
    protocol: NDArray[np.uint8], client: NDArray[np.uint32], server: NDArray[np.uint32],
    client_port: NDArray[np.uint16], server_port: NDArray[np.uint16], flow: NDArray[np.int32],
    payload: NDArray[np.int32], up: NDArray[np.bool_], flags: NDArray[np.uint8],
) -> None:
    """Every frame of a chunk into `data`, one after the other."""
    at = 0
    for row in range(len(flow)):
        number, size = wide(flow[row]), wide(payload[row])
        begin, here, there = at, wide(client[number]), wide(server[number])
        port, other = wide(client_port[number]), wide(server_port[number])
        kind = wide(protocol[number])
        if not up[row]:
            here, there, port, other = there, here, other, port
        transport = size + (20 if kind == TCP else 8)
        at = put(data, at, 0x0200_0000_0001, 6)
        at = put(data, at, 0x0200_0000_0002, 6)
        if version[number] == VLAN and not tunnel:
            at = put(data, at, 0x8100_0064, 4)
        six = version[number] == V6
        if tunnel:
            inner = transport + (40 if six else 20)
            at = wrap(data, at, number, up[row], inner)
        else:
            at = put(data, at, 0x86DD if six else 0x0800, 2)
        if six:
            at = ipv6(data, at, transport, kind, here, there)
        else:
            at = ipv4(data, at, transport, kind, here, there)
        at = put(data, at, port, 2)
        at = put(data, at, other, 2)
        if kind == TCP:
            at = put(data, at, row + 1, 4)
            at = put(data, at, 1, 4)
            at = put(data, at, 0x5000 | wide(flags[row]), 2)
            at = put(data, at, 0x0400_0000_0000, 6)
        else:
            at = put(data, at, transport, 2)
            at = put(data, at, 0, 2)
        place = row * 7919 % (NOISE - 2000)
        data[at:at + size] = noise[place:place + size]
        at += size
        start[row], length[row] = begin, at - begin


@compiled
def ipv4(data: NDArray[np.uint8], at: int, size: int, protocol: int, here: int,
         there: int) -> int:
    begin = at
    at = put(data, at, 0x4500_0000 | size + 20, 4)
    at = put(data, at, 0x4000, 4)
    at = put(data, at, 0x4000_0000 | protocol << 16, 4)
    at = put(data, at, here, 4)
    at = put(data, at, there, 4)
    total = 0
    for place in range(begin, at, 2):
        total += wide(data[place]) << 8 | wide(data[place + 1])
    total = (total & 0xFFFF) + (total >> 16)
    put(data, begin + 10, ~(total + (total >> 16)) & 0xFFFF, 2)
    return at


@compiled
def ipv6(data: NDArray[np.uint8], at: int, size: int, protocol: int, here: int,
         there: int) -> int:
    at = put(data, at, 6 << 28, 4)
    at = put(data, at, size << 16 | protocol << 8 | 64, 4)
    for address in (here, there):
        at = put(data, at, 0x2001_0DB8_0000_0000, 8)
        at = put(data, at, address, 8)
    return at


@compiled
def wrap(data: NDArray[np.uint8], at: int, number: int, up: bool, size: int) -> int:
    """Ethernet's type, IPv4, UDP and GTP-U with a PDU session container, around `size` bytes."""
    gnb, upf = 0x0A64_0001, 0x0A64_0101
    at = put(data, at, 0x0800, 2)
    at = ipv4(data, at, 8 + 16 + size, UDP, gnb if up else upf, upf if up else gnb)
    at = put(data, at, 2152 << 16 | 2152, 4)
    at = put(data, at, (8 + 16 + size) << 16, 4)
    at = put(data, at, 0x34FF_0000 | 8 + size, 4)
    teid = number % 500 + (0x1000 if up else 0x2000)
    at = put(data, at, teid, 4)
    at = put(data, at, 0x85, 4)
    return put(data, at, 0x0100_0000 | (0x10 if up else 0) << 16 | (number % 5 + 1) << 8, 4)
