"""Captured frames as they come from a file or an interface, many at a time, and their accounts.

Every source (`read`, `live`) yields `Records`; what is in the frames is `parse`'s business.
Pure data: it knows neither files nor sockets.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Records:
    """A run of frames in the order of the capture: one buffer, and where in it each one is."""

    data: NDArray[np.uint8]
    start: NDArray[np.int64]  # index of each frame's first byte in `data`
    captured: NDArray[np.int32]  # bytes of each that are in `data`
    length: NDArray[np.int32]  # bytes that each had on the wire
    time: NDArray[np.int64]  # nanoseconds since 1970
    link: NDArray[np.uint16]  # LINKTYPE_ number: 1 is Ethernet, 101 raw IP, 113 and 276 Linux SLL
    interface: NDArray[np.int32]  # of the capture, from 0

    def __len__(self) -> int:
        return len(self.start)


@dataclass
class Counters:
    """Every byte and packet of a source, accounted for."""

    packets: int = 0  # frames delivered
    bytes: int = 0  # that they had on the wire
    captured_bytes: int = 0  # of these that were captured
    truncated: int = 0  # frames delivered of which a part was not captured
    bad_records: int = 0  # records that make no sense, and were not delivered
    skipped_bytes: int = 0  # of the files, lost to damage: no frame, header or block is of them
    unknown_blocks: int = 0  # of pcapng files: of kinds that are not understood, passed over
    dropped: int | None = None  # frames the kernel had no room for; None where nobody counts
    first: int | None = None  # earliest time, nanoseconds since 1970
    last: int | None = None  # latest time
    links: dict[int, int] = field(default_factory=dict)  # frames by LINKTYPE_


@dataclass(frozen=True)
class Warning:
    """Something of a source could not be delivered: once for each place, in plain words."""

    source: str  # file or interface
    offset: int | None  # of the first byte concerned, in the unpacked stream
    problem: str

    def __str__(self) -> str:
        place = self.source if self.offset is None else f"{self.source}, byte {self.offset}"
        return f"{place}: {self.problem}"


class RecordSource(Protocol):
    """Something that yields frames until it ends or is closed."""

    counters: Counters
    warnings: list[Warning]

    def __iter__(self) -> Iterator[Records]: ...

    def close(self) -> None: ...
