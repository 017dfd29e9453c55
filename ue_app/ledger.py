"""What the phone sent in a conversation, kept so that any edge can be brought to the same point.

Rows at absolute positions, and the results still due for some of them. After a broken connection
the ledger says what to send again: what the edge lacks, and what it was asked and may not have
answered. Each row keeps the encoding in which it has to go again, so that the edge ends with the
same bits. It knows no sockets, no frames and no encoding.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from edge_server.encodings.registry import RAW
from edge_server.frame import Flags


@dataclass(frozen=True)
class Sent:
    """Rows `[position, end)`, and what was asked of them."""

    position: int
    end: int
    flags: Flags
    encoding: str = RAW
    drafts: tuple[int, ...] = ()  # ids of the rows after the first, where they are guesses

    @property
    def needed_from(self) -> int:
        """The first row that has to be run again for the result."""
        return self.position if self.drafts or self.flags & Flags.ALL_ROWS else self.end - 1


class Ledger:
    """Rows of one conversation, and the results that are due."""

    def __init__(self) -> None:
        # As they came, one after another: to copy each token's row into one tensor costs 10 µs.
        self._chunks: list[torch.Tensor] = []
        self._starts: list[int] = []  # position of each chunk's first row
        self._encodings: list[str] = []  # of each chunk
        self.end = 0  # rows kept
        self.due: deque[Sent] = deque()

    @property
    def columns(self) -> int:
        """Elements of the last row; there is one."""
        return self._chunks[-1].shape[1]

    def record(
        self, position: int, rows: torch.Tensor, flags: Flags, encoding: str = RAW,
        drafts: Sequence[int] = (),
    ) -> None:
        """`rows` stand at `position`, sent in `encoding`; what was there and after it is void."""
        if position > self.end:
            raise ValueError(f"rows at {position} leave a gap after {self.end}")
        if self.due and position < self.due[-1].end:
            raise ValueError(f"rows at {position} would replace some whose result is due")
        if position < self.end:
            self._cut(position)
        self._chunks.append(rows.clone())  # whatever the caller does with its own
        self._starts.append(position)
        self._encodings.append(encoding)
        self.end = position + rows.shape[0]
        if flags:
            self.due.append(Sent(position, self.end, flags, encoding, tuple(drafts)))

    def settle(self, tokens: int) -> None:
        """The next result came, of so many tokens; rows of drafts that were wrong are void."""
        sent = self.due.popleft()
        if sent.drafts:
            self._cut(sent.position + tokens)

    def truncate(self, length: int) -> None:
        """Positions from `length` on are void, and so are all results that are due."""
        if length < self.end:
            self._cut(length)
        self.due.clear()

    def rows(self, sent: Sent) -> torch.Tensor:
        """The rows that `sent` names."""
        first = bisect_right(self._starts, sent.position) - 1
        last = bisect_left(self._starts, sent.end)
        start = self._starts[first]
        return torch.cat(self._chunks[first:last])[sent.position - start : sent.end - start]

    def plan(self, held: int, max_rows: int) -> Iterator[Sent]:
        """What to send to a side that holds the first `held` rows and was asked nothing yet."""
        at = min([held, self.end, *(sent.needed_from for sent in self.due)])
        for sent in self.due:
            yield from self._pieces(at, sent.needed_from, max_rows)
            yield replace(sent, position=sent.needed_from)
            at = sent.end
        yield from self._pieces(at, self.end, max_rows)

    def _pieces(self, start: int, end: int, size: int) -> Iterator[Sent]:
        """Rows `[start, end)` in frames of at most `size`, each in one encoding."""
        while start < end:
            chunk = bisect_right(self._starts, start) - 1
            encoding, last = self._encodings[chunk], chunk + 1
            while last < len(self._starts) and self._encodings[last] == encoding and (
                    self._starts[last] < min(start + size, end)):
                last += 1
            until = self._starts[last] if last < len(self._starts) else end
            piece = Sent(start, min(start + size, end, until), Flags.NONE, encoding)
            yield piece
            start = piece.end

    def _cut(self, length: int) -> None:
        """Keep rows `[0, length)`."""
        kept = bisect_left(self._starts, length)
        del self._chunks[kept:], self._starts[kept:], self._encodings[kept:]
        if kept:
            self._chunks[-1] = self._chunks[-1][: length - self._starts[-1]]
        self.end = length
