"""The schema's form, and that features tell what they are named for."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pcap_tools.features import FEATURES, NAMES, SCHEMA
from pcap_tools.flows import Sampled
from tests.pcap_tools.traffic import MS, answer, engine_of, packet, rows

Turns = list[tuple[int, int, float]]  # side, bytes, and milliseconds of silence after it


def sent(turns: Turns, mtu: int = 1400, pace: float = 1.0) -> NDArray[np.void]:
    """Packets of these turns, 12 µs apart within one."""
    time, made = 0.0, []
    for side, size, silence in turns:
        for left in range(size, 0, -mtu):
            payload = min(left, mtu)
            make = answer if side else packet
            made.append(make(int(time * pace), payload=payload, length=payload + 52))
            time += 12_000
        time += silence * MS
    return rows(*made)


def features(packets: NDArray[np.void]) -> dict[str, float]:
    """Of the whole flow."""
    samples = engine_of(packets)[1]
    vector = samples[samples["kind"] == Sampled.WHOLE]["vector"][0]
    return dict(zip(NAMES, vector.tolist(), strict=True))


def decode(tokens: int, seed: int = 0) -> Turns:
    """A split model's session: a prompt's activations, then a row up and a token down for each."""
    random = np.random.default_rng(seed)
    turns: Turns = [(0, 40_000, 120.0)]
    for _ in range(tokens):
        turns += [(1, 60, random.normal(25, 2)), (0, 4128, random.normal(20, 2))]
    return turns


def browsing(pages: int, seed: int = 0) -> Turns:
    random = np.random.default_rng(seed)
    turns: Turns = []
    for _ in range(pages):
        turns += [(0, int(random.integers(300, 900)), random.normal(30, 5)),
                  (1, int(random.lognormal(10, 1)), random.exponential(900))]
    return turns


def test_the_schema_is_documented() -> None:
    assert SCHEMA == 2
    assert len(FEATURES) == 161
    assert len(set(NAMES)) == len(NAMES)
    for feature in FEATURES:
        assert feature.name.isidentifier()
        assert feature.meaning
        assert "\n" not in feature.meaning


def test_nothing_tells_who_talks() -> None:
    forbidden = ("port", "address", "host", "ttl", "vlan", "teid")
    assert not [name for name in NAMES if any(word in name for word in forbidden)]
    ours = engine_of(sent(decode(20)))[1]
    moved = sent(decode(20))
    moved["source_port"] += 7
    moved["destination_port"] += 7
    moved["source"][:, 2] = moved["destination"][:, 2] = 9
    np.testing.assert_array_equal(ours["vector"], engine_of(moved)[1]["vector"])


@pytest.mark.parametrize("turns", [decode(60), browsing(60)])
@pytest.mark.parametrize(("mtu", "pace"), [(536, 1.0), (1400, 3.0), (600, 0.4)])
def test_robust_features_stay_on_another_network(turns: Turns, mtu: int, pace: float) -> None:
    here, there = features(sent(turns)), features(sent(turns, mtu, pace))
    for feature in FEATURES:
        if feature.robust:
            assert there[feature.name] == pytest.approx(
                here[feature.name], rel=0.05, abs=0.02, nan_ok=True), feature.name


def test_a_metronome_is_heard() -> None:
    split, web = features(sent(decode(60))), features(sent(browsing(60)))
    assert split["metronome_share"] > 0.9 > 0.1 > web["metronome_share"]
    assert split["metronome_longest"] >= 50
    assert split["turn_repeat_share_up"] > 0.9
    assert split["turn_repeat_bytes_up"] == 4128
    assert split["turn_first_ratio_up"] == pytest.approx(40_000 / 4128, rel=1e-4)
    assert split["period_cv"] < 0.3 < web["period_cv"]
    assert split["response_mean"] == pytest.approx(0.02, rel=0.2)
    assert split["turns"] == 120


@pytest.mark.parametrize("width", [640, 2048, 2304])
def test_rows_are_known_whatever_their_width(width: int) -> None:
    turns: Turns = [(0, 40_000, 120.0)]
    for number in range(40):
        turns += [(1, 60, 25.0), (0, 2 * width + (62 if number % 8 else 91), 20.0)]
    told = features(sent(turns))
    assert told["turn_exact_rest_up"] == 62
    assert told["turn_exact_bytes_up"] == 2 * width + 62
    assert told["turn_exact_share_up"] == pytest.approx(29 / 39)
    assert told["turn_exact_bytes_down"] == 60
    assert told["steady_longest"] == 6
    assert told["mirror_share"] == 0
    web = features(sent(browsing(60)))
    assert web["turn_exact_share_up"] < 0.1
    assert web["steady_share"] == 0


def test_rows_that_come_back_are_seen() -> None:
    turns: Turns = [(0, 8192, 50.0), (1, 8192, 10.0)]
    turns += [(0, 2088, 20.0), (1, 2084, 20.0)] * 20
    told = features(sent(turns))
    assert told["mirror_share"] == 1
    assert told["metronome_share"] == 0
    assert told["steady_longest"] == 18


def test_the_first_packets_are_told_one_by_one() -> None:
    told = features(sent([(0, 100, 10.0), (1, 2000, 5.0), (0, 7, 0.0)]))
    assert [told[f"size_{number}"] for number in (1, 2, 3, 4)] == [100, -1400, -600, 7]
    assert told["gap_2"] == pytest.approx(0.010012)
    assert told["gap_4"] == pytest.approx(0.005012)
    assert np.isnan([told["size_5"], told["gap_5"]]).all()


def test_quantiles_are_near() -> None:
    random = np.random.default_rng(5)
    sizes = random.integers(8, 1400, 500)
    told = features(rows(*(packet(index * MS, payload=int(size), length=int(size) + 52)
                           for index, size in enumerate(sizes))))
    for percent in (25, 50, 75):
        assert told[f"size_q{percent}_up"] == pytest.approx(np.percentile(sizes, percent), rel=0.2)
    assert told["gap_median"] == pytest.approx(0.001, rel=0.01)


def test_an_empty_packet_has_no_size() -> None:
    told = features(rows(packet(payload=0, length=52)))
    assert told["packets_up"] == 1
    assert told["empty_share_up"] == 1
    assert np.isnan([told["size_mean_up"], told["gap_mean"], told["packet_rate"]]).all()
