"""Varied flows say the same, in other pieces and at other times."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from classifier.augment import Change, draw, lossy, resegmented, retimed, upwards, vary
from tests.classifier.traffic import download, flow, metronome


@pytest.fixture
def talk() -> NDArray[np.void]:
    return flow(*metronome(20, 5000, 0.1, np.random.default_rng(1)))


def payload(packets: NDArray[np.void]) -> tuple[int, int]:
    up = upwards(packets)
    return int(packets["payload"][up].sum()), int(packets["payload"][~up].sum())


def turns(packets: NDArray[np.void]) -> list[int]:
    """Bytes of each turn, negative where it went down."""
    up = upwards(packets)
    starts = np.flatnonzero(np.append(True, up[1:] != up[:-1]))
    return [int(total) * (1 if up[start] else -1) for start, total in zip(
        starts, np.add.reduceat(packets["payload"], starts), strict=True)]


def test_nothing_changes_where_nothing_is_to(talk: NDArray[np.void]) -> None:
    same = vary(talk, Change(), np.random.default_rng(1))
    np.testing.assert_allclose(same["time"], talk["time"], atol=10)
    same["time"] = talk["time"]
    np.testing.assert_array_equal(same, talk)


@pytest.mark.parametrize("segment", [536, 1160, 1448, 8948])
def test_other_segments_carry_the_same_turns(talk: NDArray[np.void], segment: int) -> None:
    cut = resegmented(talk, segment)
    assert turns(cut) == turns(talk)
    assert cut["payload"].max() <= segment
    assert (cut["length"] - cut["payload"] == 40).all()
    assert (np.diff(cut["time"]) >= 0).all()
    assert cut["time"][0] == talk["time"][0]


def test_small_packets_are_not_joined() -> None:
    packets = flow([0, 0.0001, 0.0002, 0.0003], [100, 100, -50, 100])
    np.testing.assert_array_equal(resegmented(packets, 1448), packets)


def test_a_longer_way_delays_answers_alone(talk: NDArray[np.void]) -> None:
    later = retimed(talk, Change(trip=0.05))
    moved = np.diff(later - talk["time"])
    answers = np.flatnonzero(upwards(talk)[:-1] & ~upwards(talk)[1:])
    np.testing.assert_allclose(moved[answers], 50_000_000, atol=10)
    np.testing.assert_allclose(np.delete(moved, answers), 0, atol=10)


def test_a_shorter_way_never_turns_time_back(talk: NDArray[np.void]) -> None:
    assert (np.diff(retimed(talk, Change(trip=-10.0))) >= 0).all()


def test_another_rate_changes_trains_alone() -> None:
    packets = flow(*download(50, 0.002, np.random.default_rng(1)))
    before, after = np.diff(packets["time"]), np.diff(retimed(packets, Change(pace=3.0)))
    np.testing.assert_allclose(after[1:], before[1:] * 3, rtol=1e-3)
    assert abs(after[0] - before[0]) < 10


def test_a_slow_link_carries_no_more_than_it_can_and_delays_what_answers() -> None:
    talk = flow([0, 0.001, 0.002, 0.003, 0.1, 0.2], [1000, 1000, 1000, -500, -500, 100])
    later = retimed(talk, Change(rate_up=100_000, rate_down=1e9))
    gaps = np.diff(later - talk["time"][0]) / 1e9
    up = talk["length"][0] / 100_000
    np.testing.assert_allclose(gaps, [up, up, up, 0.097, 0.1], atol=1e-6)
    np.testing.assert_array_equal(retimed(talk, Change(rate_down=1e9)), retimed(talk, Change()))


def test_what_is_lost_comes_again_with_tcp_and_not_with_udp(talk: NDArray[np.void]) -> None:
    change = Change(loss=0.3)
    assert payload(lossy(talk, change, np.random.default_rng(1))) == payload(talk)
    datagrams = flow([0.02 * number for number in range(200)], [100] * 200, protocol=17)
    left = lossy(datagrams, change, np.random.default_rng(1))
    assert 100 < len(left) < 180


def test_jitter_keeps_the_order_of_each_side(talk: NDArray[np.void]) -> None:
    numbered = talk.copy()
    numbered["fragment"] = np.arange(len(talk))
    late = vary(numbered, Change(jitter=0.05), np.random.default_rng(1))
    for side in (upwards(late), ~upwards(late)):
        assert (np.diff(late["fragment"][side].astype(np.int64)) > 0).all()
    assert (late["time"][np.argsort(late["fragment"])] >= talk["time"]).all()


def test_drawn_changes_are_seeded_and_endured_by_odd_flows() -> None:
    assert draw(np.random.default_rng(3)) == draw(np.random.default_rng(3))
    random = np.random.default_rng(1)
    odd = [flow([0.0], [10]), flow([0.0, 0.0], [0, 0]), flow([0.0, 1.0], [-5, -5]),
           flow([0.0, 1.0, 2.0], [60000, -60000, 0]), flow([], [])]
    for _ in range(100):
        for packets in odd:
            varied = vary(packets, draw(random), random)
            assert (np.diff(varied["time"]) >= 0).all()
            assert (varied["payload"] >= 0).all()
