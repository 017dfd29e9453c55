"""Which UE an address is, by traffic alone: found where it can be, and never claimed otherwise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import Generator
from numpy.typing import NDArray

from xapp import correlate
from xapp.correlate import PAIRS, CorrelateConfig, Correlator, _Round, _scores, single
from xapp.observations import UeKey

Rates = NDArray[np.float64]
SECONDS = 60


def bursts(random: Generator, seconds: int = SECONDS) -> Rates:
    """Traffic as users make it: mostly little, at times much."""
    return np.where(random.random(seconds) < 0.3, random.exponential(5000, seconds), 20.0)


def watched(
    addresses: dict[str, Rates], ues: dict[int, Rates], random: Generator | None = None,
    config: CorrelateConfig = CorrelateConfig(),  # noqa: B008  # frozen
) -> dict[str, str]:
    """What is claimed after a minute; the RAN's figures are a little larger, and noisy."""
    correlator = Correlator(config)
    for second in range(SECONDS):
        for address, rates in addresses.items():
            correlator.address(address, float(rates[second]), second + 0.1)
        for number, rates in ues.items():
            noise = 1.0 if random is None else 1.05 + 0.05 * float(random.standard_normal())
            correlator.ue(UeKey("gnb", f"du:{number}"), float(rates[second]) * noise, second + 0.6)
    return {entry.address or "": entry.ue.ue for entry in correlator.matches(float(SECONDS))
            if entry.ue is not None}


@pytest.mark.parametrize("count", [1, 2, 8])
def test_ues_are_found_by_their_bursts(count: int) -> None:
    random = np.random.default_rng(count)
    traffic = {number: bursts(random) for number in range(count)}
    order = random.permutation(count)
    claimed = watched({f"10.45.0.{n}": traffic[n] for n in range(count)},
                      {int(n): traffic[int(n)] for n in order}, random)
    assert claimed == {f"10.45.0.{n}": f"du:{n}" for n in range(count)}


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.integers(1, 5), st.integers(1, 5))
def test_strangers_are_never_matched(seed: int, addresses: int, ues: int) -> None:
    random = np.random.default_rng(seed)
    assert watched({f"10.45.0.{n}": bursts(random) for n in range(addresses)},
                   {n: bursts(random) for n in range(ues)}, random) == {}


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.integers(2, 5))
def test_who_is_matched_is_the_right_one(seed: int, count: int) -> None:
    """One address of several is not tapped, one UE is not reported, and some are alike."""
    random = np.random.default_rng(seed)
    traffic = {number: bursts(random) for number in range(count)}
    traffic[count] = traffic[0]
    claimed = watched({f"10.45.0.{n}": traffic[n] for n in range(1, count + 1)},
                      {n: traffic[n] for n in range(count)}, random)
    for address, ue in claimed.items():
        number = int(address.rpartition(".")[2])
        assert ue in ({"du:0"} if number == count else {f"du:{number}"})


def test_those_who_do_the_same_are_not_told_apart() -> None:
    random = np.random.default_rng(1)
    same, other = bursts(random), bursts(random)
    assert watched({"a": same, "b": same, "c": other}, {1: same, 2: same, 3: other}, random) == {
        "c": "du:3"}


@pytest.mark.parametrize("rates", [np.full(SECONDS, 5000.0), np.zeros(SECONDS)])
def test_traffic_without_a_shape_matches_nothing(rates: Rates) -> None:
    assert watched({"a": rates}, {1: rates}) == {}


def test_sizes_have_to_agree() -> None:
    random = np.random.default_rng(2)
    rates = bursts(random)
    assert watched({"a": rates}, {1: rates * 1.2}) == {"a": "du:1"}
    assert watched({"a": rates}, {1: rates * 3}) == {}


def test_too_little_is_seen_to_tell() -> None:
    random = np.random.default_rng(3)
    rates = bursts(random)
    correlator, key = Correlator(), UeKey("gnb", "du:1")
    for second in range(19):
        correlator.address("a", float(rates[second]), second + 0.1)
        correlator.ue(key, float(rates[second]), second + 0.6)
    assert correlator.matches(19.0) == ()
    for second in range(19, 25):
        correlator.address("a", float(rates[second]), second + 0.1)
        correlator.ue(key, float(rates[second]), second + 0.6)
    entry, = correlator.matches(25.0)
    assert (entry.address, entry.ue) == ("a", key)
    assert 0.5 < entry.confidence < 1.0
    assert correlator.matches(500.0) == ()  # long ago
    correlator.forget(key)
    assert correlator.matches(25.0) == ()


