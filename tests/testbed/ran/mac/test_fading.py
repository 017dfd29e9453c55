"""Fading has the mean, the spread and the pace that theory gives it."""

from __future__ import annotations

import numpy as np
import pytest

from testbed.ran.mac.channel import ChannelConfig, Kind
from testbed.ran.mac.fading import fades, make, shadows

CHANCE = 11


def _chance(seed: int = CHANCE) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_a_fade_has_power_one_and_the_spread_of_rayleigh() -> None:
    seconds = np.arange(200_000) * 1e-3
    power = fades(seconds, 100.0, 1, _chance())
    assert power.mean() == pytest.approx(1.0, abs=0.03)
    assert power.std() == pytest.approx(1.0, abs=0.1)  # exponential
    assert (power < 0.1).mean() == pytest.approx(1 - np.exp(-0.1), abs=0.02)


def test_diversity_makes_fades_shallow() -> None:
    seconds = np.arange(100_000) * 1e-3
    assert fades(seconds, 100.0, 4, _chance()).std() == pytest.approx(0.5, abs=0.06)


def test_a_fade_loses_its_likeness_as_jakes_says() -> None:
    """The power's correlation is the square of Bessel's J0(2 pi f t): 0 first at f t = 0.383."""
    step, doppler = 1e-3, 10.0
    seconds = np.arange(40_000) * step
    # A fade of few waves keeps a likeness of its own by chance; over many fades it goes away.
    runs = [fades(seconds, doppler, 1, _chance(seed)) - 1 for seed in range(40)]

    def likeness(lag: int) -> float:
        return float(np.mean([(one[:-lag] * one[lag:]).mean() / one.var() for one in runs]))

    assert likeness(1) > 0.99
    assert likeness(10) == pytest.approx(0.9037 ** 2, abs=0.06)  # J0(0.628)
    assert likeness(38) == pytest.approx(0.0, abs=0.08)


def test_shadows_spread_and_forget_over_the_way_gone() -> None:
    config = ChannelConfig(Kind.VEHICULAR, shadow_db=6.0, shadow_metres=20.0, report_seconds=0.1)
    seconds = np.arange(100_000) * 0.1
    values = shadows(seconds, 10.0, config, _chance())  # 1 m a step
    assert values.std() == pytest.approx(6.0, rel=0.1)
    likeness = np.corrcoef(values[:-20], values[20:])[0, 1]
    assert likeness == pytest.approx(np.exp(-1), abs=0.06)


def test_a_walk_is_worst_at_its_turn() -> None:
    config = ChannelConfig(Kind.CELL_EDGE, snr_db=30.0, edge_snr_db=0.0, shadow_db=0.0,
                           seconds=40.0)
    channel = make(config, _chance())

    def mean(begin: float, end: float) -> float:
        return float(channel.cqi[channel.at(np.arange(begin, end, 0.01))].mean())

    assert mean(0, 4) > mean(8, 12) > mean(18, 22) < mean(28, 32) < mean(36, 40)


def test_outages_last_and_come_as_configured() -> None:
    config = ChannelConfig(Kind.OUTAGE, outage_seconds=1.0, outage_every=4.0, seconds=4000.0,
                           report_seconds=0.01)
    channel = make(config, _chance())
    at = channel.at(np.arange(0, 4000, 0.01))
    assert (channel.cqi[at] == 0).mean() == pytest.approx(0.2, abs=0.02)
    assert (channel.cqi == 0).sum() == pytest.approx(800, rel=0.1)  # outages


def test_a_vehicle_changes_faster_than_a_pedestrian() -> None:
    slow, fast = (make(ChannelConfig(kind, seconds=20.0), _chance())
                  for kind in (Kind.PEDESTRIAN, Kind.VEHICULAR))
    assert len(fast.seconds) > 1.5 * len(slow.seconds)
