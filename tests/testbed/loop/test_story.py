"""Figures of phases: what came, what was waited for, and stalls without an end."""

from __future__ import annotations

import pytest

from testbed.loop.story import PhaseFigures, Token, phase_figures, ratio, verdict, waits


def stream(times: list[float], answer: int = 0) -> list[Token]:
    return [Token(answer, number, times[0] - 0.2, at) for number, at in enumerate(times)]


def test_waits_are_inside_answers_and_phases() -> None:
    tokens = [*stream([0.0, 0.1, 0.3]), *stream([2.0, 2.1], 1)]
    assert waits(tokens, 0, 10) == [pytest.approx(0.1), pytest.approx(0.2), pytest.approx(0.1)]
    assert waits(tokens, 0.2, 10) == [pytest.approx(0.2), pytest.approx(0.1)]


def test_a_wait_over_a_phases_end_counts_until_there() -> None:
    tokens = stream([0.0, 0.1, 5.0])
    assert waits(tokens, 0, 2) == [pytest.approx(0.1), pytest.approx(1.9)]
    assert waits(tokens, 2, 4) == [pytest.approx(2)]
    assert phase_figures("x", tokens, 2, 4).stalls == 1
    assert phase_figures("x", tokens, 2, 4).tokens == 0


def test_figures_of_a_phase() -> None:
    one = phase_figures("calm", stream([0.1 * step for step in range(101)]), 0, 10)
    assert one.tokens == 100
    assert one.tokens_per_second == 10
    assert one.first_token_ms == pytest.approx(200)
    assert one.p50_ms == pytest.approx(100)
    assert one.stalls == 0


def test_nothing_measured_is_none() -> None:
    one = phase_figures("x", [], 0, 5)
    assert (one.p50_ms, one.p95_ms, one.first_token_ms, one.longest_ms) == (None,) * 4
    assert ratio(None, 1) is None
    assert ratio(1, None) is None


def test_the_verdict_sets_phases_beside_each_other() -> None:
    phases = [PhaseFigures(name, 10, 10, 1, None, p95, p95, p95, stalls, p95)
              for name, p95, stalls in (("calm", 40.0, 0), ("congested", 160.0, 3),
                                        ("steered", 44.0, 0), ("calm again", 40.0, 0))]
    found = verdict(phases, [{"state": "confirmed"}, {"state": "rolled_back"}])
    assert found["congested_times_calm_p95"] == 4
    assert found["steered_times_calm_p95"] == pytest.approx(1.1)
    assert (found["decisions"], found["standing"]) == (2, 1)
    assert found["stalls"]["congested"] == 3
