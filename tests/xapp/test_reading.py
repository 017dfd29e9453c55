"""One report's values as figures."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xapp.e2.kpm import Report
from xapp.e2.measurements import NO_LABEL, Label, Measurement, Values
from xapp.observations import Load
from xapp.reading import Reader, load_of
from xapp.units import COUNTED, PLACE, UNITS

DOWN = PLACE["down_kbps"]


def reader(asked: tuple[Measurement, ...] = ()) -> Reader:
    return Reader(None, UNITS["spec"], asked, 1000)


def test_values_stand_in_the_order_of_labels() -> None:
    labels = (NO_LABEL, Label(five_qi=9), Label(five_qi=7))
    message = Report((Values((1, 2, 3, 4)),),
                     (Measurement("DRB.UEThpUl", labels), Measurement("DRB.UEThpDl")))
    assert reader().of_ue(message)[DOWN] == 4
    assert reader().of_ue(message)[PLACE["up_kbps"]] == 1  # the first label's


def test_too_few_values_are_missing_values() -> None:
    measurements = tuple(Measurement(name) for name in ("DRB.UEThpUl", "DRB.UEThpDl"))
    assert reader().of_ue(Report((Values((1,)),), measurements))[DOWN] is None
    assert reader(measurements).of_ue(Report((Values((1, 5, 9)),)))[DOWN] == 5


def test_a_list_of_measurements_that_changes_is_read_anew() -> None:
    one = reader()
    first = Report((Values((1, 2)),), (Measurement("DRB.UEThpDl"), Measurement("x")))
    second = Report((Values((1, 2)),), (Measurement("x"), Measurement("DRB.UEThpDl")))
    assert [one.of_ue(message)[DOWN] for message in (first, second, first)] == [1, 2, 1]


def test_a_period_of_nothing_gives_no_rate() -> None:
    figures = reader().of_ue(Report(
        (Values((400,)),), (Measurement("DRB.RlcSduTransmittedVolumeDL"),)))
    assert load_of(figures, 1.0, 0, None, UNITS["spec"]) == Load(1.0)
    assert load_of(figures, 1.0, 2000, None, UNITS["spec"]).down_kbps == 200


@pytest.mark.parametrize("kind", list(UNITS))
@given(report=st.floats(0.1, 2.0), ratio=st.floats(0.1, 10.0),
       kbps=st.floats(1, 1e6), share=st.floats(0, 100))
def test_a_constant_flow_has_its_rate_however_often_it_is_reported(
    kind: str, report: float, ratio: float, kbps: float, share: float
) -> None:
    """Volumes are of a renewal period, where there is one; else of the report's own."""
    granularity = round(1000 * report)
    units = UNITS[kind]
    if units.period:
        units = replace(units, period=granularity / 1000 * ratio)
    covers = units.period or granularity / 1000
    names = ["DRB.RlcSduTransmittedVolumeDL", "DRB.RlcSduTransmittedVolumeUL"]
    values = [kbps * covers, kbps * covers / 2]
    counted = units.measurements["RRU.PrbTotDl"] == COUNTED["RRU.PrbTotDl"]
    names += ["RRU.PrbTotDl"] if counted else ["RRU.PrbUsedDl", "RRU.PrbAvailDl"]
    values += ([share * units.slots_per_second * covers] if counted
               else [share, 100 - share])  # of 100 PRBs
    reader = Reader(None, units, (), granularity)
    figures = reader.of_ue(Report((Values(tuple(values)),),
                                  tuple(Measurement(name) for name in names)))
    load = load_of(figures, 1.0, granularity, 100, units)
    assert load.down_kbps == pytest.approx(kbps)
    assert load.up_kbps == pytest.approx(kbps / 2)
    assert load.down_prbs == pytest.approx(share)
