"""Rows of several sequences in one tensor of bytes, in an encoding; and back. Pure.

An encoding that writes each row by itself takes all of them at once. One whose rows depend on those
before has a part for each sequence, since those are its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from edge_server.encodings.registry import RAW, by_code, by_name
from edge_server.encodings.wire import Chain, Packed, pack, unpack
from edge_server.engine.tensors import to_bytes
from edge_server.errors import FrameError
from edge_server.frame import Dtype
from testbed.modes.errors import BadMessage
from testbed.modes.pieces import Piece


class RowsCoder:
    """The writing side."""

    def __init__(self, encoding: str, sequences: int) -> None:
        self._encoding, self._sequences = by_name(encoding), sequences
        self._chains: list[Chain] = []
        self.begin()

    def begin(self) -> None:
        """Answers begin: their first rows stand by themselves."""
        self._chains = [Chain() for _ in range(self._sequences)]

    def encode(self, pieces: Sequence[Piece], rows: torch.Tensor
               ) -> tuple[dict[str, Any], torch.Tensor]:
        """What a message says of them, and its tensor."""
        if self._encoding.name == RAW:
            return {}, rows
        if not self._encoding.chained:
            packed = [pack(rows, self._encoding)]
            counts = [len(rows)]
        else:
            counts = [one.count for one in pieces]
            packed = [self._chained(one, part)
                      for one, part in zip(pieces, torch.split(rows, counts), strict=True)]
        parts = [[count, int(one.dtype), len(one.payload)]
                 for count, one in zip(counts, packed, strict=True)]
        data = bytearray().join(one.payload for one in packed)
        return {"parts": parts}, torch.frombuffer(data, dtype=torch.uint8)

    def _chained(self, piece: Piece, rows: torch.Tensor) -> Packed:
        chain = self._chains[piece.sequence]
        packed = pack(rows, self._encoding, chain.before(piece.position))
        chain.keep(piece.end, packed.rows[-1:] if packed.coded else None)
        return packed


class RowsDecoder:
    """The reading side, which learns the encoding from the bytes."""

    def __init__(self, sequences: int, row_type: torch.dtype, hidden: int) -> None:
        self._sequences, self._type, self._hidden = sequences, row_type, hidden
        self._chains: list[Chain] = []
        self.begin()

    def begin(self) -> None:
        self._chains = [Chain() for _ in range(self._sequences)]

    def decode(self, meta: Mapping[str, Any], pieces: Sequence[Piece], tensors: Sequence[
            torch.Tensor]) -> torch.Tensor:
        """[rows, hidden]; anything else is a `BadMessage` or a `FrameError`."""
        if len(tensors) != 1:
            raise BadMessage("A step brings one tensor of rows.")
        count, rows = sum(one.count for one in pieces), tensors[0]
        if "parts" not in meta:
            if rows.dtype != self._type or tuple(rows.shape) != (count, self._hidden):
                raise BadMessage(f"{count} rows of {self._hidden} channels were due.")
            return rows
        if rows.dtype != torch.uint8 or rows.ndim != 1:
            raise BadMessage("Encoded rows are bytes.")
        parts = _parts(meta["parts"], [one.count for one in pieces])
        found, at, data = [], 0, to_bytes(rows)
        for place, (many, dtype, size) in enumerate(parts):
            if size > len(data) - at:
                raise BadMessage("Encoded rows are shorter than their parts.")
            piece = pieces[place] if len(parts) == len(pieces) else None
            found.append(self._part(data[at : at + size], dtype, many, piece))
            at += size
        if at != len(data):
            raise BadMessage("Encoded rows are longer than their parts.")
        return torch.cat(found)

    def _part(self, data: memoryview, dtype: Dtype, rows: int, piece: Piece | None
              ) -> torch.Tensor:
        chain = Chain() if piece is None else self._chains[piece.sequence]
        position = 0 if piece is None else piece.position
        found = unpack(data, dtype, self._type, rows, self._hidden, chain.before(position))
        chained = dtype is Dtype.CODED and by_code(data[0]).chained
        chain.keep(position + rows, found[-1:] if chained else None)
        return found


def _parts(listed: object, counts: Sequence[int]) -> list[tuple[int, Dtype, int]]:
    """Rows, type and bytes of each part: one of all pieces, or one of each."""
    if not isinstance(listed, list) or not all(
            isinstance(one, list) and len(one) == 3 and all(
                type(it) is int and it >= 0 for it in one) for one in listed):
        raise BadMessage("Parts of encoded rows have a count, a type and a size.")
    if [one[0] for one in listed] not in ([sum(counts)], list(counts)):
        raise BadMessage("Encoded rows are of all pieces together, or of each.")
    try:
        return [(count, Dtype(kind), size) for count, kind, size in listed]
    except ValueError as error:
        raise FrameError(f"Encoded rows hold an unknown type: {error}.") from error
