"""Verdicts on given rows: targets met, missed and open; control arms told from the true one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from testbed.experiments.kind import Column
from testbed.experiments.results import Row
from testbed.experiments.scenario import Controls, Target
from testbed.experiments.statistics import Estimate
from testbed.experiments.verdicts import Outcome, judge_controls, judge_target, said_ratio
from tests.testbed.experiments.scenes import row, rows_of, small

P95 = Column("p95_ms", "p95", "ms")
CALM = {"steering": "xapp", "load": "none"}
FULL = {"steering": "xapp", "load": "saturation"}
CONTROLS = Controls("arm", "none", "true", ("shuffled_labels", "wrong_slice", "dry_run"), "p95_ms")


def judged(full: list[float], **said: Any) -> tuple[Outcome, str]:
    rows = rows_of(small(), {
        ("none", "none"): [40.0] * 4, ("xapp", "none"): [40.0, 42.0, 38.0, 40.0],
        ("none", "saturation"): [120.0] * 4, ("xapp", "saturation"): full})
    found = judge_target(Target("x", "p95_ms", FULL, **said), rows, P95)
    return found.outcome, found.why


def test_a_ratio_is_judged_by_pairs() -> None:
    outcome, why = judged([48.0, 50.0, 46.0, 48.0], over=CALM, most=1.3)
    assert outcome is Outcome.MEETS
    assert why.startswith("1.20 (1.")
    assert judged([80.0, 84.0, 76.0, 80.0], over=CALM, most=1.3)[0] is Outcome.MISSES
    assert judged([80.0, 84.0, 76.0, 80.0], over=CALM, least=1.9)[0] is Outcome.MEETS


def test_what_the_interval_leaves_open_is_said() -> None:
    assert "leaves that open" in judged([40.0, 70.0, 35.0, 55.0], over=CALM, most=1.3)[1]
    for bound in ({"most": 48.0}, {"least": 48.0}):  # all of the interval is at the bound itself
        outcome, why = judged([48.0] * 4, **bound)
        assert outcome is Outcome.MEETS
        assert "leaves that open" not in why


@pytest.mark.parametrize(("value", "low", "high", "text"), [
    (1.284, 1.191, 1.372, "1.28 (1.19 to 1.37)"), (0.0018, 0.0017, 0.0019,
                                                   "0.0018 (0.0017 to 0.0019)"),
    (0.034, None, None, "0.034"), (0.06, None, None, "0.06"), (0.0, None, None, "0.00")])
def test_a_small_ratio_is_not_said_to_be_0(value: float, low: float | None, high: float | None,
                                           text: str) -> None:
    assert said_ratio(Estimate(value, low, high, 5, "t")) == text


def test_a_mean_is_judged_and_trials_that_miss_it_are_counted() -> None:
    outcome, why = judged([40.0, 70.0, 35.0, 55.0], most=60)
    assert outcome is Outcome.MEETS
    assert "1 of 4 trials alone miss it" in why


def test_what_was_not_measured_is_neither_met_nor_missed() -> None:
    rows = [row(f"t{number}", number, FULL, None) for number in range(3)]
    assert judge_target(Target("x", "p95_ms", FULL, most=1.0), rows, P95).outcome is Outcome.OPEN
    assert judge_target(Target("x", "p95_ms", FULL, CALM, most=1.0), rows,
                        P95).outcome is Outcome.OPEN
    assert judge_target(Target("x", "floor_violated", never=True), rows, P95).outcome is (
        Outcome.OPEN)


def test_one_violation_is_one_too_many() -> None:
    target = Target("x", "floor_violated", {"load": "saturation"}, never=True)
    fine = rows_of(small(), dict.fromkeys(
        [(a, b) for a in ("none", "xapp") for b in ("none", "saturation")], [1.0] * 4),
        floor_violated=False)
    assert judge_target(target, fine, P95).outcome is Outcome.MEETS
    fine[-1] = row("last", 3, FULL, {"floor_violated": True})
    assert judge_target(target, fine, P95).outcome is Outcome.MISSES


def labelled(*seconds: float | None, load: str = "saturation") -> list[Row]:
    """As trials in which the flow was called right after so long, or never."""
    return [row(f"{load}{number}", number, {"steering": "xapp", "load": load},
                {"p95_ms": one, "right": one is not None})
            for number, one in enumerate(seconds)]


def test_trials_without_the_figure_count_against_the_target() -> None:
    target = Target("x", "p95_ms", most=2.0)
    found = judge_target(target, labelled(0.1, None, None, None), P95)
    assert found.outcome is Outcome.MISSES
    assert found.why.startswith("0.10 ms, of 1; ")
    assert "trials without it, where others of their levels have it: 3" in found.why
    found = judge_target(target, labelled(0.1, 0.1, 0.2, 0.2), P95)
    assert found.outcome is Outcome.MEETS
    assert "without" not in found.why
    assert judge_target(Target("x", "p95_ms", least=0.05), labelled(0.1, None),
                        P95).outcome is Outcome.MISSES


def test_levels_that_have_no_such_figure_are_left_out_and_said() -> None:
    rows = [*labelled(0.1, 0.2), *labelled(None, None, load="none")]
    found = judge_target(Target("x", "p95_ms", most=2.0), rows, P95)
    assert found.outcome is Outcome.MEETS
    assert "combinations of levels in which no trial has it: 1, left out" in found.why
    failed = row("failed", 9, FULL, None)  # it is counted elsewhere
    assert judge_target(Target("x", "p95_ms", most=2.0), [*rows, failed],
                        P95).outcome is Outcome.MEETS


def test_a_pair_that_lacks_one_side_counts_against_a_ratio() -> None:
    def ratio(*full: float | None) -> tuple[Outcome, str]:
        rows = [*labelled(40.0, 40.0, 40.0, load="none"), *labelled(*full)]
        found = judge_target(Target("x", "p95_ms", FULL, CALM, most=1.3), rows, P95)
        return found.outcome, found.why

    assert ratio(48.0, 49.0, 48.0)[0] is Outcome.MEETS
    outcome, why = ratio(48.0, 49.0, None)
    assert outcome is Outcome.MISSES
    assert "of 2;" in why
    assert "trials without it, where others of their levels have it: 1" in why
    rows = [*labelled(40.0, None, load="none"), *labelled(48.0, 48.0)]  # the base's side
    assert judge_target(Target("x", "p95_ms", FULL, CALM, most=1.3), rows,
                        P95).outcome is Outcome.MISSES


def test_always_is_in_every_trial_in_which_it_could_be() -> None:
    target = Target("x", "right", always=True)
    assert judge_target(target, labelled(0.1, 0.2), P95).outcome is Outcome.MEETS
    found = judge_target(target, labelled(0.1, None, 0.2), P95)
    assert (found.outcome, found.why) == (Outcome.MISSES,
                                          "in 2 of 3 trials in which it could be")
    nothing = [row("x", 0, FULL, {"right": None})]
    assert judge_target(target, nothing, P95).outcome is Outcome.OPEN
    assert judge_target(target, [*labelled(0.1), *nothing], P95).outcome is Outcome.MEETS


def arms(**factors: float) -> list[Row]:
    """Six repetitions of each arm, as much worse or better than nobody's steering, and noise."""
    chance = np.random.default_rng(3)
    return [row(f"{arm}{number}", number, {"arm": arm}, {
        "p95_ms": 120.0 * factor * float(chance.normal(1, 0.04))})
        for number in range(6) for arm, factor in (("none", 1.0), *factors.items())]


