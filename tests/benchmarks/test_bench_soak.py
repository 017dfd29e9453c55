"""The soak judges memory: growth shows, habits do not, and nothing measured is no success."""

from __future__ import annotations

import argparse
import math

import pytest

from tests.benchmarks.bench_soak import judge, memory_figures

FINE = {"answers": 10, "wrong": [], "errors": [], "edge_said": [], "cuts": 3, "resumed": 3,
        "answers_at_end": True}
OPTIONS = argparse.Namespace()


def flat(samples: list[tuple[float, float]]) -> bool:
    return judge(FINE | memory_figures(samples), OPTIONS)["memory is flat after the warm-up"]


def test_memory_that_levels_off_is_flat() -> None:
    assert flat([(at, 300 - 100 * math.exp(-at / 20) + at % 3) for at in range(0, 900, 5)])


@pytest.mark.parametrize("per_minute", [1.0, 5.0, 50.0])
def test_memory_that_grows_is_not(per_minute: float) -> None:
    assert not flat([(at, 300 + per_minute * at / 60) for at in range(0, 3600, 5)])


def test_a_leap_is_not_flat() -> None:
    assert not flat([(at, 300.0 if at != 500 else 350.0) for at in range(0, 900, 5)])


def test_what_was_not_measured_is_no_success() -> None:
    assert not flat([])
    assert not flat([(0.0, 300.0), (1.0, 300.0)])


@pytest.mark.parametrize(("name", "value"), [
    ("answers", 0), ("wrong", ["token 3"]), ("errors", ["lost"]), ("edge_said", ["failed"]),
    ("cuts", 0), ("resumed", 0), ("answers_at_end", False)])
def test_anything_that_shows_is_told(name: str, value: object) -> None:
    figures = FINE | memory_figures([(at, 300.0) for at in range(100)])
    assert all(judge(figures, OPTIONS).values())
    assert not all(judge(figures | {name: value}, OPTIONS).values())
