"""What slices got, and when a floor counts as broken."""

from __future__ import annotations

import pytest

from testbed.loop.settings import INTERNET, LLM
from testbed.loop.slices import (
    REPORTS_ON_END,
    SliceSample,
    all_figures,
    sample_of,
    slice_figures,
    together,
)


def sample(at: float, prbs: float | None, delay: float | None, slice_: str = INTERNET,
           cell: str = "a") -> SliceSample:
    return SliceSample(at, slice_, 1000.0, 500.0, prbs, 90.0, delay, 1.0, cell)


def test_means_are_of_the_phases_own_reports() -> None:
    found = slice_figures([sample(0, 20, 1), sample(1, 40, 1), sample(5, 90, 1),
                           sample(1, 90, 1, LLM)], INTERNET, "calm", 0, 2, 10)
    assert (found.down_prbs, found.down_mbps, found.up_mbps) == (30, 1.0, 0.5)
    assert found.floor_violated is None
    assert found.waiting_reports == 0


def test_nothing_reported_is_none() -> None:
    found = slice_figures([], INTERNET, "calm", 0, 2, 10)
    assert (found.down_mbps, found.down_prbs, found.down_delay_ms, found.floor_violated) == (
        None,) * 4


@pytest.mark.parametrize(("prbs", "delay", "violated"), [
    (5, 200, True), (15, 200, False), (5, 1, None), (None, 200, False)])
def test_a_floor_is_broken_where_packets_wait_below_it(
        prbs: float | None, delay: float, violated: bool | None) -> None:
    samples = [sample(number / 2, prbs, delay) for number in range(REPORTS_ON_END)]
    assert slice_figures(samples, INTERNET, "x", 0, 9, 10).floor_violated is violated


def test_a_single_report_breaks_no_floor() -> None:
    samples = [sample(number / 2, 5 if number % REPORTS_ON_END else 50, 200)
               for number in range(12)]
    assert slice_figures(samples, INTERNET, "x", 0, 9, 10).floor_violated is False
    assert slice_figures(samples, INTERNET, "x", 0, 9, None).floor_violated is None


def test_a_sample_is_read_of_the_api() -> None:
    load = {"at": 5.0, "down_kbps": 1.0, "up_kbps": 2.0, "down_prbs": 3.0, "up_prbs": None,
            "down_delay_ms": 4.0, "up_delay_ms": None, "down_drops": None}
    assert sample_of({"snssai": LLM, "cell": "gnb_1/a", "load": load}, 7.0) == SliceSample(
        7.0, LLM, 1.0, 2.0, 3.0, None, 4.0, None, "a")


def test_a_floor_is_one_of_each_other_slice_in_each_cell() -> None:
    """A third slice, and a second cell, which is idle: neither hides what the other one lacks."""
    third, floors = "1-000002", {INTERNET: 10, "1-000002": 20, LLM: None}
    samples = [sample(number / 2, prbs, delay, slice_, cell) for number in range(REPORTS_ON_END)
               for slice_, cell, prbs, delay in (
                   (INTERNET, "a", 50, 200), (INTERNET, "b", 1, 5), (third, "a", 15, 200))]
    found = all_figures(samples, floors, [("calm", 0, 1), ("loaded", 0, 9)])
    assert [(one.slice, one.cell, one.floor_violated) for one in found if one.phase == "loaded"
            ] == [(INTERNET, "a", False), (INTERNET, "b", None), (third, "a", True),
                  (LLM, "", None)]
    assert together(found, (INTERNET, third), "loaded", "down_mbps") == 3.0
    assert together(found, (INTERNET, third), "loaded", "down_delay_ms") == 200
    assert together(found, (LLM,), "loaded", "down_mbps") is None  # nobody reported it
