"""What the walks through pcap and pcapng share: limits, outcomes, and the columns they fill.

It knows no format.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

# The most that libpcap and Wireshark keep of a frame; the largest that Linux itself hands over
# (BIG TCP) is cut to it by them. A length above it is a damaged one, not a frame.
LONGEST_FRAME = 1 << 18
# Bytes that a frame may say it had on the wire: what libpcap allows its odd links (USB, D-Bus).
LONGEST_ON_WIRE = 1 << 27
# Earliest and latest time, nanoseconds: about 1824 and 2116. Damaged times end there, so that the
# difference of any two still fits.
LATEST = 1 << 62
SECOND = 1_000_000_000


class Outcome(IntEnum):
    """Why a walk stopped."""

    MORE = 0  # it needs bytes that are not there yet
    FULL = 1  # the columns are full
    BAD = 2  # what comes next makes no sense
    HEADER = 3  # another file's header follows: captures were joined end to end
    ROOM = 4  # there are more interfaces than the table has room for
    FOUND = 5  # a search came to something that makes sense again


class Problem(IntEnum):
    """What makes no sense."""

    LENGTH = 0  # a length that no frame has
    FRAMING = 1  # a block whose two lengths differ, or no multiple of four
    INTERFACE = 2  # a packet of an interface that was not described
    BLOCK = 3  # a block too short for its kind, or contradicting itself
    ORDER = 4  # a section without its byte-order mark


# Indices into the array through which the compiled walks answer.
POSITION, OUTCOME, NEED, PROBLEM, VALUE, NEXT, SIZE = range(7)
ANSWERS = 8


@dataclass(frozen=True)
class Columns:
    """Where a walk puts what it finds; see `records.Records`."""

    start: NDArray[np.int64]
    captured: NDArray[np.int32]
    length: NDArray[np.int32]
    time: NDArray[np.int64]
    link: NDArray[np.uint16]
    interface: NDArray[np.int32]

    @classmethod
    def empty(cls, rows: int) -> Columns:
        return cls(np.empty(rows, np.int64), np.empty(rows, np.int32), np.empty(rows, np.int32),
                   np.empty(rows, np.int64), np.empty(rows, np.uint16), np.empty(rows, np.int32))


@dataclass(frozen=True)
class Step:
    """How far a walk came."""

    count: int  # rows filled
    position: int  # of the first byte not dealt with
    outcome: Outcome
    need: int = 0  # MORE: bytes from `position` on that it takes
    problem: str = ""  # BAD: in plain words
    next: int = -1  # BAD: where to go on; -1 is not known and has to be searched
