"""How a slice fared before: reports under load alone, each once, until something was set."""

from __future__ import annotations

from tests.xapp.policy_networks import CELL, LLM, WEB, cell, network, slice_
from xapp.decisions import Metric
from xapp.held_before import Before, fared
from xapp.histories import Histories
from xapp.observations import CellKey


def kept(*moments: tuple[float, float, float, float]) -> Histories:
    """At each: the cell's use, how long the slice and the others wait, what these use."""
    histories = Histories()
    for second, (use, own, other, used) in enumerate(moments):
        histories.take(network([
            cell(slice_(LLM, at=second, up_delay_ms=own),
                 slice_(WEB, at=second, up_delay_ms=other, up_prbs=used), at=second, up_prbs=use),
            cell(slice_(LLM, at=second, up_delay_ms=1.0), key=CellKey("gnb", "2"), at=second,
                 up_prbs=99.0)], now=float(second)))
    return histories


def test_only_what_was_under_load_and_before_counts() -> None:
    histories = kept((99, 50, 60, 98), (40, 5, 6, 30), (97, 70, 80, 96), (99, 9, 90, 70))
    before = fared(histories, CELL, LLM, since=2.5)
    assert before.waits == {Metric.UP_DELAY_MS: [(50, 60), (70, 80)], Metric.DOWN_DELAY_MS: []}
    assert before.others == {Metric.UP_PRBS: [98, 96], Metric.DOWN_PRBS: []}


def test_a_report_that_stands_for_several_moments_counts_once() -> None:
    histories = Histories()
    for second in (0.0, 1.0, 2.0):
        histories.take(network([cell(
            slice_(LLM, at=0.0, up_delay_ms=50), slice_(WEB, at=0.0, up_delay_ms=60, up_prbs=98),
            at=0.0, up_prbs=99)], now=second))
    before = fared(histories, CELL, LLM, since=2.5)
    assert before.waits[Metric.UP_DELAY_MS] == [(50, 60)]
    assert before.others[Metric.UP_PRBS] == [98]


def test_of_what_is_longer_ago_and_of_nothing_nothing_is_known() -> None:
    histories = kept((99, 50, 60, 98))
    empty = Before({Metric.UP_DELAY_MS: [], Metric.DOWN_DELAY_MS: []},
                   {Metric.UP_PRBS: [], Metric.DOWN_PRBS: []})
    assert fared(histories, CELL, LLM, since=100.0) == empty
    assert fared(Histories(), CELL, LLM, since=1.0) == empty
