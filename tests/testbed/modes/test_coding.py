"""Rows of a batch come back, each sequence's its own; whatever else comes is one error."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some

from edge_server.errors import EdgeError
from testbed.modes.coding import RowsCoder, RowsDecoder
from testbed.modes.pieces import Piece

HIDDEN = 32
counts = some.lists(some.integers(1, 3), min_size=1, max_size=4)


def pieces_of(rows: list[int], position: int = 0) -> list[Piece]:
    return [Piece(which, position, count) for which, count in enumerate(rows)]


def rows_of(pieces: list[Piece], seed: int) -> torch.Tensor:
    return torch.randn(sum(one.count for one in pieces), HIDDEN,
                       generator=torch.Generator().manual_seed(seed))


@settings(max_examples=25)
@given(counts, some.sampled_from(["raw", "lossless", "int8", "int4", "topk", "delta"]),
       some.integers(0, 99))
def test_each_sequences_rows_are_those_that_it_has_alone(rows: list[int], encoding: str, seed: int
                                                         ) -> None:
    """Two steps, so that what builds on the row before has one."""
    coder, decoder = RowsCoder(encoding, len(rows)), RowsDecoder(len(rows), torch.float32, HIDDEN)
    single = [(RowsCoder(encoding, 1), RowsDecoder(1, torch.float32, HIDDEN)) for _ in rows]
    for step in (0, 1):
        pieces = pieces_of(rows) if not step else [
            Piece(one.sequence, one.end, 1) for one in pieces_of(rows)]
        sent = rows_of(pieces, seed + step)
        meta, tensor = coder.encode(pieces, sent)
        found = decoder.decode(meta, pieces, [tensor])
        parts = torch.split(sent, [one.count for one in pieces])
        alone = []
        for one, part, (write, read) in zip(pieces, parts, single, strict=True):
            mine = [Piece(0, one.position, one.count)]
            said, data = write.encode(mine, part)
            alone.append(read.decode(said, mine, [data]))
        assert torch.equal(found, torch.cat(alone))
        if encoding in ("raw", "lossless"):
            assert torch.equal(found, sent)


@settings(max_examples=60)
@given(some.lists(some.lists(some.integers(-2, 9), max_size=4), max_size=3)
       | some.none() | some.integers(), some.binary(max_size=40))
def test_hostile_parts_are_one_error(parts: Any, data: bytes) -> None:
    decoder = RowsDecoder(2, torch.float32, HIDDEN)
    tensor = torch.frombuffer(bytearray(data + b"\0"), dtype=torch.uint8)
    with pytest.raises(EdgeError):
        decoder.decode({"parts": parts}, pieces_of([1, 2]), [tensor])


def test_answers_begin_anew() -> None:
    """After a START the first row stands by itself, on both sides."""
    coder, decoder = RowsCoder("delta", 1), RowsDecoder(1, torch.float32, HIDDEN)
    (first,) = pieces_of([2])
    meta, tensor = coder.encode([first], rows_of([first], 1))
    wanted = decoder.decode(meta, [first], [tensor])
    coder.begin()
    decoder.begin()
    meta, again = coder.encode([first], rows_of([first], 1))
    assert torch.equal(again, tensor)
    assert torch.equal(decoder.decode(meta, [first], [again]), wanted)
