"""One report's values as figures."""

from __future__ import annotations

from xapp.e2.kpm import Report
from xapp.e2.measurements import NO_LABEL, Label, Measurement, Values
from xapp.observations import Load
from xapp.reading import Reader, load_of
from xapp.units import PLACE, UNITS

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
