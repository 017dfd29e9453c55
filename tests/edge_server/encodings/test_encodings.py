"""Every encoding: round trips, what may be lost, hostile bytes, and rows in any pieces.

The tests run over the whole registry, so that a new encoding is held to all of it.
"""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_server.encodings.registry import ENTRIES, by_code, by_name
from edge_server.errors import FrameError
from tests.edge_server.encodings.rows import TYPES, decoded, noise, same_bits

NAMES = [*(entry.name for entry in ENTRIES), "topk:5", "topk:1", "delta:int4",
         "delta:int8-outliers"]
ALONE = [name for name in NAMES if not by_name(name).chained]
EXACT = [name for name in NAMES if not by_name(name).lossy]
QUANTISED = {"int8": 1 / 127, "int4": 1 / 7, "int8-outliers": 1 / 127}
WIDTHS = st.sampled_from([1, 2, 3, 31, 32, 33, 64, 127, 128, 129, 200, 256])


@given(st.sampled_from(NAMES), st.integers(0, 2**32), st.integers(1, 9), WIDTHS,
       st.sampled_from(TYPES))
def test_round_trip(name: str, seed: int, rows: int, columns: int, dtype: torch.dtype) -> None:
    """Shape and type stay, what is lossless stays in every bit, and again is the same."""
    original = noise(seed, rows, columns, dtype)
    kept = original.clone()
    payload = by_name(name).encode(original)
    assert torch.equal(original, kept)  # nobody's rows are written over
    result = decoded(name, payload, original)
    assert (result.shape, result.dtype, result.is_contiguous()) == (original.shape, dtype, True)
    assert same_bits(result, decoded(name, payload, original))
    assert by_name(name).encode(original) == payload
    if name in EXACT:
        assert same_bits(result, original)


@given(st.sampled_from(ALONE), st.integers(0, 2**32), WIDTHS, st.sampled_from(TYPES),
       st.lists(st.integers(1, 4), min_size=1, max_size=5))
def test_rows_in_any_pieces_are_the_same_rows(
    name: str, seed: int, columns: int, dtype: torch.dtype, pieces: list[int]
) -> None:
    rows = noise(seed, sum(pieces), columns, dtype)
    whole = decoded(name, by_name(name).encode(rows), rows)
    apart = [decoded(name, by_name(name).encode(piece), piece)
             for piece in torch.split(rows, pieces)]
    assert same_bits(torch.cat(apart), whole)


@given(st.sampled_from(sorted(QUANTISED)), st.integers(0, 2**32), st.floats(-60, 60), WIDTHS)
def test_a_channel_is_off_by_half_a_step_of_its_group_at_most(
    name: str, seed: int, power: float, columns: int
) -> None:
    rows = noise(seed, 3, columns) * 2.0**power
    off = (decoded(name, by_name(name).encode(rows), rows) - rows).abs()
    step = rows.abs().amax() * QUANTISED[name] * (1 + 2**-7)  # scales are rounded up
    assert bool((off <= 0.5001 * step).all())


def test_zeros_stay_zeros() -> None:
    for name in NAMES:
        assert not decoded(name, by_name(name).encode(torch.zeros(2, 40)), torch.zeros(2, 40)).any()


@pytest.mark.parametrize("name", sorted(QUANTISED))
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 3.0e38])
def test_what_has_no_scale_is_not_written(name: str, value: float) -> None:
    rows = torch.zeros(2, 40)
    rows[1, :20] = value  # more of them than outliers could take
    with pytest.raises(FrameError, match="cannot be scaled"):
        by_name(name).encode(rows)


@pytest.mark.parametrize("name", sorted(QUANTISED))
@pytest.mark.parametrize("scale", ["0080", "807f", "c07f", "817b", "ffff"])
def test_a_scale_that_is_none_is_refused(name: str, scale: str) -> None:
    """Negative, infinite, no number, or so large that its rows would be."""
    rows = noise(0, 2, 40)
    payload = bytearray(by_name(name).encode(rows))
    payload[:2] = bytes.fromhex(scale)
    with pytest.raises(FrameError, match="scale"):
        decoded(name, bytes(payload), rows)


@settings(max_examples=200)
@given(st.sampled_from(NAMES), st.sampled_from(TYPES), st.integers(1, 3), WIDTHS,
       st.binary(max_size=700), st.booleans())
def test_random_bytes(
    name: str, dtype: torch.dtype, rows: int, columns: int, data: bytes, fitting: bool
) -> None:
    """They are rows of the size that was announced, or the one error."""
    like = torch.ones(rows, columns, dtype=dtype)
    if fitting:
        good = by_name(name).encode(like)
        data = (data + good)[: len(good)]
    before = torch.zeros(1, columns, dtype=dtype)
    try:
        result = by_name(name).decode(memoryview(data), rows, columns, dtype, before)
    except FrameError:
        return
    assert (result.shape, result.dtype) == (like.shape, dtype)


@given(st.sampled_from(NAMES), st.integers(0, 2**32), st.data())
def test_a_payload_of_another_length_is_refused(
    name: str, seed: int, data: st.DataObject
) -> None:
    rows = noise(seed, 2, 40, torch.bfloat16)
    payload = by_name(name).encode(rows)
    length = data.draw(st.integers(0, len(payload) - 1))
    for wrong in (payload[:length], payload + b"\0"):
        with pytest.raises(FrameError):
            decoded(name, wrong, rows)


@given(st.sampled_from(NAMES), st.integers(0, 2**32), st.data())
def test_a_flipped_bit_is_no_crash(name: str, seed: int, data: st.DataObject) -> None:
    rows = noise(seed, 2, 40, torch.bfloat16)
    payload = bytearray(by_name(name).encode(rows))
    bit = data.draw(st.integers(0, 8 * len(payload) - 1))
    payload[bit // 8] ^= 1 << bit % 8
    try:
        result = decoded(name, bytes(payload), rows)
    except FrameError:
        return
    assert result.shape == rows.shape


def test_every_entry_has_its_own_number_and_name() -> None:
    assert len({entry.code for entry in ENTRIES}) == len({entry.name for entry in ENTRIES}) == len(
        ENTRIES)
    for name in NAMES:
        encoding = by_name(name)
        assert encoding.name == name
        assert by_code(encoding.code, encoding.parameter).name == name
