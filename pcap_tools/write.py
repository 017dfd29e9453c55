"""Frames into a pcap file: one link type, micro- or nanoseconds, cut to a length if wanted.

It writes what it is given in the order it comes; it does not know what is in the frames.
"""

from __future__ import annotations

import struct
from pathlib import Path
from types import TracebackType
from typing import IO

import numpy as np
from numpy.typing import NDArray

from pcap_tools.compiled import compiled, inlined
from pcap_tools.containers.pcap import MICROSECONDS, NANOSECONDS
from pcap_tools.containers.walking import LONGEST_FRAME, SECOND
from pcap_tools.errors import OutputError, UsageError
from pcap_tools.records import Records

RECORD_HEADER = 16  # bytes
LATEST_SECOND = (1 << 32) - 1  # that pcap can express: in the year 2106


class PcapWriter:
    """Appends frames to `target`: a path, or an open binary file, which is then not closed."""

    def __init__(self, target: str | Path | IO[bytes], link: int = 1, nanoseconds: bool = True,
                 snap: int = LONGEST_FRAME) -> None:
        if not 0 < snap <= LONGEST_FRAME:
            raise UsageError(f"A frame cannot be cut to {snap:,} bytes.",
                             f"Give 1 to {LONGEST_FRAME:,}.")
        self.link, self.snap = link, snap
        self.packets = 0
        self.bytes = 0  # of the file
        self._unit = 1 if nanoseconds else 1000
        self._name = str(target) if isinstance(target, str | Path) else "the output"
        self._own = isinstance(target, str | Path)
        try:
            self._file: IO[bytes] = (
                Path(target).open("wb")  # noqa: SIM115  # `close` closes it
                if isinstance(target, str | Path) else target)
        except OSError as error:
            raise self._failed(error) from error
        self._put(struct.pack("<IHHIIII", NANOSECONDS if nanoseconds else MICROSECONDS, 2, 4, 0, 0,
                              snap, link))

    def write(self, records: Records) -> None:
        """Append all frames of `records`; they have to be of this file's link type."""
        if not len(records):
            return
        if (records.link != self.link).any():
            other = int(records.link[records.link != self.link][0])
            raise OutputError(f"{self._name} holds frames of link type {self.link}, and one of "
                              f"type {other} came.", "Write each link type to a file of its own.")
        kept = np.minimum(records.captured, self.snap)
        out = np.empty(len(records) * RECORD_HEADER + int(kept.sum(dtype=np.int64)), np.uint8)
        pack(records.data, records.start, kept, records.length, records.time, self._unit, out)
        self._put(out.data)
        self.packets += len(records)

    def write_frame(self, time_ns: int, frame: bytes, length: int | None = None) -> None:
        """Append one frame; `length` is what it had on the wire where that was more."""
        seconds, rest = divmod(min(max(time_ns, 0), LATEST_SECOND * SECOND), SECOND)
        kept = frame[:self.snap]
        self._put(struct.pack("<IIII", seconds, rest // self._unit, len(kept),
                              max(length or 0, len(frame))) + kept)
        self.packets += 1

    def flush(self) -> None:
        """Everything written so far is the system's."""
        try:
            self._file.flush()
        except OSError as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Finish the file."""
        try:
            self._file.close() if self._own else self._file.flush()
        except OSError as error:
            raise self._failed(error) from error

    def __enter__(self) -> PcapWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def _put(self, data: bytes | memoryview) -> None:
        try:
            self._file.write(data)
        except OSError as error:
            raise self._failed(error) from error
        self.bytes += len(data)

    def _failed(self, error: OSError) -> OutputError:
        return OutputError(f"{self._name} cannot be written: {error.strerror or error}.",
                           "See whether the folder exists, may be written to, and has room.")


@compiled
def pack(data: NDArray[np.uint8], start: NDArray[np.int64], kept: NDArray[np.int32],
         length: NDArray[np.int32], time: NDArray[np.int64], unit: int,
         out: NDArray[np.uint8]) -> None:
    """Record headers and frames, one after the other, into `out`."""
    at = 0
    for row in range(len(start)):
        moment = min(max(time[row], 0), LATEST_SECOND * SECOND)
        put_u32(out, at, moment // SECOND)
        put_u32(out, at + 4, moment % SECOND // unit)
        begin, size = int(start[row]), int(kept[row])
        put_u32(out, at + 8, size)
        put_u32(out, at + 12, int(length[row]))
        at += RECORD_HEADER
        out[at:at + size] = data[begin:begin + size]
        at += size


@inlined
def put_u32(out: NDArray[np.uint8], at: int, value: int) -> None:
    """`value` as four bytes, lowest first."""
    out[at] = value & 0xFF
    out[at + 1] = value >> 8 & 0xFF
    out[at + 2] = value >> 16 & 0xFF
    out[at + 3] = value >> 24 & 0xFF
