"""The pcap format: a header, then records one after the other; nothing marks where one begins.

Understood are micro- and nanoseconds in both byte orders, Kuznetsov's variant with longer record
headers, and the swapped lengths of versions before 2.4. After a damaged record the walk goes on
where several headers in a row make sense. It knows neither files nor what is in the frames.
https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-04.html
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pcap_tools.compiled import compiled, inlined
from pcap_tools.containers.fields import read_u32
from pcap_tools.containers.walking import (
    ANSWERS,
    LONGEST_FRAME,
    LONGEST_ON_WIRE,
    NEED,
    OUTCOME,
    POSITION,
    SECOND,
    VALUE,
    Columns,
    Outcome,
    Step,
)

FILE_HEADER = 24  # bytes
MICROSECONDS, NANOSECONDS, KUZNETSOV = 0xA1B2C3D4, 0xA1B23C4D, 0xA1B2CD34
MAGICS = {struct.pack(order + "I", number): (order == ">", number) for order in "<>"
          for number in (MICROSECONDS, NANOSECONDS, KUZNETSOV)}
NUMBERS = tuple(int.from_bytes(magic, "little") for magic in MAGICS)
RUN = 3  # headers in a row that have to make sense before a search believes them
NEARBY = 86_400  # seconds that they may be away from the last good record
MORE, FULL, BAD, HEADER, FOUND = (int(outcome) for outcome in (
    Outcome.MORE, Outcome.FULL, Outcome.BAD, Outcome.HEADER, Outcome.FOUND))


@dataclass(frozen=True)
class PcapHeader:
    """What a file's first 24 bytes say of its records."""

    big: bool  # byte order
    magic: int
    version: tuple[int, int]
    link: int  # LINKTYPE_ number

    @classmethod
    def read(cls, head: bytes) -> PcapHeader | None:
        """The header that `head` begins with; None if it is no pcap's."""
        if head[:4] not in MAGICS or len(head) < FILE_HEADER:
            return None
        big, magic = MAGICS[head[:4]]
        major, minor, _, _, _, network = struct.unpack_from(
            (">" if big else "<") + "HHIIII", head, 4)
        # The upper half of `network` tells of frame check sequences, which no length here counts.
        return cls(big, magic, (major, minor), network & 0xFFFF)

    @staticmethod
    def starts(head: bytes) -> bool:
        """Whether `head` may be the beginning of one."""
        return head[:4] in MAGICS

    @property
    def unit(self) -> int:
        """Nanoseconds of one unit of a record's time below the second."""
        return 1 if self.magic == NANOSECONDS else 1000

    @property
    def record_header(self) -> int:
        """Bytes before each frame."""
        return 24 if self.magic == KUZNETSOV else 16

    @property
    def lengths(self) -> int:
        """0: captured length first; 2: last; 1: whichever is smaller."""
        return 0 if self.version >= (2, 4) else 1 if self.version == (2, 3) else 2


class PcapWalker:
    """Walks through the records of one file, a run of bytes at a time."""

    def __init__(self, header: PcapHeader) -> None:
        self.header = header
        self.dropped: int | None = None  # pcap tells nothing of it
        self.unknown_blocks = 0
        self._answer = np.zeros(ANSWERS, np.int64)
        self._near = -1  # seconds of the last good record

    def walk(self, data: NDArray[np.uint8], begin: int, end: int, columns: Columns) -> Step:
        """Fill `columns` with the records between `begin` and `end`."""
        header, answer = self.header, self._answer
        count = walk(data, begin, end, header.big, header.record_header, header.unit,
                     header.lengths, columns.start, columns.captured, columns.length, columns.time,
                     answer)
        columns.link[:count] = header.link
        columns.interface[:count] = 0
        if count:
            self._near = int(columns.time[count - 1]) // SECOND
        outcome, problem = Outcome(int(answer[OUTCOME])), ""
        if outcome is Outcome.BAD:
            problem = f"a record says that it has {answer[VALUE]:,} bytes, which no frame has"
        return Step(count, int(answer[POSITION]), outcome, int(answer[NEED]), problem)

    def search(self, data: NDArray[np.uint8], begin: int, end: int, final: bool) -> Step:
        """Where records begin that make sense: FOUND, or MORE with what can be told by then."""
        header, answer = self.header, self._answer
        search(data, begin, end, final, header.big, header.record_header, header.unit,
               header.lengths, self._near, answer)
        return Step(0, int(answer[POSITION]), Outcome(int(answer[OUTCOME])), int(answer[NEED]))

    def joined(self, head: bytes) -> None:
        """Another file's header stands here: its records follow."""
        self.header = PcapHeader.read(head) or self.header


