"""Times of rows: medians of what a clock says, and every encoding reads what it wrote."""

from __future__ import annotations

from collections.abc import Callable

import torch

from edge_server.encodings.registry import NAMES
from ue_app.encoding_times import RowTime, row_times, sample_row


def steps(*seconds: float) -> Callable[[], float]:
    """A clock that goes on by these, over and over."""
    now, asked = 0.0, 0

    def clock() -> float:
        nonlocal now, asked
        now += seconds[asked % len(seconds)]
        asked += 1
        return now

    return clock


def test_writing_and_reading_are_told_apart() -> None:
    # Before, written, (before reading is the same look as written), read: three looks a round.
    found = row_times(sample_row(64, torch.bfloat16), ("int8", "lossless"), steps(9.0, 2.0, 1.0), 3)
    assert found == {"int8": RowTime(2.0, 1.0), "lossless": RowTime(2.0, 1.0)}


def test_every_encoding_can_be_timed() -> None:
    rows = sample_row(256, torch.bfloat16)
    assert rows.shape == (2, 256)
    assert set(row_times(rows, (*NAMES, "delta:int4", "topk:8"), steps(1.0), 1)) >= set(NAMES)
