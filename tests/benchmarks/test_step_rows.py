"""Steps of several rows: each count has its own times, and every round has all counts."""

from __future__ import annotations

import argparse
from itertools import count

import pytest

from testbed.cli import BUNDLED_MODEL
from tests.benchmarks.step_rows import ROWS, WARM_UP, run, timed


def test_counts_take_turns_and_a_warm_up_does_not_count() -> None:
    asked: list[int] = []
    looks = count()
    found = timed(asked.append, (1, 5), 3, lambda: float(next(looks)))
    assert asked == [1, 5] * (WARM_UP + 3)
    assert found.keys() == {"1", "5"}
    assert found["5"] == pytest.approx([1e3] * 3)


def test_the_bundled_model_takes_time_for_each() -> None:
    found = run(BUNDLED_MODEL, ROWS, argparse.Namespace(threads=1, split=1, prompt=8, rounds=2))
    assert {key: len(times) for key, times in found.items()} == {str(rows): 2 for rows in ROWS}
    assert all(value > 0 for times in found.values() for value in times)
