"""What benchmarks share: a contender that fails costs nobody else, and nothing unmeasured is 0."""

from __future__ import annotations

import argparse
import sys

import pytest

from tests.benchmarks import report
from tests.benchmarks.report import Figures, Measured, WorkerFailed

OPTIONS = argparse.Namespace(rounds=2, wait=0.0, hold=None)


def script(text: str) -> list[str]:
    return [sys.executable, "-c", text]


def test_medians_are_of_rounds_and_missing_stays_missing() -> None:
    one = Measured([{"ms": [1.0, 2.0, 9.0]}, {"ms": [4.0]}, {}])
    assert one.middle("ms") == 3.0
    assert one.quantile("ms", 0.95) == 9.0
    assert one.middle("other") is None
    assert one.quantile("other", 0.5) is None
    assert report.ratio(None, 2.0) is None
    assert report.ratio(3.0, None) is None


def test_a_contender_that_fails_keeps_its_reason_and_the_others_go_on() -> None:
    def broken() -> Figures:
        raise WorkerFailed("no such thing")

    measured = report.round_robin({"broken": broken, "good": lambda: {"ms": 1.0}}, OPTIONS)
    assert measured["broken"].reason == "no such thing"
    assert measured["broken"].middle("ms") is None
    assert len(measured["good"].rounds) == 2


def test_a_worker_returns_its_last_line_and_runs_with_pinned_threads() -> None:
    text = "import os; print('chatter'); print('{\"n\": ' + os.environ['OMP_NUM_THREADS'] + '}')"
    figures = report.run_worker(script(text), threads=3, timeout=30)
    assert figures["n"] == 3
    assert figures["others_busy"] >= 0


@pytest.mark.parametrize(("text", "reason"), [
    ("raise SystemExit('it broke')", "it broke"),
    ("print('{\"reason\": \"not here\"}')", "not here"),
    ("import time; time.sleep(30)", "took more than 1 s"),
])
def test_a_worker_without_figures_says_why(text: str, reason: str) -> None:
    with pytest.raises(WorkerFailed, match=reason):
        report.run_worker(script(text), threads=1, timeout=1 if "sleep" in text else 30)


def test_readiness_is_a_line_not_a_pause() -> None:
    process = report.start(script("print('ready on 7', flush=True); input()"), threads=1)
    try:
        assert report.wait_for_line(process, "ready", 30).split()[-1] == "7"
    finally:
        report.stop(process)
    failing = report.start(script("raise SystemExit('port in use')"), threads=1)
    try:
        with pytest.raises(WorkerFailed, match="port in use"):
            report.wait_for_line(failing, "ready", 30)
    finally:
        report.stop(failing)
