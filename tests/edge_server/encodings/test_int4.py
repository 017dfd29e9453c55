"""Grouped 4-bit codes: their bytes."""

from __future__ import annotations

import torch

from edge_server.encodings.registry import by_name
from tests.edge_server.encodings.rows import FEW, decoded, noise


def test_written_out() -> None:
    """A scale of 2 / 7, rounded up to 0x3e93; 3 and -2, 1 and 7 of it, then zeros to the end."""
    assert by_name("int4").encode(FEW).hex() == "933e" + "6bf9" + 14 * "88"


def test_a_row_has_a_scale_for_each_32_channels() -> None:
    for columns, groups in ((1, 1), (32, 1), (33, 2), (2048, 64)):
        assert len(by_name("int4").encode(noise(0, 3, columns))) == 3 * groups * (2 + 16)


def test_every_code_stands_for_a_number() -> None:
    """Also the one that no writer uses."""
    payload = bytes.fromhex("803f") + bytes(range(0x10, 0x100, 0x0F))[:16].ljust(16, b"\x00")
    rows = decoded("int4", payload, torch.zeros(1, 32))
    assert float(rows.min()) >= -8.0
    assert float(rows.max()) <= 7.0
    assert bool((rows == rows.round()).all())
