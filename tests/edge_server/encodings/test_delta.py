"""Differences to the row before: their bytes, the row they build on, and errors that stay small."""

from __future__ import annotations

import pytest
import torch

from edge_server.encodings.registry import by_name
from edge_server.errors import FrameError
from tests.edge_server.encodings.rows import FEW, carried, error, noise, same_bits


def test_written_out() -> None:
    """One that stands by itself and one that does not, over int8."""
    assert by_name("delta").encode(FEW).hex() == "0001" + "823c3fe0107e00"
    assert by_name("delta").encode(FEW, FEW).hex() == "0101" + "0000" + 5 * "00"


def test_errors_do_not_add_up() -> None:
    """A thousand rows on, the last is as good as the first."""
    steps = noise(0, 1000, 64) * 0.01
    rows = (noise(1, 1, 64) + steps.cumsum(dim=0)).to(torch.bfloat16)
    result = carried("delta", rows)
    assert error(result[:10], rows[:10]) < 0.01
    assert error(result[-10:], rows[-10:]) < 0.01
    assert error(carried("delta:int4", rows)[-10:], rows[-10:]) < 0.02
    assert error(carried("int4", rows), rows) > 0.05  # which knows no row before


@pytest.mark.parametrize("name", ["delta", "delta:int4", "delta:int8-outliers"])
def test_rows_in_pieces_where_each_knows_the_last(name: str) -> None:
    rows = noise(2, 12, 40, torch.bfloat16)
    whole = carried(name, rows)
    before: torch.Tensor | None = None
    for start, end in ((0, 1), (1, 2), (2, 7), (7, 12)):
        payload = by_name(name).encode(rows[start:end], before)
        piece = by_name(name).decode(memoryview(payload), end - start, 40, torch.bfloat16, before)
        assert same_bits(piece, whole[start:end])
        before = piece[-1:]


def test_a_difference_needs_its_row() -> None:
    payload = by_name("delta").encode(FEW, FEW)
    with pytest.raises(FrameError, match="not here"):
        by_name("delta").decode(memoryview(payload), 1, 5, torch.bfloat16)


@pytest.mark.parametrize("head", ["", "00", "0201", "0000", "0004", "0005", "0006", "0063"])
def test_a_head_that_is_none(head: str) -> None:
    with pytest.raises(FrameError):
        by_name("delta").decode(memoryview(bytes.fromhex(head) + bytes(7)), 1, 5, torch.bfloat16,
                                FEW)
