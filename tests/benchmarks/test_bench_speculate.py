"""Verdicts on guessing are of the worst link, and what was not measured meets none."""

from __future__ import annotations

from typing import Any

import pytest

from tests.benchmarks.bench_speculate import verdicts, worst


def row(drafter: str, per_trip: float | None, times_plain: float | None) -> dict[str, Any]:
    return {"drafter": drafter, "per_trip": per_trip, "times_plain": times_plain, "same": True}


GOOD = [row("plain", 1.0, 1.0), row("lookup", 1.1, 1.0), row("exit", 2.0, 1.9),
        row("auto", 2.1, 2.0), row("wrong", 1.0, 0.97)]


def test_one_good_link_excuses_no_bad_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert verdicts(GOOD) == {"worst_per_trip": 2.0, "worst_slowdown": 1 / 0.97, "same": True}
    assert "MISSED" not in capsys.readouterr().out
    found = verdicts([*GOOD, row("exit", 1.7, 1.5), row("wrong", 1.0, 0.9)])
    assert (found["worst_per_trip"], found["worst_slowdown"]) == (1.7, 1 / 0.9)
    assert capsys.readouterr().out.count("MISSED") == 2


def test_what_was_not_measured_is_missed(capsys: pytest.CaptureFixture[str]) -> None:
    found = verdicts([*GOOD, row("auto", None, None), row("wrong", None, None)])
    assert found["worst_per_trip"] is found["worst_slowdown"] is None
    assert capsys.readouterr().out.count("MISSED") == 2
    assert worst([], max) is None
