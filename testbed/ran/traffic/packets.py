"""The bytes of arrivals: recorded packets with exchanged addresses, or made-up UDP of their size.

    arena, begin = packets_of(rows, addresses, recordings)

Compiled: a packet takes well under a microsecond. The user's address becomes that of the UE's
session, the other end's one of 198.18.0.0/15, which is nobody's; checksums follow. What was not
captured of a packet is zeros. Made-up packets go between `USER_PORT` and a port for each source
and flow. It sends nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pcap_tools.compiled import compiled
from testbed.ran.traffic.arrivals import MADE_UP, UP, Arrivals
from testbed.ran.traffic.recording import PEERS, Recording

USER_PORT = 40_000  # of a UE's made-up packets
FIRST_PORT = 20_000  # of the other end's: this, and the flow's number
PORTS = 16_384
HEADERS = 28  # bytes of IPv4's and UDP's
_UDP, _TCP = 17, 6
_Bytes = NDArray[np.uint8]


@compiled
def _put(data: _Bytes, at: int, value: int, size: int) -> None:
    for place in range(size):
        data[at + place] = (value >> (8 * (size - 1 - place))) & 255


@compiled
def _word(data: _Bytes, at: int) -> int:
    return (int(data[at]) << 8) | int(data[at + 1])


@compiled
def _folded(total: int) -> int:
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total


@compiled
def _seal(data: _Bytes, at: int, header: int) -> None:
    """Write the IP header's checksum."""
    data[at + 10] = 0
    data[at + 11] = 0
    total = 0
    for place in range(0, header, 2):
        total += _word(data, at + place)
    _put(data, at + 10, _folded(total) ^ 0xFFFF, 2)


@compiled
def _make_up(data: _Bytes, at: int, size: int, source: int, target: int, source_port: int,
             target_port: int, number: int) -> None:
    """A UDP packet without a checksum of its own, which IPv4 allows."""
    data[at:at + size] = 0
    data[at] = 0x45
    _put(data, at + 2, size, 2)
    _put(data, at + 4, number & 0xFFFF, 2)
    data[at + 8] = 64  # time to live
    data[at + 9] = _UDP
    _put(data, at + 12, source, 4)
    _put(data, at + 16, target, 4)
    _put(data, at + 20, source_port, 2)
    _put(data, at + 22, target_port, 2)
    _put(data, at + 24, size - 20, 2)
    _seal(data, at, 20)


@compiled
def _repeat(data: _Bytes, at: int, size: int, recorded: _Bytes, begin: int, captured: int,
            source: int, target: int) -> None:
    """A recorded packet between other addresses (RFC 1624 for the transport's checksum)."""
    data[at:at + captured] = recorded[begin:begin + captured]
    data[at + captured:at + size] = 0
    header = (int(data[at]) & 15) * 4
    change = 0
    for place in range(12, 20, 2):
        change += _word(data, at + place) ^ 0xFFFF
    _put(data, at + 2, size, 2)
    _put(data, at + 12, source, 4)
    _put(data, at + 16, target, 4)
    for place in range(12, 20, 2):
        change += _word(data, at + place)
    _seal(data, at, header)
    if _word(data, at + 6) & 0x1FFF:
        return  # a later fragment: no transport header
    protocol = data[at + 9]
    place = at + header + (6 if protocol == _UDP else 16)
    if (protocol != _UDP and protocol != _TCP) or place + 2 > at + captured:
        return
    old = _word(data, place)
    if protocol == _UDP and old == 0:
        return  # none was computed
    new = _folded((old ^ 0xFFFF) + change) ^ 0xFFFF
    _put(data, place, 0xFFFF if protocol == _UDP and new == 0 else new, 2)


@compiled
def _fill(data: _Bytes, begin: NDArray[np.int64], size: NDArray[np.int64],
          user: NDArray[np.int64], up: NDArray[np.bool_], port: NDArray[np.int64],
          row: NDArray[np.int64], peer: NDArray[np.int64], recorded: _Bytes,
          from_: NDArray[np.int64], captured: NDArray[np.int64], number: int) -> None:
    for place in range(len(begin)):
        at = begin[place]
        source, target = user[place], peer[place]
        source_port, target_port = USER_PORT, port[place]
        if not up[place]:
            source, target = target, source
            source_port, target_port = target_port, source_port
        if row[place] >= 0 and captured[place] >= 20:
            _repeat(data, at, size[place], recorded, from_[place], captured[place], source, target)
        else:
            _make_up(data, at, size[place], source, target, source_port, target_port,
                     number + place)


def packets_of(rows: Arrivals, addresses: NDArray[np.int64], recording: Recording | None = None,
               number: int = 0) -> tuple[_Bytes, NDArray[np.int64]]:
    """One buffer with the packets of `rows`, and where each begins; `addresses` are the users'.

    All rows are of one source, which has `recording` or none.
    """
    size = np.maximum(rows["size"], HEADERS).astype(np.int64)
    begin = np.concatenate((np.zeros(1, np.int64), np.cumsum(size)))[:-1]
    row = rows["row"].astype(np.int64)
    flow = rows["flow"].astype(np.int64)
    peer = np.full(len(rows), PEERS, np.int64)
    recorded, from_, captured = np.zeros(0, np.uint8), np.zeros_like(row), np.zeros_like(row)
    if recording is not None:
        recorded, peer = recording.data, recording.peer[row].astype(np.int64)
        from_ = recording.begin[row]
        captured = np.minimum(recording.captured[row].astype(np.int64), size)
    data = np.empty(int(size.sum()), np.uint8)
    port = FIRST_PORT + (flow + 97 * rows["source"].astype(np.int64)) % PORTS
    _fill(data, begin, size, addresses, rows["direction"] == UP, port,
          np.where(row == MADE_UP, -1, row), peer, recorded, from_, captured, number)
    return data, begin
