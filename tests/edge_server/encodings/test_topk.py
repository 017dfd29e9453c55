"""The largest channels alone: their bytes, both ways of saying which, and which these are."""

from __future__ import annotations

import pytest
import torch

from edge_server.encodings.registry import by_name
from edge_server.errors import FrameError
from tests.edge_server.encodings.rows import FEW, carried, decoded, error, noise


def test_written_out() -> None:
    """K, then a bit for each of five channels, or two numbers of 64 where these are shorter."""
    assert by_name("topk:2").encode(FEW).hex() == "0200" + "90" + "803f0040"
    rows = torch.zeros(1, 64, dtype=torch.bfloat16)
    rows[0, 3], rows[0, 40] = 1.0, -2.0
    assert by_name("topk:2").encode(rows).hex() == "0200" + "03002800" + "803f00c0"
    assert carried("topk:2", rows).equal(rows)


def test_the_largest_arrive_as_they_are() -> None:
    rows = noise(0, 4, 64, torch.bfloat16)
    result = carried("topk:5", rows)
    for row, kept in zip(rows, result, strict=True):
        large = row.abs().float().topk(5).indices
        assert torch.equal(kept[large], row[large])
        assert int((kept != 0).sum()) == 5
    for all_of_them in ("topk:64", "topk:100"):
        assert error(carried(all_of_them, rows), rows) == 0.0
    assert torch.equal(carried("topk", rows), carried("topk:16", rows))


@pytest.mark.parametrize("payload", [
    "0000", "0600" + "f8" + 12 * "00",  # none, or more than there are
    "0200" + "98" + "803f0040", "0200" + "80" + "803f0040",  # three bits or one, for two
    "0200" + "81" + "803f0040", "0200" + "90" + "803f"])  # beyond the row, or an element short
def test_places_that_are_none(payload: str) -> None:
    with pytest.raises(FrameError):
        decoded("topk", bytes.fromhex(payload), FEW)


@pytest.mark.parametrize("places", ["28000300", "03000300", "03004000", "0300ffff"])
def test_numbers_out_of_order(places: str) -> None:
    with pytest.raises(FrameError, match="out of order"):
        decoded("topk", bytes.fromhex("0200" + places + "803f00c0"),
                torch.zeros(1, 64, dtype=torch.bfloat16))