def outcomes(rows: list[Row]) -> dict[str, Outcome]:
    return {one.says: one.outcome for one in judge_controls(CONTROLS, rows)}


def test_controls_are_told_from_the_true_arm() -> None:
    found = outcomes(arms(true=0.42, shuffled_labels=1.0, wrong_slice=1.02, dry_run=0.99))
    assert found["arm true against none"] is Outcome.GAINS
    for arm in CONTROLS.arms:
        assert found[f"arm {arm} against none"] is Outcome.NO_GAIN
        assert found[f"arm true against the control {arm}"] is Outcome.GAINS
    assert list(found.values())[-1] is Outcome.APART


@pytest.mark.parametrize("factors", [
    {"true": 0.42, "shuffled_labels": 0.45, "wrong_slice": 1.0, "dry_run": 1.0},  # a control gains
    {"true": 1.0, "shuffled_labels": 1.0, "wrong_slice": 1.0, "dry_run": 1.0},  # nobody does
    {"true": 1.6, "shuffled_labels": 1.0, "wrong_slice": 1.0, "dry_run": 1.0},  # it harms
    {"true": 0.42, "shuffled_labels": 0.83, "wrong_slice": 1.0, "dry_run": 1.0},  # half a gain
])
def test_what_is_not_apart_is_said_to_be_so(factors: dict[str, float]) -> None:
    assert list(outcomes(arms(**factors)).values())[-1] is Outcome.NOT_APART


def test_without_pairs_controls_stay_open() -> None:
    found = outcomes([one for one in arms(true=0.4, shuffled_labels=1, wrong_slice=1, dry_run=1)
                      if one.repetition == 0 or one.levels["arm"] != "dry_run"])
    assert found["arm dry_run against none"] is Outcome.OPEN
    assert list(found.values())[-1] is Outcome.OPEN
