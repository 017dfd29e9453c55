"""Trials are run once each; what fails is a row, what is stopped is none, and it goes on."""

from __future__ import annotations

import errno
import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from testbed.errors import LinkFailure
from testbed.experiments.design import Trial, trials_of
from testbed.experiments.errors import BadResults, RunFailed
from testbed.experiments.kind import Figures
from testbed.experiments.machine import Machine
from testbed.experiments.results import Results, Row
from testbed.experiments.runner import (
    MOST_IN_A_ROW,
    Ran,
    RunTrial,
    Surroundings,
    no_room,
    run_trials,
    waiting,
)
from tests.testbed.experiments.scenes import document, small

MACHINE = Machine("one", 2, 4.0, "Linux", "3.11", "abc", False)


class Quiet:
    def __init__(self) -> None:
        self.begun: list[str] = []
        self.rows: list[Row] = []

    def begins(self, trial: Trial, number: int, of: int) -> None:
        self.begun.append(trial.name)

    def ended(self, row: Row) -> None:
        self.rows.append(row)


class Clock:
    """A second later each time that somebody looks."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


class Stand:
    """A trial that takes no time; some fail."""

    def __init__(self, failing: tuple[int, ...] = (), stop_at: int | None = None) -> None:
        self.calls: list[tuple[Mapping[str, Any], int]] = []
        self.failing, self.stop_at = failing, stop_at

    def __call__(self, settings: Mapping[str, Any], seed: int, folder: Path) -> Figures:
        self.calls.append((settings, seed))
        (folder / "log.txt").write_text("what it did")
        number = len(self.calls) - 1
        if number == self.stop_at:
            raise KeyboardInterrupt
        if number in self.failing:
            raise LinkFailure("no device", "make one")
        return {"p95_ms": float(number), "p50_ms": None, "p99_ms": math.nan,
                "floor_violated": False}


def go(results: Results, stand: Stand, seconds: float = math.inf, again: bool = False,
       repetitions: int = 2) -> tuple[Ran, Quiet]:
    scenario = small(repetitions=repetitions)
    results.begin(scenario, document(repetitions=repetitions))
    watch = Quiet()
    trials = waiting(trials_of(scenario), results.rows(), again)
    world = Surroundings(MACHINE, Clock(), lambda: 1e9, lambda: 0.5)
    return run_trials(trials, lambda trial: scenario.settings_of(trial.levels), stand, results,
                      watch, world, seconds), watch


def test_every_trial_leaves_a_row_and_its_files(tmp_path: Path) -> None:
    results, stand = Results(tmp_path / "out"), Stand()
    ran, watch = go(results, stand)
    assert ran == Ran(8, 0, 0)
    rows = results.rows()
    assert len(rows) == len(watch.rows) == 8
    assert all((results.folder / "trials" / row.trial / "log.txt").exists() for row in rows)
    one = rows[0]
    assert one.machine["commit"] == "abc"
    assert one.load_before == 0.5
    assert one.figures["p50_ms"] is None
    assert one.figures["p99_ms"] is None  # what is no number was not measured
    assert one.settings["crowd"] == 3
    assert {seed for _, seed in stand.calls} == {5, 6}


def test_a_failed_trial_is_a_row_without_figures(tmp_path: Path) -> None:
    results = Results(tmp_path)
    ran, _ = go(results, Stand(failing=(2,)))
    assert (ran.done, ran.failed) == (7, 1)
    failed = [row for row in results.rows() if not row.done]
    assert len(failed) == 1
    assert failed[0].figures == {}
    assert failed[0].error is not None
    assert "no device" in failed[0].error
    stand = Stand()
    go(results, stand)
    assert stand.calls == []
    go(results, stand, again=True)
    assert len(stand.calls) == 1
    assert all(row.done for row in results.rows())


def test_what_was_stopped_goes_on(tmp_path: Path) -> None:
    results = Results(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        go(results, Stand(stop_at=3))
    assert len(results.rows()) == 3
    stand = Stand()
    ran, watch = go(results, stand)
    assert ran.done == 5
    assert len(set(watch.begun)) == 5
    assert len(results.rows()) == 8


def test_time_that_is_up_begins_no_trial(tmp_path: Path) -> None:
    ran, _ = go(Results(tmp_path), Stand(), seconds=6.0)
    assert 0 < ran.done < 8
    assert ran.left == 8 - ran.done


def test_failures_in_a_row_end_the_run(tmp_path: Path) -> None:
    results = Results(tmp_path)
    with pytest.raises(RunFailed, match="no device"):
        go(results, Stand(failing=tuple(range(100))))
    assert len(results.rows()) == MOST_IN_A_ROW


def full(settings: Mapping[str, Any], seed: int, folder: Path) -> Figures:
    (folder / "error.txt").symlink_to("/dev/full")
    raise OSError(errno.ENOSPC, "No space left on device", "capture.pcap")


def wrapped(settings: Mapping[str, Any], seed: int, folder: Path) -> Figures:
    try:
        return full(settings, seed, folder)
    except OSError as error:
        raise LinkFailure("the capture cannot be written", "give another folder") from error


@pytest.mark.parametrize("trial", [full, wrapped])
def test_a_full_disk_ends_the_run_and_the_same_command_goes_on(tmp_path: Path, trial: RunTrial,
                                                               ) -> None:
    results, scenario = Results(tmp_path), small()
    world = Surroundings(MACHINE, Clock(), lambda: 1e9, lambda: 0.5)
    with pytest.raises(RunFailed) as caught:
        run_trials(trials_of(scenario), lambda trial: {}, trial, results, Quiet(), world)
    assert "no room" in caught.value.problem
    assert "capture" in caught.value.problem
    assert "another folder" not in caught.value.problem
    assert "Make room" in caught.value.remedy
    assert "same command" in caught.value.remedy
    assert results.rows() == []  # so the trial is run again
    ran, _ = go(results, Stand())
    assert ran.done == 8


def test_a_row_or_folder_that_cannot_be_written_ends_the_run(tmp_path: Path) -> None:
    def trial(settings: Mapping[str, Any], seed: int, folder: Path) -> Figures:
        (folder / "row.json.part").symlink_to("/dev/full")
        return {"p95_ms": 1.0}

    results, trials = Results(tmp_path), trials_of(small())
    world = Surroundings(MACHINE, Clock(), lambda: 1e9, lambda: 0.5)
    for problem in (r"row\.json cannot be written: No space", "cannot be written: Not a directory"):
        with pytest.raises(RunFailed, match=problem) as caught:
            run_trials(trials, lambda trial: {}, trial, results, Quiet(), world)
        assert "same command" in caught.value.remedy
        shutil.rmtree(tmp_path / "trials", ignore_errors=True)
        (tmp_path / "trials").write_text("no folder")


def test_a_program_that_ended_of_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                             ) -> None:
    usage = shutil.disk_usage(tmp_path)
    assert not no_room(LinkFailure("cell ended", ""), tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage._replace(free=4096))
    assert no_room(LinkFailure("cell ended", ""), tmp_path)


def test_an_error_that_cannot_be_kept_is_told_all_the_same(tmp_path: Path) -> None:
    def fails(settings: Mapping[str, Any], seed: int, folder: Path) -> Figures:
        (folder / "error.txt").symlink_to("/dev/full")
        raise LinkFailure("no device", "make one")

    results = Results(tmp_path)
    world = Surroundings(MACHINE, Clock(), lambda: 1e9, lambda: 0.5)
    run_trials(trials_of(small())[:1], lambda trial: {}, fails, results, Quiet(), world)
    assert "no device" in str(results.rows()[0].error)


def test_a_bug_is_no_failed_trial(tmp_path: Path) -> None:
    def broken(settings: Mapping[str, Any], seed: int, folder: Path) -> Figures:
        raise ZeroDivisionError

    results = Results(tmp_path)
    scenario = small()
    world = Surroundings(MACHINE, Clock(), lambda: 1e9, lambda: 0.5)
    with pytest.raises(ZeroDivisionError):
        run_trials(trials_of(scenario), lambda trial: {}, broken, results, Quiet(), world)
    assert results.rows() == []


def test_a_folder_is_of_one_scenario(tmp_path: Path) -> None:
    results = Results(tmp_path)
    results.begin(small(), document())
    results.begin(small(repetitions=9), document(repetitions=9))  # more of the same
    assert results.scenario().repetitions == 9
    with pytest.raises(BadResults, match="another scenario"):
        results.begin(small(seed=6), document(seed=6))
    with results.locked(), pytest.raises(BadResults, match="Another run"), \
            Results(tmp_path).locked():
        pass
