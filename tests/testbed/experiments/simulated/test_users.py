"""Users of a simulated cell: what they wait for, and that skipping idle slots changes nothing."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from testbed.experiments.simulated.settings import SimulatedSettings
from testbed.experiments.simulated.station import Station
from testbed.experiments.simulated.users import K

SMALL = SimulatedSettings(ues=8, llm_users=2, bandwidth_mhz=5, load=0.3, calm_seconds=2.0,
                          settle_seconds=1.0, seconds=3.0, tokens=20, think_seconds=0.5)


def ran(settings: SimulatedSettings, seed: int = 3, seconds: float = 6.0) -> Station:
    station = Station(settings, 0, seed)
    for _ in range(round(seconds * 20)):
        station.advance(50)
    return station


@pytest.mark.parametrize("load", [0.0, 0.1, 0.5])
def test_skipping_idle_slots_changes_nothing(load: float) -> None:
    one = ran(dataclasses.replace(SMALL, load=load))
    other = ran(dataclasses.replace(SMALL, load=load, skip_idle=False))
    assert one.skipped > (0.1 if load == 0.0 else 0.0)
    assert other.skipped == 0.0
    assert int(one.users.numbers[K.TOKENS]) == int(other.users.numbers[K.TOKENS]) > 50
    assert np.array_equal(one.users.at, other.users.at)
    assert np.array_equal(one.users.wait, other.users.wait)
    assert np.array_equal(one.mac.counts, other.mac.counts)
    assert np.array_equal(one.mac.turns, other.mac.turns)


def test_the_same_seed_has_the_same_tokens_and_another_has_not() -> None:
    assert np.array_equal(ran(SMALL).users.at, ran(SMALL).users.at)
    assert not np.array_equal(ran(SMALL).users.at, ran(SMALL, 4).users.at)


def test_a_token_takes_what_computing_and_the_air_take() -> None:
    users = ran(dataclasses.replace(SMALL, load=0.0)).users
    count = int(users.numbers[K.TOKENS])
    waits = users.wait[:count][users.first[:count] == 0] / 1e6
    computing = 1000 * (SMALL.edge_seconds + SMALL.phone_seconds)
    assert waits.min() > computing + 8  # up and down through the air, four slots each
    assert np.median(waits) < computing + 60
    slower = ran(dataclasses.replace(SMALL, load=0.0, edge_seconds=0.110)).users
    more = slower.wait[:int(slower.numbers[K.TOKENS])][
        slower.first[:int(slower.numbers[K.TOKENS])] == 0] / 1e6
    assert np.median(more) - np.median(waits) == pytest.approx(100, abs=12)


def test_the_others_offer_the_load_that_was_asked_for() -> None:
    settings = dataclasses.replace(SMALL, ues=60, load=0.5, on_seconds=0.2, off_seconds=0.2)
    station = Station(settings, 0, 1)
    station.advance(22_000)
    blocks = station.mac.cell_used[0] / station.mac.cell_prbs[0] / 20.0
    # A tenth of blocks is repeated, and blocks are not always filled.
    assert blocks[0] == pytest.approx(0.55, abs=0.12)
    assert blocks[1] == pytest.approx(0.30, abs=0.1)


def test_nothing_comes_of_others_in_the_calm() -> None:
    station = ran(SMALL, seconds=1.9)
    assert station.mac.counts[SMALL.llm_users:].sum() == 0
    assert ran(SMALL, seconds=3.0).mac.counts[SMALL.llm_users:].sum() > 0
