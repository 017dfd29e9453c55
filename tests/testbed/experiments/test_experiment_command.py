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
