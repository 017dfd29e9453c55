"""A path does to samples what its settings say."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from testbed.radio.channel import Path
from testbed.radio.settings import PathSettings

RATE = 1e6  # a sample is a microsecond
BEFORE = 2200


def through(path: PathSettings, sent: np.ndarray, blocks: int = 1, seed: int = 1) -> np.ndarray:
    """What arrives of samples that nothing went before."""
    source = np.concatenate([np.zeros(BEFORE, np.complex64), sent.astype(np.complex64)])
    out = np.zeros(len(sent), np.complex64)
    air = Path(path, RATE, np.random.default_rng(seed))
    assert air.reach <= BEFORE
    edges = np.linspace(0, len(sent), blocks + 1).astype(int)
    for first, last in pairwise(edges):
        air.add(out[first:last].view(np.float32), source.view(np.float32),
                BEFORE + int(first), int(last - first))
    return out


def tone(count: int, cycles: float) -> np.ndarray:
    turned: np.ndarray = np.exp(2j * np.pi * cycles * np.arange(count))
    return turned


def test_loss_is_in_decibels_of_power() -> None:
    out = through(PathSettings(path_loss=20), tone(1000, 0.05))
    assert np.mean(np.abs(out) ** 2) == pytest.approx(0.01, rel=1e-4)


@given(st.integers(0, 2000))
@settings(max_examples=20, deadline=None)
def test_whole_samples_of_delay_move_everything(delay: int) -> None:
    sent = tone(3000, 0.11)
    out = through(PathSettings(delay=delay), sent, blocks=7)
    np.testing.assert_allclose(out[delay:], sent[:3000 - delay], atol=1e-5)
    assert not out[:delay].any()


@pytest.mark.parametrize("delay", [12.5, 40.25, 1999.9])
@pytest.mark.parametrize("cycles", [0.01, 0.2, 0.35])
def test_parts_of_a_sample_turn_a_tone_by_as_much(delay: float, cycles: float) -> None:
    out = through(PathSettings(delay=delay), tone(4000, cycles))[2100:]
    expected = np.exp(2j * np.pi * cycles * (np.arange(2100, 4000) - delay))
    ratio = np.mean(out / expected)
    assert 20 * np.log10(abs(ratio)) == pytest.approx(0, abs=0.2)
    assert np.angle(ratio) / (2 * np.pi * cycles) == pytest.approx(0, abs=0.02)  # samples


def test_an_outage_is_silence_and_blocks_do_not_matter() -> None:
    sent = tone(3000, 0.1)
    assert not through(PathSettings(outage=True), sent).any()
    assert not through(PathSettings(outage=True, profile="epa"), sent).any()
    np.testing.assert_allclose(through(PathSettings(3, 12.3), sent, 1),
                               through(PathSettings(3, 12.3), sent, 13), atol=1e-5)


def test_fading_keeps_the_mean_power_and_is_rayleigh() -> None:
    sent = np.ones(100_000)
    powers = np.concatenate([np.abs(through(
        PathSettings(profile="flat", doppler=2000), sent, 4, seed)) ** 2 for seed in range(15)])
    assert 10 * np.log10(powers.mean()) == pytest.approx(0, abs=0.5)
    # Of an exponential distribution 9.5 % lie below a tenth of the mean.
    assert np.mean(powers < 0.1 * powers.mean()) == pytest.approx(0.095, abs=0.02)


def test_fading_forgets_as_fast_as_its_doppler_says() -> None:
    doppler, lag = 500.0, 300  # microseconds: J0(2 pi 0.15) is 0.79
    both = [through(PathSettings(profile="flat", doppler=doppler), np.ones(200_000), 4, seed)
            for seed in range(30)]
    ahead = np.mean([np.mean(one[lag:] * np.conj(one[:-lag])) for one in both])
    here = np.mean([np.mean(np.abs(one) ** 2) for one in both])
    assert (ahead / here).real == pytest.approx(0.790, abs=0.05)
    assert abs((ahead / here).imag) < 0.1


def test_a_profile_with_no_movement_is_a_fixed_filter() -> None:
    sent = tone(4000, 0.2)
    out = through(PathSettings(profile="etu", doppler=0), sent, 5)
    ratio = out[100:] / sent[100:]
    np.testing.assert_allclose(ratio, ratio[0], atol=1e-4)
