"""Rings of points: one a second, so many and no more."""

from __future__ import annotations

import pytest

from tests.xapp.policy_networks import CELL, LLM, cell, network, slice_
from xapp import histories
from xapp.histories import Histories
from xapp.observations import CellKey, Quota


def test_one_point_a_second_of_each() -> None:
    kept = Histories()
    for tenth in range(35):
        kept.take(network([cell(slice_(LLM, Quota(tenth)))], now=tenth / 10))
    assert kept.subjects() == ((CELL, None), (CELL, LLM))
    assert [point.at for point in kept.of((CELL, None))] == [0, 1, 2, 3]
    assert [point.quota for point in kept.of((CELL, LLM), since=2)] == [Quota(20), Quota(30)]
    assert kept.of((CellKey("no", "1"), None)) == ()


def test_rings_and_subjects_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(histories, "POINTS", 3)
    monkeypatch.setattr(histories, "MOST", 4)
    kept = Histories()
    for second in range(10):
        kept.take(network([cell(key=CellKey("gnb", str(second)))], now=float(second)))
        kept.take(network([cell(key=CELL)], now=second + 0.5))
    assert len(kept.subjects()) == 4
    for second in range(10, 20):
        kept.take(network([cell(key=CELL)], now=float(second)))
    assert [point.at for point in kept.of((CELL, None))] == [17, 18, 19]


def test_a_clock_that_jumps_back_stops_nothing() -> None:
    kept = Histories()
    for now in (100.0, 5.0, 6.0):
        kept.take(network([cell()], now=now))
    assert len(kept.of((CELL, None))) == 3
