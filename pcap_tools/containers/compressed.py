"""Packed streams (gz, zst, xz), told by content, unpacked piece by piece in bounded memory.

A stream may consist of several packed ones, end to end. What was unpacked before damage is
delivered; `problem` then says in words what is wrong. It does not know what is inside.
"""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Callable
from typing import Any

GZIP, ZSTANDARD, XZ = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\x00"
PIECE = 1 << 16  # packed bytes given to an unpacker at once
# At the start of each stream: a file of nothing but tiny ones must not cost a whole piece for each.
FIRST_PIECE = 1 << 9
# Four bytes of zst may unpack to 128 KiB and its unpacker stops nowhere in between, so that a
# piece of this size bounds what comes at once: 32 MiB.
ZSTANDARD_PIECE = 1 << 10
XZ_PIECE = 1 << 10  # what comes before damage in the same piece is lost
LARGEST_WINDOW = 1 << 27  # bytes a zst stream may want to look back: what `zstd` itself allows
LARGEST_DICTIONARY = 1 << 28  # the same for xz, whose strongest setting takes 65 MiB
Read = Callable[[int], bytes]


class Unpacked:
    """The bytes of packed streams, end to end, as `read` gives their packed ones."""

    name = ""
    magic = b""
    largest_piece = PIECE

    def __init__(self, read: Read, head: bytes) -> None:
        self._source = read
        self._packed, self._at = head, 0  # what is not given to the engine yet begins at `_at`
        self._piece = FIRST_PIECE
        self._engine: Any = self._start()
        self._over = False
        self.problem: str | None = None  # why the stream ended where it should not have

    def read(self, most: int) -> bytes:
        """Some bytes, mostly no more than `most`; none at the end."""
        while not self._over:
            if self._engine.eof and not self._next():
                break
            wanted = self._wants_input()
            if wanted and self._at == len(self._packed) and not self._refill():
                return self._end(most)
            piece = memoryview(self._packed)[self._at:self._at + self._piece if wanted else 0]
            try:
                data = self._unpack(piece, most)
            except self._errors() as error:
                return self._failed(str(error))
            if data:
                return data
        return b""

    def _refill(self) -> bool:
        """Fetch packed bytes behind those at hand; whether there were any."""
        more = self._source(PIECE)
        self._packed, self._at = self._packed[self._at:] + more, 0
        return bool(more)

    def _next(self) -> bool:
        """Begin the next of the streams that were joined; zeros may fill up the end."""
        while True:
            self._packed, self._at = self._packed[self._at:].lstrip(b"\0"), 0
            if len(self._packed) >= len(self.magic) or not self._refill():
                break
        if self._packed.startswith(self.magic) or self._skippable(self._packed):
            self._engine, self._piece = self._start(), FIRST_PIECE
            return True
        self._over = True
        if self._packed:
            self._failed("what follows its end is not packed")
        return False

    def _end(self, most: int) -> bytes:
        """The packed bytes are used up: what the engine still has, then a word if it wants more."""
        try:
            data = b"" if self._engine.eof else self._rest(most)
        except self._errors() as error:  # of the last bytes, which had been given already
            return self._failed(str(error))
        if not data:
            self._over = True
            if not self._engine.eof:
                self.problem = f"the {self.name} stream ends in the middle"
        return data

    def _failed(self, reason: str) -> bytes:
        self._over = True
        self.problem = f"the {self.name} stream is damaged ({reason})"
        return b""

    def _rest(self, most: int) -> bytes:
        return b""

    def _given(self, count: int, back: int) -> None:
        """The engine was given `count` bytes and did not use the last `back` of them."""
        self._at += count - back
        self._piece = min(2 * self._piece, self.largest_piece)

    def _skippable(self, head: bytes) -> bool:
        """Whether a stream begins here that holds nothing for us."""
        return False

    def _start(self) -> Any:
        raise NotImplementedError

    def _errors(self) -> tuple[type[Exception], ...]:
        raise NotImplementedError

    def _wants_input(self) -> bool:
        return True

    def _unpack(self, piece: memoryview, most: int) -> bytes:
        raise NotImplementedError


class Gzip(Unpacked):
    """gz: after damage, unpacked once more from the last good place byte by byte, to lose none."""

    name, magic = "gz", GZIP

    def _start(self) -> Any:
        return zlib.decompressobj(wbits=31)

    def _errors(self) -> tuple[type[Exception], ...]:
        return (zlib.error,)

    def _unpack(self, piece: memoryview, most: int) -> bytes:
        data: bytes
        before = None if self.largest_piece == 1 else self._engine.copy()
        try:
            data = b"" if before is not None else self._engine.decompress(b"", most)
            if data:
                return data  # what was held back, before the next byte may turn out to be bad
            data = self._engine.decompress(piece, most)
        except zlib.error:
            if before is None:
                raise
            self._engine = before
            self._piece = self.largest_piece = 1
            return b""
        engine = self._engine
        self._given(len(piece), len(engine.unused_data if engine.eof else engine.unconsumed_tail))
        return data

    def _rest(self, most: int) -> bytes:
        data: bytes = self._engine.decompress(b"", most)
        return data


class Xz(Unpacked):
    name, magic = "xz", XZ
    largest_piece = XZ_PIECE

    def _start(self) -> Any:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=LARGEST_DICTIONARY)

    def _errors(self) -> tuple[type[Exception], ...]:
        return (lzma.LZMAError, EOFError)

    def _wants_input(self) -> bool:
        return bool(self._engine.needs_input)

    def _unpack(self, piece: memoryview, most: int) -> bytes:
        data: bytes = self._engine.decompress(piece, most)
        # Where it was given nothing new, what it has left is of the piece before.
        self._given(len(piece), len(self._engine.unused_data) if self._engine.eof else 0)
        return data


class Zstandard(Unpacked):
    name, magic = "zst", ZSTANDARD
    largest_piece = ZSTANDARD_PIECE

    def __init__(self, read: Read, head: bytes) -> None:
        import zstandard

        self._error = zstandard.ZstdError
        self._shared = zstandard.ZstdDecompressor(max_window_size=LARGEST_WINDOW)
        super().__init__(read, head)

    def _start(self) -> Any:
        return self._shared.decompressobj(write_size=PIECE)

    def _errors(self) -> tuple[type[Exception], ...]:
        return (self._error,)

    def _skippable(self, head: bytes) -> bool:
        return b"\x50" <= head[:1] <= b"\x5f" and head[1:4] == b"\x2a\x4d\x18"

    def _unpack(self, piece: memoryview, most: int) -> bytes:
        data: bytes = self._engine.decompress(piece)
        self._given(len(piece), len(self._engine.unused_data) if self._engine.eof else 0)
        return data


def unpacker(head: bytes) -> type[Unpacked] | None:
    """What unpacks a stream that begins with `head`; None if it is not packed."""
    for kind in (Gzip, Zstandard, Xz):
        if head.startswith(kind.magic):
            return kind
    return None
