"""Channels: CQI of a ratio, slots of pieces, what cannot be meant, and what a seed decides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.ran.mac.channel import (
    MOST_BITS,
    SHANNON_PART,
    UNKNOWN,
    Channel,
    ChannelConfig,
    Direction,
    Kind,
    cqi_of_snr,
    made_of,
    make_channel,
    mcs_slots,
    period_slots,
    snr_of_bits,
)
from testbed.ran.mac.tables import HIGHEST_CQI, CqiTable, McsTable, mcs_by_cqi
from xapp.errors import ConfigurationError

BY_CQI = mcs_by_cqi(CqiTable.TABLE2, McsTable.QAM256)
SYNTHETIC = [kind for kind in Kind if kind not in (Kind.CSV, Kind.KPI)]


def _channel(cqi: list[int], mcs: list[int], period: float) -> Channel:
    values = np.array(cqi, np.int8)
    return Channel(np.arange(len(cqi)) * 0.01, values, values, np.array(mcs, np.int8),
                   np.full(len(cqi), UNKNOWN, np.int8), np.full(len(cqi), np.nan), period)


@pytest.mark.parametrize("table", CqiTable)
def test_cqi_rises_with_the_ratio(table: CqiTable) -> None:
    cqi = cqi_of_snr(np.arange(-20, 50, 0.1), table)
    assert cqi[0] == 0
    assert cqi[-1] == HIGHEST_CQI
    assert set(np.diff(cqi).tolist()) == {0, 1}
    assert cqi_of_snr(np.array([-np.inf]), table).tolist() == [0]


def test_cqi_is_near_what_link_level_curves_say() -> None:
    """Thresholds of 10 % block errors commonly used: -6.7 dB for CQI 1, 22.7 for CQI 15."""
    snr = np.arange(-20, 50, 0.1)
    cqi = cqi_of_snr(snr, CqiTable.TABLE1)
    for known, ratio in ((1, -6.7), (4, 0.2), (7, 5.9), (10, 11.7), (13, 18.7), (15, 22.7)):
        assert abs(snr[np.argmax(cqi >= known)] - ratio) < 3.5


@given(st.floats(1e-6, 1e9))
def test_a_rate_s_ratio_carries_it_and_no_more(bits: float) -> None:
    snr, of_none = snr_of_bits(np.array([bits, 0.0]))
    assert np.log2(1 + 10 ** (snr / 10)) * SHANNON_PART == pytest.approx(min(bits, MOST_BITS))
    assert of_none == -np.inf


def test_slots_take_the_piece_that_holds_when_they_begin() -> None:
    channel = _channel([15, 0, 7], [UNKNOWN] * 3, 0.03)
    slots = mcs_slots(channel, Direction.DOWN, BY_CQI, 1e-3, 70)
    assert slots[:10].tolist() == [27] * 10
    assert slots[10:20].tolist() == [-1] * 10
    assert slots[20:30].tolist() == [BY_CQI[7]] * 10
    assert (slots[30:60] == slots[:30]).all()  # it begins anew
    assert period_slots(channel, 1e-3) == 30
    later = mcs_slots(channel, Direction.DOWN, BY_CQI, 1e-3, 40, start=0.015)
    assert (later == slots[15:55]).all()


def test_a_recorded_mcs_goes_before_the_cqi_where_there_is_one() -> None:
    channel = _channel([15, 15, 0, 15], [5, UNKNOWN, 5, 28], 0.04)
    assert mcs_slots(channel, Direction.DOWN, BY_CQI, 0.01, 4, highest=27).tolist() == [
        5, 27, -1, 27]
    assert mcs_slots(channel, Direction.UP, BY_CQI, 0.01, 4).tolist() == [27, 27, -1, 27]


@pytest.mark.parametrize("kind", SYNTHETIC)
def test_made_channels_follow_their_seed_and_their_mean(kind: Kind) -> None:
    config = ChannelConfig(kind, snr_db=15.0, seconds=20.0)
    one, same, other = (make_channel(config, seed) for seed in (1, 1, 2))
    assert (one.seconds == same.seconds).all()
    assert (one.cqi == same.cqi).all()
    if kind is Kind.STATIC:
        assert one.cqi.tolist() == [cqi_of_snr(np.array([15.0]), config.cqi_table)[0]]
    else:
        assert len(one.seconds) != len(other.seconds) or (one.seconds != other.seconds).any()
        assert one.cqi.min() < one.cqi.max()
    assert one.period == pytest.approx(20.0)


def test_a_seed_of_its_own_goes_before_the_one_given() -> None:
    config = ChannelConfig(Kind.VEHICULAR, seconds=2.0, seed=5)
    one, two = make_channel(config, 1), make_channel(config, 2)
    assert one.cqi.tolist() == two.cqi.tolist()


def test_the_uplink_has_its_offset() -> None:
    channel = make_channel(ChannelConfig(snr_db=20.0, up_offset_db=-10.0), 1)
    assert channel.cqi_up[0] == cqi_of_snr(np.array([10.0]), CqiTable.TABLE2)[0]
    assert channel.cqi_up[0] < channel.cqi[0]


def test_pieces_that_are_alike_are_one() -> None:
    channel = made_of(np.arange(5.0), np.array([20.0, 20.1, 5.0, 5.0, 20.0]), 5.0, CqiTable.TABLE1)
    assert channel.seconds.tolist() == [0.0, 2.0, 4.0]


@given(st.lists(st.floats(0.001, 5), min_size=1, max_size=20), st.floats(0.0005, 0.3))
def test_every_slot_has_a_piece(lengths: list[float], slot: float) -> None:
    edges = np.concatenate(([0.0], np.cumsum(lengths)))
    channel = made_of(edges[:-1], np.linspace(-20, 40, len(lengths)), float(edges[-1]),
                      CqiTable.TABLE1)
    slots = mcs_slots(channel, Direction.DOWN, BY_CQI, slot, 200)
    assert set(slots.tolist()) <= {-1, *BY_CQI.tolist()}


@pytest.mark.parametrize(("arguments", "said"), [
    ({"kind": Kind.CSV}, "needs a file"),
    ({"file": Path("x.csv")}, "has no file"),
    ({"seconds": 0.0}, "above 0"),
    ({"kind": Kind.VEHICULAR, "speed_kmh": -3.0}, "above 0"),
    ({"snr_db": 200.0}, "100 dB"),
    ({"seconds": 1e9}, "too many pieces")])
def test_what_cannot_be_meant(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        ChannelConfig(**arguments)  # type: ignore[arg-type]  # of several types on purpose


def test_a_channel_out_of_order_is_a_bug_of_the_caller() -> None:
    with pytest.raises(ValueError, match="period"):
        _channel([1, 2], [0, 0], 0.01)
