"""What the plain scheduler keeps of a bearer: packets, the stream that they make, blocks of it.

It decides nothing; `oracle` and `oracle_grants` do.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from testbed.ran.mac.config import HARQ_PROCESSES

DOWN, UP = 0, 1
NEVER = -1


@dataclass
class Packet:
    number: int
    size: int  # bytes; 0: dropped, keeps its place
    came: int  # nanoseconds
    end: int = 0  # in the stream, once all of it was sent


@dataclass
class Line:
    """The turns of a slice's bearers in a cell and a direction, in PRBs."""

    at: int = 0  # who was given something last stood here
    end: int = 0
    offset: int = 0  # from this scale to the cell's clock
    wanted: int = 0  # turn in which it last wanted blocks


@dataclass(eq=False)
class Block:
    pipe: Pipe
    process: int
    cell: int
    first: int
    last: int
    prbs: int
    times: int = 0
    good: bool = False


@dataclass(eq=False)
class Pipe:
    """A bearer in one direction."""

    bearer: int
    ue: int
    slice: int
    direction: int
    sent: deque[Packet] = field(default_factory=deque)  # in whole
    waiting: deque[Packet] = field(default_factory=deque)
    part: int = 0  # bytes of the first that waits, sent already
    end: int = 0  # of what was sent
    arrived: int = 0
    again: list[tuple[int, int]] = field(default_factory=list)
    late: list[tuple[int, int]] = field(default_factory=list)
    lost: int = 0  # times since something arrived
    blocks: list[Block | None] = field(default_factory=lambda: [None] * HARQ_PROCESSES)
    served: int = 0
    turn: int = -1
    rate: float = 0.0
    known: int = 0
    request_at: int = NEVER
    report_at: int = NEVER
    report: int = 0
    since: int = 0
    above: int = 0
    drop_at: int = 0
    drops: int = 0
    dropping: bool = False

    @property
    def bytes(self) -> int:
        return sum(one.size for one in self.waiting) - self.part

    def forget(self) -> None:
        self.known, self.request_at, self.report_at, self.since = 0, NEVER, NEVER, 0

    def rewind(self) -> None:
        """All that is not delivered waits again, from the first byte that has not arrived."""
        self.blocks = [None] * HARQ_PROCESSES
        begun = self.sent[0].end - self.sent[0].size if self.sent else self.end - self.part
        self.waiting = deque([*self.sent, *self.waiting])
        self.sent.clear()
        self.part, self.end = max(0, self.arrived - begun), self.arrived
        self.again, self.late, self.lost = [], [], 0
        self.forget()
