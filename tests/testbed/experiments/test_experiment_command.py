"""The command from end to end, with trials of simulated time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from testbed.cli import main
from testbed.errors import LinkFailure
from testbed.experiments.kind import Figures
from testbed.experiments.results import Results
from testbed.experiments.simulated.simulated_kind import Simulated
from tests.testbed.experiments.scenes import document, small
from tests.testbed.experiments.test_report import rows

SCENARIO = """
name: tiny
kind: simulated
title: Is it there?
settings: {cells: 1, ues: 6, llm_users: 1, load: 2.0, off_seconds: 0, bandwidth_mhz: 5,
           calm_seconds: 2, settle_seconds: 4, seconds: 3, threads: 1}
factors: {steering: [none, xapp]}
repetitions: 2
compare: [{factor: steering, base: none, columns: [p95_ms]}]
targets: [{says: it is fast, column: times_real_time, least: 0.001}]
"""


@pytest.fixture
def scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    file = tmp_path / "tiny.yaml"
    file.write_text(SCENARIO)
    return file


def test_run_list_report_and_compare(scenario: Path, tmp_path: Path,
                                     capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["experiment", "run", str(scenario), "--plan"]) == 0
    assert len(capsys.readouterr().out.split()) == 4
    assert main(["experiment", "run", str(scenario), "--limit", "3"]) == 0
    captured = capsys.readouterr()
    assert "3 done" in captured.err
    assert "Is it there?" in captured.out
    assert main(["experiment", "run", str(scenario)]) == 0
    assert "1 of them to run now" in capsys.readouterr().err
    rows = pq.read_table(tmp_path / "experiments/tiny/rows.parquet").to_pylist()
    assert len(rows) == 4
    assert all(one["status"] == "done" and one["p95_ms"] > 0 for one in rows)
    assert main(["experiment", "list"]) == 0
    assert "steering-pays" in capsys.readouterr().out
    assert main(["experiment", "report", "experiments/tiny", "--out", "told"]) == 0
    assert "meets" in capsys.readouterr().out
    assert (tmp_path / "told/report.html").exists()
    assert main(["experiment", "compare", "experiments/tiny", "experiments/tiny",
                 "--columns", "p95_ms", "--out", "told"]) == 0
    assert "1.00 (1.00 to 1.00) x" in capsys.readouterr().out


def test_what_cannot_be_is_one_line(scenario: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenario.write_text(SCENARIO.replace("cells: 1", "cells: 0"))
    assert main(["experiment", "run", str(scenario)]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "0 cells" in said
    assert main(["experiment", "report", "nowhere"]) == 1
    assert "no results" in capsys.readouterr().err
    assert main(["experiment", "run", "dream"]) == 1
    assert "steering-pays" in capsys.readouterr().err


@pytest.fixture
def results(scenario: Path, tmp_path: Path) -> Results:
    """Of trials that nobody has to run."""
    found = Results(tmp_path / "experiments/small")
    targets = [{"says": "it is quick", "column": "p95_ms", "most": 60}]
    found.begin(small(targets=targets), document(targets=targets))
    for one in rows():
        found.new_folder(one.trial)
        found.put(one)
    return found


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports without pictures, which take long to draw."""
    monkeypatch.setattr("testbed.experiments.report_files.pictures", lambda report: [])


