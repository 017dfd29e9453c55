"""The pcapng format: blocks, each with its length at both ends; sections with their interfaces.

Packets come in enhanced, simple and the old packet blocks; times in any resolution and offset,
interface by interface. What the statistics say was dropped is kept; blocks of unknown kinds are
passed over and counted. After damage the walk goes on at the next block that makes sense. It knows
neither files nor what is in the frames.
https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-02.html
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pcap_tools.compiled import compiled, inlined
from pcap_tools.containers.fields import read_u16, read_u32
from pcap_tools.containers.walking import (
    ANSWERS,
    LATEST,
    LONGEST_FRAME,
    LONGEST_ON_WIRE,
    NEED,
    NEXT,
    OUTCOME,
    POSITION,
    PROBLEM,
    SECOND,
    VALUE,
    Columns,
    Outcome,
    Problem,
    Step,
)

MAGIC = b"\x0a\x0d\x0d\x0a"
# The largest block that Wireshark reads; certificates and name tables stay far below it. It bounds
# the buffer, since a block has to be there whole before its second length can be compared.
LARGEST_BLOCK = 1 << 24
LARGEST_SEARCHED = 1 << 20  # a search believes no larger block: it would wait long for its end
MOST_INTERFACES = 1 << 16  # of a file; 64 bytes each
SECTION, INTERFACE, OLD_PACKET, SIMPLE, NAMES, STATISTICS, ENHANCED = (
    0x0A0D0D0A, 1, 2, 3, 4, 5, 6)
SECRETS = 10
BYTE_ORDER = 0x1A2B3C4D
TIME_RESOLUTION, TIME_OFFSET = 9, 14  # options of an interface
KERNEL_DROPPED = 5  # option of its statistics
BINARY_DIGITS = 33  # of a second's fraction that are used: 0.1 ns; more would overflow

# What is kept of each interface, and of the walk, between calls.
LINK, MULTIPLY, DIVIDE, SHIFT, OFFSET, SNAP, DROPPED = range(7)
FIELDS = 8
BIG, FIRST, INTERFACES, LAST_TIME, UNKNOWN = range(5)
MORE, FULL, BAD, ROOM, FOUND = (int(outcome) for outcome in (
    Outcome.MORE, Outcome.FULL, Outcome.BAD, Outcome.ROOM, Outcome.FOUND))
BAD_LENGTH, BAD_FRAMING, BAD_INTERFACE, BAD_BLOCK, BAD_ORDER = (int(problem) for problem in Problem)
WORDS = {
    Problem.LENGTH: "a packet says that it has {value:,} bytes, which no frame has",
    Problem.FRAMING: "a block's length makes no sense ({value:,} bytes)",
    Problem.INTERFACE: "a packet of interface {value}, which was not described",
    Problem.BLOCK: "a block of kind {value} contradicts itself",
    Problem.ORDER: "a section whose byte order cannot be told",
}


class PcapngWalker:
    """Walks through the blocks of one file, a run of bytes at a time."""

    def __init__(self) -> None:
        self._answer = np.zeros(ANSWERS, np.int64)
        self._state = np.zeros(8, np.int64)
        self._table = new_table(16)

    @property
    def unknown_blocks(self) -> int:
        return int(self._state[UNKNOWN])

    @property
    def dropped(self) -> int | None:
        """Frames the kernel had no room for, as far as the statistics say."""
        counts = self._table[:self._state[INTERFACES], DROPPED]
        return int(counts[counts >= 0].sum()) if (counts >= 0).any() else None

    def walk(self, data: NDArray[np.uint8], begin: int, end: int, columns: Columns) -> Step:
        """Fill `columns` with the packets between `begin` and `end`."""
        answer, filled = self._answer, 0
        while True:
            filled = walk(data, begin, end, self._state, self._table, filled, columns.start,
                          columns.captured, columns.length, columns.time, columns.link,
                          columns.interface, answer)
            begin, outcome = int(answer[POSITION]), Outcome(int(answer[OUTCOME]))
            if outcome is not Outcome.ROOM:
                break
            self._table = np.concatenate([self._table, new_table(len(self._table))])
        problem = ""
        if outcome is Outcome.BAD:
            problem = WORDS[Problem(int(answer[PROBLEM]))].format(value=int(answer[VALUE]))
        return Step(filled, begin, outcome, int(answer[NEED]), problem, int(answer[NEXT]))

    def search(self, data: NDArray[np.uint8], begin: int, end: int, final: bool) -> Step:
        """Where a block begins that makes sense: FOUND, or MORE with what can be told by then."""
        answer = self._answer
        search(data, begin, end, final, bool(self._state[BIG]), answer)
        return Step(0, int(answer[POSITION]), Outcome(int(answer[OUTCOME])), int(answer[NEED]))

    def joined(self, head: bytes) -> None:
        """Sections follow each other without our help."""


def new_table(rows: int) -> NDArray[np.int64]:
    table = np.zeros((rows, FIELDS), np.int64)
    table[:, DROPPED] = -1
    return table


@compiled
def walk(
    data: NDArray[np.uint8], begin: int, end: int, state: NDArray[np.int64],
    table: NDArray[np.int64], count: int, start: NDArray[np.int64], captured: NDArray[np.int32],
    length: NDArray[np.int32], time: NDArray[np.int64], link: NDArray[np.uint16],
    interface: NDArray[np.int32], answer: NDArray[np.int64],
) -> int:
    """Rows filled, from `count` on; `answer` says how far it came and why it stopped."""
    at, room, big = begin, len(start), state[BIG] != 0
    answer[OUTCOME] = FULL
    while count < room:
        if end - at < 12:
            answer[OUTCOME], answer[NEED] = MORE, 12
            break
        kind = read_u32(data, at, big)
        order = big
        if kind == SECTION:
            mark = read_u32(data, at + 8, False)
            order = mark != BYTE_ORDER
            if order and read_u32(data, at + 8, True) != BYTE_ORDER:
                answer[OUTCOME], answer[PROBLEM], answer[NEXT] = BAD, BAD_ORDER, -1
                break
        size = read_u32(data, at + 4, order)
        if size < 12 or size % 4 != 0 or size > LARGEST_BLOCK:
            answer[OUTCOME], answer[PROBLEM], answer[NEXT] = BAD, BAD_FRAMING, -1
            answer[VALUE] = size
            break
        if end - at < size:
            answer[OUTCOME], answer[NEED] = MORE, size
            break
        if read_u32(data, at + size - 4, order) != size:
            answer[OUTCOME], answer[PROBLEM], answer[NEXT] = BAD, BAD_FRAMING, -1
            answer[VALUE] = size
            break
        if kind in (ENHANCED, OLD_PACKET, SIMPLE):
            which, header, problem = 0, 28, -1
            kept, whole, moment = 0, 0, state[LAST_TIME]
            if size < (16 if kind == SIMPLE else 32):
                problem, answer[VALUE] = BAD_BLOCK, kind
            elif kind == SIMPLE:
                header = 12
                whole = read_u32(data, at + 8, big)
                kept = whole
            else:
                which = (read_u32(data, at + 8, big) if kind == ENHANCED
                         else read_u16(data, at + 8, big))
                kept, whole = read_u32(data, at + 20, big), read_u32(data, at + 24, big)
            which += state[FIRST]
            if problem < 0 and which >= state[INTERFACES]:
                problem, answer[VALUE] = BAD_INTERFACE, which - state[FIRST]
            if problem < 0 and kind == SIMPLE:
                snap = table[which, SNAP]
                kept = min(kept, snap) if snap > 0 else kept
                kept = min(kept, size - 16)
            if problem < 0 and (kept > LONGEST_FRAME or whole > LONGEST_ON_WIRE):
                problem = BAD_LENGTH
                answer[VALUE] = kept if kept > LONGEST_FRAME else whole
            if problem < 0 and kept > size - header - 4:
                problem, answer[VALUE] = BAD_BLOCK, kind
            if problem >= 0:
                answer[OUTCOME], answer[PROBLEM], answer[NEXT] = BAD, problem, at + size
                break
            if kind != SIMPLE:
                moment = nanoseconds(read_u32(data, at + 12, big), read_u32(data, at + 16, big),
                                     table, which)
                state[LAST_TIME] = moment
            start[count] = at + header
            captured[count] = kept
            length[count] = max(kept, whole)
            time[count] = moment
            link[count] = table[which, LINK]
            interface[count] = which
            count += 1
        elif kind == SECTION:
            if size < 28:
                answer[OUTCOME], answer[PROBLEM], answer[NEXT] = BAD, BAD_BLOCK, at + size
                answer[VALUE] = kind
                break
            big = order
            state[BIG] = 1 if big else 0
            state[FIRST] = state[INTERFACES]
        elif kind == INTERFACE:
            if state[INTERFACES] == len(table) and len(table) < MOST_INTERFACES:
                answer[OUTCOME] = ROOM
                break
            if size < 20 or state[INTERFACES] == len(table):
                answer[OUTCOME], answer[PROBLEM], answer[NEXT] = BAD, BAD_BLOCK, at + size
                answer[VALUE] = kind
                break
            describe(data, at, at + size - 4, big, table, state[INTERFACES])
            state[INTERFACES] += 1
        elif kind == STATISTICS:
            note_dropped(data, at, at + size - 4, big, table, state)
        elif kind != NAMES and kind != SECRETS:
            state[UNKNOWN] += 1
        at += size
    answer[POSITION] = at
    return count


@inlined
def nanoseconds(high: int, low: int, table: NDArray[np.int64], which: int) -> int:
    """A packet's time in its interface's units, as nanoseconds; damaged ones end at `LATEST`."""
    if high >= 1 << 31:
        return LATEST
    units, shift = high << 32 | low, table[which, SHIFT]
    if shift >= 0:
        seconds = units >> shift if shift < 63 else np.int64(0)
        rest = units - (seconds << shift) if shift < 63 else units
        digits = shift
        if digits > BINARY_DIGITS:
            rest = rest >> min(digits - BINARY_DIGITS, 63)
            digits = np.int64(BINARY_DIGITS)
        below = rest * SECOND >> digits
    elif table[which, MULTIPLY] > 0:
        per_second = SECOND // table[which, MULTIPLY]
        seconds = units // per_second
        below = (units - seconds * per_second) * table[which, MULTIPLY]
    else:
        below = units // table[which, DIVIDE]
        seconds = below // SECOND
        below -= seconds * SECOND
    seconds += table[which, OFFSET]
    if seconds >= LATEST // SECOND or seconds < -(LATEST // SECOND):
        return LATEST if seconds > 0 else -LATEST
    return seconds * SECOND + below  # type: ignore[no-any-return]


@compiled
def describe(data: NDArray[np.uint8], at: int, end: int, big: bool, table: NDArray[np.int64],
             row: int) -> None:
    """Read an interface's description into its row of the table."""
    table[row, LINK] = read_u16(data, at + 8, big)
    table[row, SNAP] = read_u32(data, at + 12, big)
    table[row, MULTIPLY], table[row, DIVIDE], table[row, SHIFT] = 1000, 1, -1
    table[row, OFFSET] = 0
    at += 16
    while end - at >= 4:
        code, size = read_u16(data, at, big), read_u16(data, at + 2, big)
        if code == 0 or end - at - 4 < size:
            break
        if code == TIME_RESOLUTION and size == 1:
            set_resolution(table, row, data[at + 4])
        elif code == TIME_OFFSET and size == 8:
            first, second = read_u32(data, at + 4, big), read_u32(data, at + 8, big)
            high, low = (first, second) if big else (second, first)
            if high >= 1 << 31:
                high -= 1 << 32
            # Beyond this many seconds every time is at the limit; more could overflow on the way.
            table[row, OFFSET] = max(min(high, 4), -5) * (1 << 32) + low
        at += 4 + (size + 3) // 4 * 4


