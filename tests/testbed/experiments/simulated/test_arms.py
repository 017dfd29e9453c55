"""The control arms in simulated time: trials are run, and the report tells them apart."""

from __future__ import annotations

import dataclasses

import pytest

from testbed.experiments.design import trials_of
from testbed.experiments.errors import BadScenario
from testbed.experiments.machine import Machine
from testbed.experiments.report import report_of
from testbed.experiments.results import Results, Row
from testbed.experiments.runner import Surroundings, run_trials
from testbed.experiments.scenario import find, load
from testbed.experiments.simulated.simulated_kind import SIMULATED
from testbed.experiments.verdicts import Outcome, Verdict

SCENARIO = dataclasses.replace(load(find("controls-simulated")), repetitions=3)
ARMS = ("shuffled_labels", "wrong_slice", "dry_run")


class Nobody:
    """Is told how it goes."""

    def begins(self, *of: object) -> None: ...

    def ended(self, row: Row) -> None: ...


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    results = Results(tmp_path_factory.mktemp("arms"))
    here = Surroundings(Machine("", 1, None, "", "", None, None), lambda: 0.0, lambda: 0.0,
                        lambda: 0.0)
    run_trials(trials_of(SCENARIO), lambda trial: SCENARIO.settings_of(trial.levels),
               lambda settings, seed, folder: SIMULATED.run(settings, seed, folder,
                                                            lambda text: None),
               results, Nobody(), here)
    return results.rows()


def judged(rows: list[Row]) -> dict[str, Verdict]:
    return {one.says: one for one in report_of(SCENARIO, rows, SIMULATED.columns).controls}


def test_trials_that_were_run_are_told_apart(rows: list[Row]) -> None:
    assert len(rows) == 15
    assert all(row.done for row in rows), [row.error for row in rows]
    found = judged(rows)
    assert found["arm true against none"].outcome is Outcome.GAINS, found
    for arm in ARMS:
        assert found[f"arm {arm} against none"].outcome is Outcome.NO_GAIN, found
        assert found[f"arm true against the control {arm}"].outcome is Outcome.GAINS, found
    assert list(found.values())[-1].outcome is Outcome.APART, found


@pytest.mark.parametrize("arm", ARMS)
def test_they_are_not_where_a_control_does_as_the_true_arm_did(rows: list[Row], arm: str) -> None:
    true = {row.seed: row.figures for row in rows if row.levels["arm"] == "true"}
    found = judged([dataclasses.replace(row, figures=true[row.seed])
                    if row.levels["arm"] == arm else row for row in rows])
    assert list(found.values())[-1].outcome is Outcome.NOT_APART


@pytest.mark.parametrize(("arm", "decides", "acts"), [
    ("true", True, True), ("dry_run", True, False), ("shuffled_labels", False, False),
    ("none", True, False)])
def test_arms_are_what_they_are_called(rows: list[Row], arm: str, decides: bool,
                                       acts: bool) -> None:
    for row in rows:
        if row.levels["arm"] == arm:
            assert (row.figures["decisions"] != 0) is decides
            assert (row.figures["guarantee"] != 0) is acts


def test_told_of_the_wrong_slice_the_xapp_raises_that_one(rows: list[Row]) -> None:
    """The model's has no more than what every slice keeps that no policy names."""
    assert {row.figures["guarantee"] for row in rows if row.levels["arm"] == "wrong_slice"} == {5}


def test_an_arm_that_is_none_is_refused() -> None:
    with pytest.raises(BadScenario, match="arm"):
        SIMULATED.check({"arm": "left"})
