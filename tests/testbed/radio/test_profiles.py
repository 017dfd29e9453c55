"""Delay lines: powers add up to one, and delays fall on samples."""

from __future__ import annotations

import pytest

from testbed.radio.profiles import PROFILES, on_grid


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("rate", [1.92e6, 11.52e6, 122.88e6])
def test_the_parts_of_the_power_are_all_of_it(name: str, rate: float) -> None:
    delays, parts = on_grid(PROFILES[name], rate)
    assert sum(parts) == pytest.approx(1)
    assert list(delays) == sorted(set(delays))
    assert delays[0] == 0


def test_taps_that_fall_on_one_sample_are_added() -> None:
    delays, parts = on_grid(PROFILES["epa"], 1e3)
    assert delays == (0,)
    assert parts[0] == pytest.approx(1)


def test_a_tap_is_as_late_as_its_profile_says() -> None:
    delays, _ = on_grid(PROFILES["etu"], 20e6)
    assert delays[-1] == 100  # 5 us
