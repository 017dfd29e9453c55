"""The compiled sums against numpy's complex arithmetic."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from testbed.radio.kernel import CHUNK, active_power, add_noise, add_path, take_in, turn_taps


def _samples(count: int, seed: int = 1) -> np.ndarray[tuple[int], np.dtype[np.complex64]]:
    random = np.random.default_rng(seed)
    return (random.normal(size=count) + 1j * random.normal(size=count)).astype(np.complex64)


@pytest.mark.parametrize("count", [1, 7, CHUNK, CHUNK + 1, 1000])
@pytest.mark.parametrize("delays", [[0], [5, 0], [0, 5, 64], [1, 1, 2, 3, 100], range(9)])
def test_a_path_is_a_convolution(count: int, delays: Sequence[int]) -> None:
    source, taps = _samples(1100), _samples(len(delays), 2)
    out = _samples(count, 3)
    expected = out.astype(np.complex128)
    for delay, tap in zip(delays, taps, strict=True):
        expected += tap * source[100 - delay:100 - delay + count]
    pairs = taps.view(np.float32)
    add_path(out.view(np.float32), source.view(np.float32), 100, count, np.array(delays), pairs,
             pairs)
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


def test_what_is_no_number_is_taken_in_as_nothing() -> None:
    sent = np.array([1.5, np.nan, -np.inf, -0.0, 3e38, np.inf, -np.nan, 1e-45], np.float32)
    taken = np.full(8, 7, np.float32)
    take_in(taken.view(np.uint32), sent.view(np.uint32))
    np.testing.assert_array_equal(taken, np.nan_to_num(sent, posinf=0.0, neginf=0.0))


def test_taps_are_turned_and_weighed_with_a_delays_own() -> None:
    random = np.random.default_rng(1)
    phases, turns = random.uniform(0, 6, (3, 24)), random.uniform(-1e-4, 1e-4, (3, 24))
    scale, direct = random.uniform(size=3), random.normal(size=4)
    turned = phases + 5000 * turns
    weights = np.zeros(24, np.float32)
    turn_taps(phases, turns, 5000, scale, direct, weights)
    np.testing.assert_allclose(np.exp(1j * phases), np.exp(1j * turned), atol=1e-9)
    expected = np.outer(direct, np.exp(1j * turned).sum(axis=1) * scale).ravel()
    np.testing.assert_allclose(weights.view(np.complex64), expected, atol=1e-5)