def test_no_turn_compares_more_than_its_share_and_all_is_compared() -> None:
    random = np.random.default_rng(4)
    count, shapes = 300, []
    correlator = Correlator()
    traffic = [bursts(random) for _ in range(count)]
    for number, rates in enumerate(traffic):
        for second in range(SECONDS):
            correlator.address(f"a{number}", float(rates[second]), second + 0.1)
            correlator.ue(UeKey("gnb", f"du:{number}"), float(rates[second]), second + 0.6)
    while (found := correlator.work(float(SECONDS))) is None:
        shapes.append(correlator.compared)
    shapes.append(correlator.compared)
    assert max(shapes) <= PAIRS
    assert sum(shapes) == count * count
    assert len(shapes) == math.ceil(count / (PAIRS // count))
    assert len(found) > count * 0.9
    assert all(one.ue is not None and one.address is not None
               and one.ue.ue.removeprefix("du:") == one.address.removeprefix("a") for one in found)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 7), st.integers(1, 7), st.integers(1, 20))
def test_turns_find_what_is_found_at_once(
    seed: int, addresses: int, ues: int, pairs: int
) -> None:
    """Scores of all at once, compared one by one, against what turns of any size come to."""
    random = np.random.default_rng(seed)
    config = CorrelateConfig(alike=0.5, margin=0.1, varied=0.0, size=1e9)
    base = bursts(random)
    first = np.array([base + random.exponential(3000, SECONDS) for _ in range(addresses)])
    second = np.array([base + random.exponential(3000, SECONDS) for _ in range(ues)])
    keys = [UeKey("gnb", f"du:{number}") for number in range(ues)]
    scores = _scores(first, second, config)
    wanted = {}
    for row, column in np.ndindex(scores.shape):
        rest = [float(scores[row, one]) for one in range(ues) if one != column]
        rest += [float(scores[one, column]) for one in range(addresses) if one != row]
        best, others = float(scores[row, column]), max(rest, default=-1.0)
        if best >= config.alike and best - others >= config.margin:
            wanted[row] = column
    one = _Round([str(row) for row in range(addresses)], first, keys, second)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(correlate, "PAIRS", pairs)
        while one.done < addresses:
            assert one.go_on(config) <= max(pairs, ues)
    assert {row: column for row, column, _ in one.pairs(config)} == wanted


def test_who_is_dropped_leaves_nothing_to_who_takes_the_place() -> None:
    correlator, key = Correlator(CorrelateConfig(bins=1, varied=0.0)), UeKey("gnb", "du:1")
    for second in range(SECONDS):
        correlator.ue(key, float(second), second + 0.5)
    correlator.forget(key)
    correlator.ue(UeKey("gnb", "du:2"), 5.0, SECONDS - 0.5)
    _, table = correlator._ues.table(float(SECONDS))
    assert np.isnan(table[0, :-1]).all()
    assert table[0, -1] == 5.0


def test_what_cannot_be_is_not_kept_and_caps_hold() -> None:
    correlator = Correlator(CorrelateConfig(most=3))
    for value in (float("nan"), float("inf"), -1.0):
        correlator.address("a", value, 1.0)
    assert correlator.matches(50.0) == ()
    for number in range(50):
        correlator.ue(UeKey("gnb", f"du:{number}"), 5.0, 1.0)
        correlator.address(f"10.0.0.{number}", 5.0, 1.0)
    assert len(correlator._keys) <= 6


def test_the_only_ue_is_the_only_address() -> None:
    key = UeKey("gnb", "du:1")
    entry, = single(["10.45.0.2"], [key])
    assert (entry.address, entry.ue, entry.confidence) == ("10.45.0.2", key, 0.8)
    assert single(["10.45.0.2", "10.45.0.3"], [key]) == ()
    assert single(["10.45.0.2"], []) == ()
