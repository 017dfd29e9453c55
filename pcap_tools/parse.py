"""Frames to packets: one row of `PACKET` for each frame, whatever it holds.

Addresses, ports and lengths are those of the innermost IP packet: GTP-U, GRE, VXLAN and IP in IP
are looked into, to a depth of eight. `length` comes from IP's header, so frames of which the end
was not captured count in full. Where a tunnel holds no IP (ARP in VXLAN), its own packet stands for
it. Of a tunnel packet that was fragmented only the first fragment is looked into; the others are
fragments between the tunnel's ends. Lengths that contradict each other make a frame `Status.BAD`,
and no byte outside the captured ones is ever read. It knows nothing of flows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcap_tools.compiled import compiled
from pcap_tools.layers import (
    BAD,
    CUT,
    FLOW,
    IP,
    TRANSPORT,
    done,
    enter,
    internet_4,
    internet_6,
)
from pcap_tools.octets import byte
from pcap_tools.packets import PACKET
from pcap_tools.records import Records
from pcap_tools.transport import NO_QFI, transport

DEPTH = 8  # IP headers inside each other


def _words() -> np.dtype[np.void]:
    """PACKET with addresses as two words each, which compiled code compares at once."""
    names: list[str] = []
    formats: list[str] = []
    offsets: list[int] = []
    assert PACKET.names is not None
    assert PACKET.fields is not None
    for name in PACKET.names:
        kind, offset = PACKET.fields[name][:2]
        if name in ("source", "destination"):
            names += [f"{name}_0", f"{name}_1"]
            formats += ["<u8", "<u8"]
            offsets += [offset, offset + 8]
        else:
            names.append(name)
            formats.append(kind.str)
            offsets.append(offset)
    return np.dtype({"names": names, "formats": formats, "offsets": offsets,
                     "itemsize": PACKET.itemsize})


WORDS = _words()


def parse(records: Records) -> NDArray[np.void]:
    """A row for each record, in order."""
    packets = np.zeros(len(records), PACKET)
    data, start, captured, length, time, link = columns(records)
    parse_all(data, start, captured, length, time, link, packets.view(WORDS))
    return packets


def columns(records: Records) -> tuple[NDArray[Any], ...]:
    """The arrays of `records` as compiled functions take them: one kind each, and consistent."""
    start = _column(records.start, np.int64)
    captured = _column(records.captured, np.int32)
    if len(start) and (int(start.min()) < 0 or int(captured.min()) < 0
                       or int((start + captured).max()) > len(records.data)):
        raise ValueError("records point outside their data")
    return (octets(records.data), start, captured, _column(records.length, np.int32),
            _column(records.time, np.int64), _column(records.link, np.int64))


def _column(values: NDArray[Any], kind: type[np.generic]) -> NDArray[Any]:
    return np.require(values, kind, ["C", "W"])


class _Unlocked:
    """Array memory without its mark as read-only: for compiled functions, that is another type."""

    def __init__(self, data: NDArray[np.uint8]) -> None:
        self._data = data  # kept alive
        self.__array_interface__ = {**data.__array_interface__,
                                    "data": (data.__array_interface__["data"][0], False)}


def octets(data: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """`data`, not copied, as the one kind of array that the kernels are compiled for."""
    data = np.ascontiguousarray(data, np.uint8)
    return data if data.flags.writeable else np.asarray(_Unlocked(data))


@compiled
def parse_frame(data: Any, begin: int, captured: int, length: int, link: int, out: Any) -> None:
    """Fill `out`, a row of WORDS, except for its time."""
    _clear(out)
    end = begin + captured
    limit = begin + max(length, captured)
    whole = True  # False inside the first of several fragments: the lengths within reach beyond it
    step, at = enter(data, begin, end, link, out)
    for _ in range(DEPTH):
        if step != IP:
            break
        if at >= end:
            step = done(CUT)
            break
        version = byte(data, at) >> 4
        if version == 4:
            step, at, limit, whole = internet_4(data, at, end, limit, whole, out)
        elif version == 6:
            step, at, limit, whole = internet_6(data, at, end, limit, whole, out)
        else:
            step = done(BAD)
        if step < 0:
            break
        end = min(end, limit)
        step, at, limit = transport(data, at, end, limit, step - TRANSPORT, whole, out)
    out["status"] = -1 - step if step < 0 else FLOW


@compiled
def _clear(out: Any) -> None:
    """What a row says before anything is known."""
    out["length"], out["payload"], out["fragment"] = 0, -1, 0
    out["source_0"], out["source_1"] = 0, 0
    out["destination_0"], out["destination_1"] = 0, 0
    out["source_port"], out["destination_port"] = 0, 0
    out["sequence"], out["teid"], out["vlan"] = 0, 0, 0
    out["version"], out["protocol"], out["flags"] = 0, 0, 0
    out["qfi"], out["quic"], out["tunnel"] = NO_QFI, False, 0


@compiled
def parse_all(data: Any, start: Any, captured: Any, length: Any, time: Any, link: Any,
              packets: Any) -> None:
    for index in range(len(start)):
        packets[index]["time"] = time[index]
        parse_frame(data, int(start[index]), int(captured[index]), int(length[index]),
                    int(link[index]), packets[index])