@compiled
def set_resolution(table: NDArray[np.int64], row: int, code: int) -> None:
    """Units of a second, from the option: powers of two where its top bit is set, else of ten."""
    code = int(code)
    if code & 0x80:
        table[row, SHIFT] = code & 0x7F
    elif code <= 9:
        table[row, MULTIPLY] = 10 ** (9 - code)
    else:
        table[row, MULTIPLY] = 0
        table[row, DIVIDE] = 10 ** min(code - 9, 18)


@compiled
def note_dropped(data: NDArray[np.uint8], at: int, end: int, big: bool, table: NDArray[np.int64],
                 state: NDArray[np.int64]) -> None:
    """Keep what an interface's statistics say of frames the kernel had no room for."""
    if end - at < 20:
        return
    which = read_u32(data, at + 8, big) + state[FIRST]
    if which >= state[INTERFACES]:
        return
    at += 20
    while end - at >= 4:
        code, size = read_u16(data, at, big), read_u16(data, at + 2, big)
        if code == 0 or end - at - 4 < size:
            break
        if code == KERNEL_DROPPED and size == 8:
            first, second = read_u32(data, at + 4, big), read_u32(data, at + 8, big)
            high, low = (first, second) if big else (second, first)
            table[which, DROPPED] = min(high, (1 << 16) - 1) << 32 | low
        at += 4 + (size + 3) // 4 * 4


