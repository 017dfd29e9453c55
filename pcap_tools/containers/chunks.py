"""A stream's bytes, a chunk at a time, in buffers that are used again once nobody holds them.

Frames are handed out as places in these buffers, without a copy; whoever keeps such a batch keeps
its buffer, and the next chunk then goes into another one. It knows no format.
"""

from __future__ import annotations

import sys
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

CHUNK = 1 << 21  # bytes read at once: many records each, and small beside a processor's cache
FREE_REFERENCES = 2  # to an unused buffer: the list of spare ones, and the question itself
MOST_SPARE = 2  # buffers kept


class ByteStream(Protocol):
    def readinto(self, view: memoryview) -> int:
        """Bytes put into `view`; 0 at the end."""


class Chunks:
    """`data[begin:end]` are the bytes at hand; whoever uses some moves `begin` on."""

    def __init__(self, stream: ByteStream, size: int = CHUNK) -> None:
        self._stream = stream
        self._size = size
        self._spare: list[NDArray[np.uint8]] = []
        self.data: NDArray[np.uint8] = np.empty(size, np.uint8)
        self.begin = self.end = 0
        self.offset = 0  # of `data[0]` in the stream
        self.final = False  # nothing follows `end`

    @property
    def position(self) -> int:
        """Offset of `begin` in the stream."""
        return self.offset + self.begin

    def more(self, need: int) -> None:
        """Read on until `need` bytes are there, or the stream has ended; at least once."""
        if len(self.data) - self.end < max(self._size // 2, self.begin + need - self.end):
            self._move(need)
        while not self.final:
            count = self._stream.readinto(self.data[self.end:].data)
            self.final = count == 0
            self.end += count
            if self.end - self.begin >= need:
                break

    def _move(self, need: int) -> None:
        """What is left to the front of a buffer that has room for `need` bytes."""
        rest = self.end - self.begin
        target = self._take(max(self._size, need, 2 * rest))
        target[:rest] = self.data[self.begin:self.end]
        if len(self._spare) < MOST_SPARE:
            self._spare.append(self.data)
        self.data = target
        self.offset += self.begin
        self.begin, self.end = 0, rest

    def _take(self, size: int) -> NDArray[np.uint8]:
        """A buffer that nobody holds, new if need be."""
        for index in range(len(self._spare)):
            if sys.getrefcount(self._spare[index]) > FREE_REFERENCES:
                continue
            taken = self._spare.pop(index)
            if len(taken) >= size:
                return taken
            break  # too small for what comes now: let it go
        if len(self._spare) == MOST_SPARE:
            self._spare.pop(0)  # its holder keeps it alive as long as needed
        return np.empty(size, np.uint8)
