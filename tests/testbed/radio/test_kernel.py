"""The compiled sums against numpy's complex arithmetic."""

from __future__ import annotations

import numpy as np
import pytest

from testbed.radio.kernel import CHUNK, active_power, add_noise, add_path


def _samples(count: int, seed: int = 1) -> np.ndarray[tuple[int], np.dtype[np.complex64]]:
    random = np.random.default_rng(seed)
    return (random.normal(size=count) + 1j * random.normal(size=count)).astype(np.complex64)


@pytest.mark.parametrize("count", [1, 7, CHUNK, CHUNK + 1, 1000])
def test_a_path_is_a_convolution(count: int) -> None:
    source, taps = _samples(1100), _samples(3, 2)
    delays = np.array([0, 5, 64])
    out = _samples(count, 3)
    expected = out.astype(np.complex128)
    for delay, tap in zip(delays, taps, strict=True):
        expected += tap * source[100 - delay:100 - delay + count]
    pairs = taps.view(np.float32)
    add_path(out.view(np.float32), source.view(np.float32), 100, count, delays, pairs, pairs)
    np.testing.assert_allclose(out, expected, atol=1e-4)


def test_weights_go_from_one_to_the_other() -> None:
    count = 16 * CHUNK
    source, out = np.ones(count, np.complex64), np.zeros(count, np.complex64)
    before, after = np.array([0, 0], np.float32), np.array([0, 2], np.float32)
    add_path(out.view(np.float32), source.view(np.float32), 0, count, np.array([0]), before, after)
    assert out[0].imag == pytest.approx(1 / 16)
    assert out[-1].imag == pytest.approx(2 - 1 / 16)
    assert not out.real.any()


def test_noise_goes_round_its_table() -> None:
    table, out = _samples(10), np.zeros(25, np.complex64)
    add_noise(out.view(np.float32), 25, table.view(np.float32), 7, 0.0, 2.0)
    np.testing.assert_allclose(out, 2j * np.resize(np.roll(table, -7), 25), atol=1e-5)


def test_power_is_that_of_what_is_sent() -> None:
    samples = np.zeros(4 * CHUNK, np.complex64)
    samples[CHUNK:2 * CHUNK] = 3
    power, active = active_power(samples.view(np.float32), 0, 4 * CHUNK)
    assert active == CHUNK
    assert power / active == pytest.approx(9)
    assert active_power(samples.view(np.float32), 2 * CHUNK, CHUNK) == (0, 0)
