"""Captures for tests, written out byte by byte: pcap and pcapng in every variant there is."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from pathlib import Path

from pcap_tools.containers.chunks import CHUNK
from pcap_tools.read import CaptureReader, open_captures

MICRO, NANO, KUZNETSOV = 0xA1B2C3D4, 0xA1B23C4D, 0xA1B2CD34
BEGIN = 1_700_000_000 * 10**9  # nanoseconds
Frame = tuple[int, bytes, int]  # time, what was captured, bytes on the wire


def some_frames(count: int = 20, cut: int = 1 << 18) -> list[Frame]:
    """Frames of different lengths and bytes, whole microseconds apart."""
    frames = []
    for number in range(count):
        whole = bytes((number * 31 + place) & 255 for place in range(14 + number * 53 % 400))
        frames.append((BEGIN + number * 1_234_000, whole[:cut], len(whole)))
    return frames


def pcap(frames: Sequence[Frame], magic: int = NANO, order: str = "<", link: int = 1,
         version: tuple[int, int] = (2, 4), snap: int = 262144) -> bytes:
    out = struct.pack(order + "IHHiIII", magic, *version, 0, 0, snap, link)
    for time, kept, whole in frames:
        seconds, rest = divmod(time, 10**9)
        lengths = (len(kept), whole) if version >= (2, 4) else (whole, len(kept))
        out += struct.pack(order + "IIII", seconds, rest if magic == NANO else rest // 1000,
                           *lengths)
        out += bytes(8) if magic == KUZNETSOV else b""
        out += kept
    return out


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    size = 12 + len(padded(body))
    return struct.pack(order + "II", kind, size) + padded(body) + struct.pack(order + "I", size)


def option(code: int, value: bytes, order: str = "<") -> bytes:
    return struct.pack(order + "HH", code, len(value)) + padded(value)


def section(order: str = "<") -> bytes:
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(link: int = 1, snap: int = 0, resolution: int | None = None,
              offset: int | None = None, order: str = "<") -> bytes:
    options = option(2, b"eth0", order)
    if resolution is not None:
        options += option(9, bytes([resolution]), order)
    if offset is not None:
        options += option(14, struct.pack(order + "q", offset), order)
    return block(1, struct.pack(order + "HHI", link, 0, snap) + options + option(0, b"", order),
                 order)


def enhanced(units: int, kept: bytes, whole: int | None = None, which: int = 0,
             order: str = "<") -> bytes:
    return block(6, struct.pack(
        order + "IIIII", which, units >> 32, units & 0xFFFFFFFF, len(kept),
        len(kept) if whole is None else whole) + padded(kept) + option(1, b"a comment", order),
        order)


def simple(kept: bytes, whole: int, order: str = "<") -> bytes:
    return block(3, struct.pack(order + "I", whole) + kept, order)


def old_packet(units: int, kept: bytes, which: int = 0, order: str = "<") -> bytes:
    return block(2, struct.pack(order + "HHIIII", which, 3, units >> 32, units & 0xFFFFFFFF,
                                len(kept), len(kept)) + kept, order)


def statistics(dropped: int, which: int = 0, order: str = "<") -> bytes:
    return block(5, struct.pack(order + "III", which, 0, 0)
                 + option(5, struct.pack(order + "Q", dropped), order) + option(0, b"", order),
                 order)


def pcapng(frames: Sequence[Frame], order: str = "<") -> bytes:
    """One section and interface, nanoseconds."""
    return section(order) + interface(resolution=9, order=order) + b"".join(
        enhanced(time, kept, whole, order=order) for time, kept, whole in frames)


def read_all(reader: CaptureReader) -> list[Frame]:
    return [(int(time), records.data[start:start + captured].tobytes(), int(length))
            for records in reader for time, start, captured, length in zip(
                records.time, records.start, records.captured, records.length, strict=True)]


class Pipe(io.RawIOBase):
    """A stream that gives a few bytes at a time, as a pipe may."""

    def __init__(self, data: bytes, most: int) -> None:
        self._data, self._most = memoryview(data), most

    def readable(self) -> bool:
        return True

    def readinto(self, view: object) -> int:
        target = memoryview(view)  # type: ignore[arg-type]  # any writable buffer
        count = min(len(target), self._most, len(self._data))
        target[:count] = self._data[:count]
        self._data = self._data[count:]
        return count


def read_bytes(data: bytes, chunk: int = CHUNK, most: int = 1 << 30,
               batch: int = 1 << 16) -> tuple[list[Frame], CaptureReader]:
    """Everything of a capture that comes through stdin, `most` bytes at a time."""
    reader = open_captures(["-"], batch, chunk=chunk, stdin=Pipe(data, most))
    return read_all(reader), reader


def save(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path
