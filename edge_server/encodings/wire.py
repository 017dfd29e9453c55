"""Rows as a frame carries them: elements as they are, or a byte that names the encoding before it.

Both sides use it, the phone for ROWS and the edge in private mode for HIDDEN. It knows no sessions;
`Chain` is what either side remembers for an encoding whose rows depend on those before.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from edge_server.encodings.encoding import Encoding
from edge_server.encodings.registry import RAW, by_code, by_name
from edge_server.engine.tensors import TORCH_TYPES, WIRE_TYPES, to_bytes
from edge_server.errors import FrameError
from edge_server.frame import MAX_DRAFTS, Dtype

LOSSLESS = "lossless"
CHAIN_ROWS = MAX_DRAFTS + 1  # the certain row and the drafts after it: one of them is followed


@dataclass
class Chain:
    """The last rows as the reader has them, each good for a row that follows it at once.

    More than the very last is kept because rows of drafts may turn out void: the next row then
    follows the last that stands. Rows are bound to their positions and, where they may be void, to
    their epoch: a row that comes after anything else has to stand by itself.
    """

    end: int = -1  # position after the rows
    rows: torch.Tensor | None = None
    epoch: int = 0

    def before(self, position: int, epoch: int = 0) -> torch.Tensor | None:
        """The row [1, columns] that one at `position` follows."""
        if self.rows is None or epoch != self.epoch:
            return None
        last = len(self.rows) - (self.end - position)
        return self.rows[last - 1 : last] if 0 < last <= len(self.rows) else None

    def keep(self, end: int, rows: torch.Tensor | None, epoch: int = 0) -> None:
        """`rows` are the ones before `end`; of many the last, as far back as drafts may reach."""
        self.end, self.epoch = end, epoch
        # A copy: whoever gave them may write over them.
        self.rows = None if rows is None else rows[-CHAIN_ROWS:].clone()


@dataclass(frozen=True)
class Packed:
    """Rows that are ready for a frame."""

    dtype: Dtype
    payload: bytes | memoryview
    rows: torch.Tensor  # from which `again` makes what the reader has, in whatever pieces
    again: str  # encoding

    @property
    def coded(self) -> bool:
        return self.dtype is Dtype.CODED


def pack(rows: torch.Tensor, encoding: Encoding, before: torch.Tensor | None = None) -> Packed:
    """Write `rows` in `encoding`, or as they are where it cannot take them or wins nothing."""
    plain = Packed(WIRE_TYPES[rows.dtype], to_bytes(rows), rows, RAW)
    if encoding.name == RAW:
        return plain
    try:
        payload = bytes((encoding.code,)) + encoding.encode(rows, before)
    except FrameError:  # they hold no numbers: the reader tells in its own words
        return plain
    if not encoding.lossy and len(payload) >= len(plain.payload):
        return plain
    if not encoding.chained:
        return Packed(Dtype.CODED, payload, rows, encoding.name)
    arrived = unpack(memoryview(payload), Dtype.CODED, rows.dtype,
                     rows.shape[0], rows.shape[1], before)
    return Packed(Dtype.CODED, payload, arrived, LOSSLESS)


def pack_again(rows: torch.Tensor, again: str) -> Packed:
    """Rows that were sent before, so that the reader has the same bits after it."""
    return pack(rows, by_name(again))


def unpack(
    payload: memoryview, dtype: Dtype, row_type: torch.dtype, rows: int, columns: int,
    before: torch.Tensor | None = None,
) -> torch.Tensor:
    """The rows of a frame, of `row_type`, in memory of their own; else `FrameError`."""
    if dtype is not Dtype.CODED:
        if TORCH_TYPES.get(dtype) is not row_type:
            raise FrameError(f"Rows of {dtype.name} came where {WIRE_TYPES[row_type].name} go.",
                             "Start both sides with the same --dtype.")
        return by_name(RAW).decode(payload, rows, columns, row_type)
    if not len(payload):
        raise FrameError("Encoded rows do not say how.", "Send them again.")
    return by_code(payload[0]).decode(payload[1:], rows, columns, row_type, before)
