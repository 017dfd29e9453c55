"""Counters as measurements: read back by the xApp's own units they are what was counted."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from testbed.ran.cell_model import NOTHING, Counters, Radio, Ran, Snapshot
from testbed.ran.e2_profiles import BEHAVIOURS
from testbed.ran.kpm_values import MEASURES, Window, ue_window, value_of
from xapp.e2.profiles import SRSRAN_MEASUREMENTS
from xapp.observations import Snssai
from xapp.units import FIELDS, UNITS

ONE = Counters(down_bits=2e6, up_bits=1e6, down_waited=2e4, up_waited=5e4, down_dropped=5e5,
               down_prbs=53.0, up_prbs=10.6)
WINDOW = Window(ONE, 1.0, 106)
MEANT = {"down_kbps": 2000, "up_kbps": 1000, "down_delay_ms": 10, "up_delay_ms": 50,
         "down_drops": 0.2, "down_prbs": 50, "up_prbs": 10, "down_kbit": 2000, "up_kbit": 1000,
         "down_used": 53, "up_used": 11, "down_available": 53, "up_available": 95,
         "down_count": 53_000, "up_count": 10_600}


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_the_xapp_reads_what_was_counted(name: str) -> None:
    behaviour = BEHAVIOURS[name]
    read = {FIELDS[unit.place]: (value_of(measurement, WINDOW, behaviour) or 0) * unit.scale
            for measurement, unit in UNITS[name].measurements.items()
            if any(measurement in one.measurements for one in behaviour.units)}
    assert len(read) >= 5
    assert read == pytest.approx({field: MEANT[field] for field in read}, rel=0.001)


def test_what_was_not_measured_has_no_value() -> None:
    spec = BEHAVIOURS["spec"]
    idle = Window(NOTHING, 1.0, 106)
    assert value_of("DRB.RlcSduDelayDl", idle, spec) is None
    assert value_of("DRB.RlcPacketDropRateDl", idle, spec) is None
    assert value_of("DRB.UEThpDl", idle, spec) == 0
    assert value_of("DRB.UEThpDl", Window(ONE, 0.0, 106), spec) is None
    assert value_of("No.Such", WINDOW, spec) is None


def test_everything_that_is_announced_can_be_measured_but_a_cu_up_s() -> None:
    names = {one for kind in BEHAVIOURS.values() for unit in kind.units
             for one in unit.measurements}
    assert names <= set(MEASURES)
    assert set(SRSRAN_MEASUREMENTS) <= set(MEASURES)


@pytest.mark.parametrize(("name", "value"), [("CQI", 11), ("RSRP", 17), ("RSRQ", 17)])
def test_only_the_first_ue_has_a_radio_as_on_srsran(name: str, value: int) -> None:
    after = Snapshot(1.0, {3: {}, 4: {}})
    ran = cast(Ran, SimpleNamespace(radio=lambda f1_id: Radio(11, 17.9)))
    for number, expected in ((3, value), (4, None)):
        window = ue_window(Snapshot(0.0), after, number, None, 106, ran)
        assert value_of(name, window, BEHAVIOURS["srsran"]) == expected


@pytest.mark.parametrize("snr", [None, -3.0])
def test_a_ratio_that_kpm_cannot_say_has_no_value(snr: float | None) -> None:
    window = Window(ONE, 1.0, 106, radio=Radio(0, snr))
    assert value_of("RSRP", window, BEHAVIOURS["srsran"]) is None
    assert value_of("CQI", window, BEHAVIOURS["srsran"]) == 0


def test_a_window_is_a_difference_of_one_slice_or_of_all() -> None:
    one, two = Snssai(1), Snssai(2)
    before = Snapshot(1.0, {7: {one: Counters(down_bits=5)}})
    after = Snapshot(3.0, {7: {one: Counters(down_bits=8), two: Counters(down_bits=100)}})
    assert ue_window(before, after, 7, one, 10).counters.down_bits == 3
    assert ue_window(before, after, 7, None, 10).counters.down_bits == 103
    assert ue_window(before, after, 8, None, 10).counters == NOTHING
    assert ue_window(before, after, 7, one, 10).seconds == 2


@pytest.mark.parametrize("name", ["RRU.PrbAvailDl", "RRU.PrbAvailUl"])
def test_a_full_cell_has_no_less_than_nothing_free(name: str) -> None:
    """The counters may be a slot ahead of the clock: reports would end with a number below 0."""
    full = Window(Counters(down_prbs=25 * 0.51, up_prbs=25 * 0.51), 0.48, 25)
    assert value_of(name, full, BEHAVIOURS["spec"]) == 0
