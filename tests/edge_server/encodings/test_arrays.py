"""Scales that no value overflows, groups filled up with zeros, and bits moved as they are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from edge_server.encodings.arrays import (
    bits,
    from_bits,
    grouped,
    read_scales,
    scales_for,
    tensor,
)
from edge_server.errors import FrameError
from tests.edge_server.encodings.rows import TYPES, noise, same_bits


@given(st.floats(2.0**-110, 2.0**120, width=32), st.sampled_from([7, 127]))
def test_a_scale_is_rounded_up_and_read_as_it_was_meant(peak: float, levels: int) -> None:
    halves, scales = scales_for(np.array([[0.0, -peak]], np.float32), levels)
    assert peak / levels <= float(scales[0]) * (1 + 1e-6)
    assert float(scales[0]) <= peak / levels * (1 + 2**-7) * (1 + 1e-6)
    assert np.array_equal(read_scales(halves[:, None].view(np.uint8), "a test")[:, 0], scales)


def test_what_is_too_small_for_a_scale_is_nothing() -> None:
    halves, scales = scales_for(np.array([[1e-44, 0.0], [0.0, 0.0]], np.float32), 127)
    assert halves.tolist() == [0, 0]
    assert scales.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
def test_what_has_no_scale(value: float) -> None:
    with pytest.raises(FrameError):
        scales_for(np.array([[1.0, value]], np.float32), 7)


def test_the_last_group_is_filled_up() -> None:
    groups = grouped(np.arange(1, 6, dtype=np.float32)[None], 4)
    assert groups.tolist() == [[[1, 2, 3, 4], [5, 0, 0, 0]]]


@pytest.mark.parametrize("dtype", TYPES)
def test_bits_and_back(dtype: torch.dtype) -> None:
    rows = noise(0, 2, 5, dtype)
    assert same_bits(from_bits(bits(rows).copy(), dtype), rows)
    assert same_bits(from_bits(bits(rows.T).copy(), dtype), rows.T.contiguous())
    assert same_bits(tensor(rows.float().numpy(), dtype), rows)
