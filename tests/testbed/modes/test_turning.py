"""Between which measured rates an answer turns, and what intervals leave open."""

from __future__ import annotations

import pytest

from testbed.experiments.statistics import Estimate
from testbed.experiments.verdicts import Outcome
from testbed.modes.turning import sure, turning, where_it_turns

BOUND = 0.85


def at(value: float, half: float | None = 0.01) -> Estimate:
    return Estimate(value, None if half is None else value - half,
                    None if half is None else value + half, 1 if half is None else 3, "t")


@pytest.mark.parametrize(("points", "outcome", "said"), [
    ([(1, at(0.5)), (100, at(1.0))], Outcome.SAID, "between the measured rates 1 and 100 Mbit/s"),
    ([(1, at(0.5)), (100, at(0.6))], Outcome.SAID, "saves that at every rate that was measured, 1"),
    ([(1, at(0.9)), (100, at(1.0))], Outcome.SAID, "does not save that at every rate"),
    ([(1, at(0.5)), (10, at(1.0)), (100, at(0.5))], Outcome.UNSURE, "more than once"),
    ([(1, at(0.5)), (10, at(0.84, 0.2)), (100, at(1.0))], Outcome.SAID,
     "between the measured rates 1 and 100 Mbit/s"),
    ([(1, at(0.5)), (10, at(0.84, 0.2)), (100, at(1.0))], Outcome.SAID,
     "at 10 Mbit/s its interval leaves that open"),
    ([(1, at(0.5)), (5, at(0.6)), (10, at(0.9, 0.2))], Outcome.SAID, "saves that at 1, 5 Mbit/s;"),
    ([(1, at(0.8, 0.1)), (10, at(0.9, 0.2))], Outcome.UNSURE, "at no rate that was measured"),
    ([(1, at(0.5)), (10, at(0.9, None)), (100, at(1.0))], Outcome.SAID, "at 10 Mbit/s"),
    ([(1, at(0.1, None)), (10, at(0.9, None))], Outcome.ONE_PAIR, "has no interval")])
def test_where_it_turns(points: list[tuple[float, Estimate]], outcome: Outcome, said: str) -> None:
    found, text = where_it_turns(points, BOUND)
    assert found is outcome
    assert said in text


def test_the_line_is_over_the_logarithm_and_said_to_be_one() -> None:
    text = where_it_turns([(1, at(0.35)), (100, at(1.35))], BOUND)[1]
    assert text.endswith("on a straight line at about 10")


def test_means_that_cross_twice_between_sure_rates_have_no_line() -> None:
    points = [(1.0, at(0.5)), (2.0, at(0.9, 0.1)), (3.0, at(0.8, 0.1)), (4.0, at(1.0))]
    text = where_it_turns(points, BOUND)[1]
    assert "between the measured rates 1 and 4 Mbit/s; at 2, 3 Mbit/s" in text


@pytest.mark.parametrize(("one", "yes"), [
    (at(0.84), True), (at(0.85, 0.0), True), (at(0.86, 0.005), False), (at(0.85), None),
    (at(0.1, None), None)])
def test_sure_is_what_the_interval_says(one: Estimate, yes: bool | None) -> None:
    assert sure(one, BOUND) is yes


def test_fewer_than_two_rates_turn_nowhere() -> None:
    assert turning("it turns", [(1.0, None), (2.0, None)], BOUND).outcome is Outcome.OPEN