@inlined
def is_magic(number: int) -> bool:
    """Whether a file begins with `number`, in either byte order."""
    return number in NUMBERS


@compiled
def walk(
    data: NDArray[np.uint8], begin: int, end: int, big: bool, header: int, unit: int, lengths: int,
    start: NDArray[np.int64], captured: NDArray[np.int32], length: NDArray[np.int32],
    time: NDArray[np.int64], answer: NDArray[np.int64],
) -> int:
    """Rows filled; `answer` says how far it came and why it stopped."""
    at, count, room = begin, 0, len(start)
    answer[OUTCOME] = FULL
    while count < room:
        if end - at < header:
            answer[OUTCOME], answer[NEED] = MORE, header
            break
        seconds = read_u32(data, at, big)
        kept, whole = read_u32(data, at + 8, big), read_u32(data, at + 12, big)
        if lengths == 2 or (lengths == 1 and kept > whole):
            kept, whole = whole, kept
        if kept == 0 and whole == 0 and is_magic(seconds):
            answer[OUTCOME] = HEADER
            break
        if kept > LONGEST_FRAME or whole > LONGEST_ON_WIRE:
            answer[OUTCOME] = BAD
            answer[VALUE] = kept if kept > LONGEST_FRAME else whole
            break
        if end - at < header + kept:
            answer[OUTCOME], answer[NEED] = MORE, header + kept
            break
        start[count] = at + header
        captured[count] = kept
        length[count] = max(kept, whole)
        time[count] = seconds * SECOND + read_u32(data, at + 4, big) * unit
        at += header + kept
        count += 1
    answer[POSITION] = at
    return count


@inlined
def plausible(
    data: NDArray[np.uint8], at: int, big: bool, unit: int, lengths: int, near: int
) -> int:
    """Captured bytes of the record whose header seems to stand at `at`; -1 if it does not."""
    seconds = read_u32(data, at, big)
    part = read_u32(data, at + 4, big)
    kept, whole = read_u32(data, at + 8, big), read_u32(data, at + 12, big)
    if lengths == 2 or (lengths == 1 and kept > whole):
        kept, whole = whole, kept
    if kept == 0 or kept > whole or whole > LONGEST_FRAME or part * unit >= SECOND:
        return -1
    if near >= 0 and (seconds < near - NEARBY or seconds > near + NEARBY):
        return -1
    return kept


@compiled
def search(
    data: NDArray[np.uint8], begin: int, end: int, final: bool, big: bool, header: int, unit: int,
    lengths: int, near: int, answer: NDArray[np.int64],
) -> None:
    """The first place at or after `begin` where `RUN` records follow each other, or fewer that end
    exactly with the file."""
    for at in range(begin, end):
        place, found = at, 0
        while found < RUN:
            if final and place == end and found > 0:
                found = RUN
                break
            if end - place < header:
                break
            kept = plausible(data, place, big, unit, lengths, near)
            if kept < 0:
                found = -1
                break
            place += header + kept
            found += 1
        if found == RUN:
            answer[OUTCOME], answer[POSITION] = FOUND, at
            return
        if found >= 0 and not final:
            answer[OUTCOME], answer[POSITION], answer[NEED] = MORE, at, place + header - at
            return
    answer[OUTCOME], answer[POSITION], answer[NEED] = MORE, end, header
