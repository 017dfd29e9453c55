"""8-bit codes beside the largest channels: their bytes, and what a massive channel does to them."""

from __future__ import annotations

import pytest
import torch

from edge_server.encodings.int8_outliers import OUTLIERS
from edge_server.encodings.registry import by_name
from edge_server.errors import FrameError
from tests.edge_server.encodings.rows import FEW, carried, decoded, error, noise


def test_written_out() -> None:
    """Where all channels are among the largest: no scale, numbers 0 to 4, elements, five zeros."""
    assert by_name("int8-outliers").encode(FEW).hex() == (
        "0000" + "00000100020003000400" + "803f00bf803e00400000" + "0000000000")


def test_massive_channels_hurt_no_other() -> None:
    rows = noise(0, 8, 512)
    rows[:, [5, 300, 301]] *= 1000.0
    result = carried("int8-outliers", rows)
    assert torch.equal(result[:, [5, 300, 301]], rows[:, [5, 300, 301]])
    others = torch.ones(512, dtype=torch.bool)
    others[[5, 300, 301]] = False
    assert error(result[:, others], rows[:, others]) < 0.01


def test_a_few_that_are_no_numbers_go_as_they_are() -> None:
    rows = noise(0, 1, 64)
    rows[0, 7] = float("nan")
    rows[0, 9] = float("inf")
    assert torch.equal(carried("int8-outliers", rows).isfinite(), rows.isfinite())


@pytest.mark.parametrize("places", [[3, 3], [4, 3], [3, 64], [3, 65_535]])
def test_channels_out_of_order_are_refused(places: list[int]) -> None:
    rows = noise(0, 1, 64)
    payload = bytearray(by_name("int8-outliers").encode(rows))
    numbers = [*range(OUTLIERS - 2), 0, 0]
    numbers[-2:] = [48 + place if place < 10 else place for place in places]
    payload[2 : 2 + 2 * OUTLIERS] = b"".join(n.to_bytes(2, "little") for n in numbers)
    with pytest.raises(FrameError, match="out of order"):
        decoded("int8-outliers", bytes(payload), rows)
