"""Made-up sources keep their rates and their order, whatever the steps in which they are asked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.ran.traffic.arrivals import DOWN, SECOND, UP, Arrivals, Source, merged
from testbed.ran.traffic.config import Kind, TrafficConfig
from testbed.ran.traffic.sources import make_source, pieces

MADE_UP = [kind for kind in Kind if kind is not Kind.REPLAY]


def _whole(source: Source, seconds: float, step: float = 0.1) -> Arrivals:
    ends = np.arange(1, round(seconds / step) + 1) * round(step * SECOND)
    return merged([source.until(int(end)) for end in ends])


def _kbps(rows: Arrivals, direction: int, seconds: float) -> float:
    return float(rows["size"][rows["direction"] == direction].sum()) * 8 / 1000 / seconds


@pytest.mark.parametrize("kind", MADE_UP)
def test_steps_change_nothing(kind: Kind) -> None:
    config = TrafficConfig(kind, stagger=1.0, on_seconds=0.3, off_seconds=0.3, think_seconds=0.5)
    users = [(0, 0), (3, 1)]
    fine = _whole(make_source(config, users, 7), 6.0, 0.01)
    coarse = _whole(make_source(config, users, 7), 6.0, 1.0)
    assert len(fine) > 100
    assert (np.diff(fine["time"]) >= 0).all()
    for name in ("time", "size", "direction"):
        assert (fine[name] == coarse[name]).all()
    assert set(fine["ue"].tolist()) == {0, 3}


@pytest.mark.parametrize("kind", [Kind.SATURATION, Kind.GREEDY, Kind.POISSON])
def test_rates_are_as_configured(kind: Kind) -> None:
    rows = _whole(make_source(TrafficConfig(kind, down_kbps=8000, up_kbps=800,
                                            packet_bytes=1000), [(0, 0)], 1), 20.0)
    assert _kbps(rows, DOWN, 20.0) == pytest.approx(8000, rel=0.05)
    assert _kbps(rows, UP, 20.0) == pytest.approx(800, rel=0.1)


def test_by_chance_means_gaps_of_all_lengths() -> None:
    rows = _whole(make_source(TrafficConfig(Kind.POISSON, down_kbps=8000, up_kbps=0), [(0, 0)],
                              3), 10.0)
    gaps = np.diff(rows["time"])
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.1)


def test_on_and_off_last_as_configured() -> None:
    config = TrafficConfig(Kind.ON_OFF, down_kbps=4000, up_kbps=0, on_seconds=0.5,
                           off_seconds=1.5)
    rows = _whole(make_source(config, [(place, 0) for place in range(20)], 5), 60.0)
    assert _kbps(rows, DOWN, 60.0) / 20 == pytest.approx(1000, rel=0.1)
    gaps = np.diff(rows["time"][rows["ue"] == 0])
    assert (gaps > 0.2 * SECOND).any()
    assert np.median(gaps) == pytest.approx(1400 * 8 / 4e6 * SECOND, rel=0.01)


def test_a_token_goes_up_at_an_even_pace_and_is_answered() -> None:
    config = TrafficConfig(Kind.SPLIT_LLM, token_seconds=0.05, edge_seconds=0.02, tokens=10,
                           token_bytes=4160, prompt_bytes=20_000, answer_bytes=120,
                           think_seconds=1.0)
    rows = _whole(make_source(config, [(0, 0)], 2), 0.6, 0.01)
    down = rows[rows["direction"] == DOWN]
    assert (np.diff(down["time"]) == 0.05 * SECOND).all()
    assert len(down) == 10
    up = rows[rows["direction"] == UP]
    payload = up["size"].astype(int) - 28
    assert int(payload.sum()) == 20_000 + 9 * 4160
    assert up["size"].max() <= 1400
    second = up["time"] == 0.05 * SECOND
    assert second.sum() == len(pieces(4160, 1400)) == 4


def test_start_and_stop() -> None:
    rows = _whole(make_source(TrafficConfig(start=1.0, stop=2.0), [(0, 0)], 1), 5.0)
    assert SECOND <= rows["time"].min() <= rows["time"].max() < 2 * SECOND
    assert _kbps(rows, DOWN, 1.0) == pytest.approx(2000, rel=0.02)


def test_one_more_user_changes_nothing_for_the_others() -> None:
    config = TrafficConfig(Kind.POISSON)
    few = _whole(make_source(config, [(0, 0), (1, 0)], 4), 2.0)
    many = _whole(make_source(config, [(0, 0), (1, 0), (2, 0)], 4), 2.0)
    assert (many[many["ue"] < 2]["time"] == few["time"]).all()


@given(st.integers(0, 300_000), st.integers(29, 9000))
def test_pieces_bear_all_of_it(size: int, most: int) -> None:
    found = pieces(size, most)
    assert int(found.sum()) - 28 * len(found) == size
    assert not len(found) or found.max() <= most