@inlined
def block_size(data: NDArray[np.uint8], at: int, big: bool) -> int:
    """Bytes of the block that seems to begin at `at`; -1 if none does."""
    kind = read_u32(data, at, big)
    if kind == SECTION:
        big = read_u32(data, at + 8, False) != BYTE_ORDER
        if big and read_u32(data, at + 8, True) != BYTE_ORDER:
            return -1
    elif not (kind >= INTERFACE and kind <= ENHANCED) and kind != SECRETS:
        return -1
    size = read_u32(data, at + 4, big)
    return size if size >= 12 and size % 4 == 0 and size <= LARGEST_SEARCHED else -1


@compiled
def search(data: NDArray[np.uint8], begin: int, end: int, final: bool, big: bool,
           answer: NDArray[np.int64]) -> None:
    """The first place at or after `begin` where a block of a known kind has two equal lengths."""
    for at in range(begin, end):
        if end - at < 12:
            answer[OUTCOME], answer[POSITION], answer[NEED] = MORE, at, 12
            return
        size = block_size(data, at, big)
        if size < 0:
            continue
        if end - at < size:
            if final:
                continue
            answer[OUTCOME], answer[POSITION], answer[NEED] = MORE, at, size
            return
        order = big
        if read_u32(data, at, False) == SECTION:
            order = read_u32(data, at + 8, False) != BYTE_ORDER
        if read_u32(data, at + size - 4, order) == size:
            answer[OUTCOME], answer[POSITION] = FOUND, at
            return
    answer[OUTCOME], answer[POSITION], answer[NEED] = MORE, end, 12
