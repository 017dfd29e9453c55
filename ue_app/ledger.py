"""What the phone sent in a conversation, kept so that any edge can be brought to the same point.

Rows at absolute positions, and the results still due for some of them. After a broken connection
the ledger says what to send again: what the edge lacks, and what it was asked and may not have
answered. It knows no sockets and no frames.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from edge_server.frame import Flags

GROWTH = 256  # rows that the memory grows by, at least


@dataclass(frozen=True)
class Sent:
    """Rows `[position, end)`, and what was asked of them."""

    position: int
    end: int
    flags: Flags

    @property
    def needed_from(self) -> int:
        """The first row that has to be run again for the result."""
        return self.position if self.flags & Flags.ALL_ROWS else self.end - 1


class Ledger:
    """Rows of one conversation, and the results that are due."""

    def __init__(self) -> None:
        self._rows: torch.Tensor | None = None  # [room, hidden]
        self.end = 0  # rows kept
        self.due: deque[Sent] = deque()

    def record(self, position: int, rows: torch.Tensor, flags: Flags) -> None:
        """`rows` stand at `position`; what was there and after it is void."""
        if position > self.end:
            raise ValueError(f"rows at {position} leave a gap after {self.end}")
        if self.due and position < self.due[-1].end:
            raise ValueError(f"rows at {position} would replace some whose result is due")
        end = position + rows.shape[0]
        if self._rows is None or end > self._rows.shape[0]:
            room = max(end + GROWTH, 2 * (0 if self._rows is None else self._rows.shape[0]))
            grown = torch.empty(room, rows.shape[1], dtype=rows.dtype)
            if self._rows is not None:
                grown[:position] = self._rows[:position]
            self._rows = grown
        self._rows[position:end] = rows
        self.end = end
        if flags:
            self.due.append(Sent(position, end, flags))

    def truncate(self, length: int) -> None:
        """Positions from `length` on are void, and so are all results that are due."""
        self.end = min(self.end, length)
        self.due.clear()

    def rows(self, sent: Sent) -> torch.Tensor:
        """The rows that `sent` names."""
        assert self._rows is not None  # something was recorded
        return self._rows[sent.position : sent.end]

    def plan(self, held: int, max_rows: int) -> Iterator[Sent]:
        """What to send to a side that holds the first `held` rows and was asked nothing yet."""
        at = min([held, self.end, *(sent.needed_from for sent in self.due)])
        for sent in self.due:
            yield from _pieces(at, sent.needed_from, max_rows)
            yield Sent(sent.needed_from, sent.end, sent.flags)
            at = sent.end
        yield from _pieces(at, self.end, max_rows)


def _pieces(start: int, end: int, size: int) -> Iterator[Sent]:
    for at in range(start, end, size):
        yield Sent(at, min(at + size, end), Flags.NONE)
