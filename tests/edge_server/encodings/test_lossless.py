"""Every bit arrives, of any bits; and frames that announce more than their rows take no memory."""

from __future__ import annotations

import threading
import tracemalloc

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from edge_server.encodings.registry import by_name
from edge_server.errors import FrameError
from tests.edge_server.encodings.rows import FEW, TYPES, carried, decoded, noise, same_bits


def test_written_out() -> None:
    """Five elements as they are; 64 ones are 64 times sign and mantissa 0, and exponents 127."""
    assert by_name("lossless").encode(FEW).hex() == "00" + "803f00bf803e00400000"
    ones = torch.ones(1, 64, dtype=torch.bfloat16)
    written = bytes.fromhex("01" + 64 * "00" + "28b52ffd2040450000107f7f0100930016")
    assert same_bits(decoded("lossless", written, ones), ones)


@given(st.sampled_from(TYPES), st.binary(min_size=48, max_size=48), st.integers(1, 8))
def test_nothing_is_lost_whatever_the_bits(
    dtype: torch.dtype, data: bytes, times: int
) -> None:
    rows = torch.frombuffer(bytearray(data * times), dtype=dtype).view(2 * times, -1)
    assert same_bits(carried("lossless", rows), rows)


@pytest.mark.parametrize("dtype", TYPES)
def test_rows_become_smaller(dtype: torch.dtype) -> None:
    rows = noise(0, 32, 256, dtype)
    size = len(by_name("lossless").encode(rows))
    assert size < 0.9 * rows.numel() * rows.element_size()
    assert same_bits(carried("lossless", rows), rows)


@pytest.mark.parametrize("announced", [1 << 20, 1 << 40])
@pytest.mark.parametrize("single", [True, False])
def test_a_bomb_takes_no_memory(announced: int, single: bool) -> None:
    """zstd frames that announce far more than the rows, or a window as large."""
    descriptor = bytes((0xE0,)) if single else bytes((0xC0, 0xA0))
    bomb = b"\x28\xb5\x2f\xfd" + descriptor + announced.to_bytes(8, "little") + b"\x03\x00\x00"
    tracemalloc.start()
    try:
        with pytest.raises(FrameError):
            by_name("lossless").decode(
                memoryview(b"\x01" + bytes(64) + bomb), 1, 64, torch.bfloat16)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_several_threads_at_once() -> None:
    """A compressor is for one thread; the encoding is for all."""
    failures: list[int] = []

    def work(seed: int) -> None:
        for number in range(50):
            rows = noise(seed + number, 2, 300, torch.bfloat16)
            if not same_bits(carried("lossless", rows), rows):
                failures.append(number)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in (0, 1000, 2000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60.0)
    assert not failures