@pytest.fixture
def unwarmed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is compiled for trials that are not run."""
    monkeypatch.setattr(Simulated, "prepare", lambda self: None)


def test_a_report_that_cannot_be_written_is_one_line(
        results: Results, undrawn: None, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["report", str(results.folder)],
                    ["compare", str(results.folder), str(results.folder)]):
        for place in ("/proc/x", "tiny.yaml", "tiny.yaml/below"):
            assert main(["experiment", *command, "--out", place]) == 1
            said = capsys.readouterr().err
            assert said.count("\n") == 1
            assert f"{place} cannot be written: " in said
            assert "--out" in said


@pytest.mark.parametrize(("command", "file"), [
    ("report", "report.html"), ("report", "report.png"), ("report", "summary.parquet"),
    ("report", "contrasts.parquet"), ("compare", "comparison.html"),
    ("compare", "comparison.parquet")])
def test_a_full_disk_under_a_report_is_one_line(
        results: Results, tmp_path: Path, command: str, file: str,
        monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    if file != "report.png":
        monkeypatch.setattr("testbed.experiments.report_files.pictures", lambda report: [])
    out = tmp_path / "told"
    out.mkdir()
    (out / f"{file}.part").symlink_to("/dev/full")
    folders = [str(results.folder)] * (2 if command == "compare" else 1)
    assert main(["experiment", command, *folders, "--out", str(out)]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"{file} cannot be written: No space left on device. Free some space" in said
    assert not (out / file).exists()


def test_a_report_makes_the_table_of_a_run_that_was_killed(
        results: Results, undrawn: None, capsys: pytest.CaptureFixture[str]) -> None:
    table = results.folder / "rows.parquet"
    assert main(["experiment", "report", str(results.folder)]) == 0
    assert "All rows are in" in capsys.readouterr().out
    assert len(pq.read_table(table)) == 16
    os.utime(table, (2e9, 2e9))
    assert main(["experiment", "report", str(results.folder)]) == 0
    assert "All rows are in" not in capsys.readouterr().out
    table.unlink()
    table.with_name("rows.parquet.part").symlink_to("/dev/full")
    assert main(["experiment", "report", str(results.folder)]) == 0
    assert "No space left" in capsys.readouterr().err


def test_rows_are_a_table_however_a_run_ends(scenario: Path, tmp_path: Path, unwarmed: None,
                                             monkeypatch: pytest.MonkeyPatch,
                                             capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "experiments/tiny/rows.parquet"
    errors = [LinkFailure("no device", "make one"), KeyboardInterrupt(), ZeroDivisionError()]

    def run(*arguments: object) -> Figures:
        raise errors[0]

    monkeypatch.setattr(Simulated, "run", run)
    command = ["experiment", "run", str(scenario), "--repetitions", "9"]
    assert main(command) == 1
    assert "The last 5 trials failed" in capsys.readouterr().err
    assert len(pq.read_table(table)) == 5
    table.unlink()
    errors.pop(0)
    assert main(command) == 130
    assert len(pq.read_table(table)) == 5
    table.unlink()
    errors.pop(0)
    with pytest.raises(ZeroDivisionError):
        main(command)
    assert len(pq.read_table(table)) == 5


def test_fewer_repetitions_are_told(scenario: Path, tmp_path: Path, undrawn: None, unwarmed: None,
                                    monkeypatch: pytest.MonkeyPatch,
                                    capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(Simulated, "run", lambda *arguments: {"p95_ms": 40.0})
    assert main(["experiment", "run", str(scenario)]) == 0
    assert "4 done" in capsys.readouterr().err
    assert main(["experiment", "run", str(scenario), "--repetitions", "1"]) == 0
    assert "has rows of 2 repetitions; they stay" in capsys.readouterr().err
    assert main(["experiment", "report", "experiments/tiny"]) == 0
    assert "have not been run" not in capsys.readouterr().out
    assert Results(tmp_path / "experiments/tiny").scenario().repetitions == 2


@pytest.mark.parametrize(("option", "value", "said"), [
    ("--limit", "-1", "'-1' is not a number of 1 or more"), ("--limit", "0", "1 or more"),
    ("--limit", "x", "'x' is not a number"), ("--repetitions", "0", "1 or more"),
    ("--minutes", "-5", "'-5' is not a number of minutes above 0"), ("--minutes", "0", "above 0"),
    ("--minutes", "nan", "above 0"), ("--minutes", "inf", "above 0"),
    ("--minutes", "soon", "'soon' is not")])
def test_counts_and_times_are_above_nothing(scenario: Path, option: str, value: str, said: str,
                                            capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["experiment", "run", str(scenario), f"{option}={value}"])
    assert said in capsys.readouterr().err
    assert not Path("experiments").exists()


def test_a_signal_loses_no_trial_and_the_same_command_goes_on(scenario: Path,
                                                              tmp_path: Path) -> None:
    scenario.write_text(SCENARIO.replace("repetitions: 2", "repetitions: 40"))
    command = [sys.executable, "-m", "testbed.cli", "experiment", "run", str(scenario)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          env=environment) as process:
        trials = tmp_path / "experiments/tiny/trials"
        deadline = time.monotonic() + 200
        while not list(trials.glob("*/row.json")) and time.monotonic() < deadline:
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "the same command goes on" in said
    done = len(list(trials.glob("*/row.json")))
    assert done >= 1
    assert len(pq.read_table(tmp_path / "experiments/tiny/rows.parquet")) == done
    assert main(["experiment", "run", str(scenario), "--limit", "1"]) == 0
    assert len(list(trials.glob("*/row.json"))) == done + 1
