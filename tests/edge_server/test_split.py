"""Ranges of layers: half-open, checked, printable."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_server.errors import ConfigurationError
from edge_server.split import LayerRange


@given(st.integers(0, 50), st.integers(0, 50), st.integers(-5, 60))
def test_half_open(start: int, length: int, layer: int) -> None:
    layers = LayerRange(start, start + length)
    assert len(layers) == length
    assert (layer in layers) == (layer in range(start, start + length))
    assert str(layers) == f"[{start}, {start + length})"


@pytest.mark.parametrize(("start", "end"), [(-1, 3), (3, 2), (-2, -1)])
def test_what_is_no_range(start: int, end: int) -> None:
    with pytest.raises(ConfigurationError, match=r"not a range.*0 <= start <= end"):
        LayerRange(start, end)


def test_ranges_sort_and_serve_as_keys() -> None:
    assert sorted([LayerRange(2, 4), LayerRange(0, 2)]) == [LayerRange(0, 2), LayerRange(2, 4)]
    assert {LayerRange(0, 2): 1}[LayerRange(0, 2)] == 1
