"""Rows as they are."""

from __future__ import annotations

import pytest
import torch

from edge_server.encodings.registry import by_name
from edge_server.errors import FrameError
from tests.edge_server.encodings.rows import FEW, TYPES, carried, decoded, noise, same_bits


def test_written_out() -> None:
    assert by_name("raw").encode(FEW).hex() == "803f00bf803e00400000"


@pytest.mark.parametrize("dtype", TYPES)
def test_in_memory_of_their_own(dtype: torch.dtype) -> None:
    rows = noise(0, 2, 9, dtype)
    result = carried("raw", rows)
    assert same_bits(result, rows)
    result.zero_()
    assert bool(rows.any())


@pytest.mark.parametrize("size", [0, 9, 11])
def test_of_another_length(size: int) -> None:
    with pytest.raises(FrameError, match="10 B"):
        decoded("raw", bytes(size), FEW)
