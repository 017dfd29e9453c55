"""Grouped 8-bit codes: their bytes, and what a massive channel does to them."""

from __future__ import annotations

import torch

from edge_server.encodings.registry import by_name
from tests.edge_server.encodings.rows import FEW, carried, error, noise


def test_written_out() -> None:
    """A scale of 2 / 127, rounded up to 0x3c82; then 63, -32, 16, 126, 0 of it."""
    assert by_name("int8").encode(FEW).hex() == "823c" + "3fe0107e00"


def test_a_row_has_a_scale_for_each_128_channels() -> None:
    for columns, groups in ((1, 1), (128, 1), (129, 2), (2048, 16)):
        assert len(by_name("int8").encode(noise(0, 3, columns))) == 3 * (columns + 2 * groups)


def test_a_massive_channel_spoils_its_group_alone() -> None:
    rows = noise(0, 8, 512)
    rows[:, 300] *= 1000.0
    result = carried("int8", rows)
    others = torch.ones(512, dtype=torch.bool)
    others[256:384] = False
    assert error(result[:, others], rows[:, others]) < 0.01
    others = ~others
    others[300] = False
    assert error(result[:, others], rows[:, others]) > 0.5
