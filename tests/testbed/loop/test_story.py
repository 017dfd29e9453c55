"""Figures of phases: what came, what was waited for, and stalls without an end."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.loop.story import (
    PhaseFigures,
    Question,
    Token,
    heard,
    phase_figures,
    questions_of,
    ratio,
    verdict,
    waits,
)


def stream(times: list[float], answer: int = 0) -> list[Token]:
    return [Token(answer, number, times[0] - 0.2, at) for number, at in enumerate(times)]


def ended(tokens: list[Token]) -> list[Question]:
    """Each answer at its last token."""
    last = {one.answer: one for one in tokens}
    return [Question(answer, one.asked, one.at) for answer, one in last.items()]


def steps(begin: float, end: float, step: float = 0.1) -> list[float]:
    return [begin + number * step for number in range(round((end - begin) / step) + 1)]


def test_waits_are_inside_answers_and_phases() -> None:
    tokens = [*stream([0.0, 0.1, 0.3]), *stream([2.0, 2.1], 1)]
    assert waits(tokens, 0, 10, ended(tokens)) == [
        pytest.approx(0.1), pytest.approx(0.2), pytest.approx(0.1)]
    assert waits(tokens, 0.2, 10, ended(tokens)) == [pytest.approx(0.2), pytest.approx(0.1)]


def test_a_wait_over_a_phases_end_counts_until_there() -> None:
    tokens = stream([0.0, 0.1, 5.0])
    assert waits(tokens, 0, 2) == [pytest.approx(0.1), pytest.approx(1.9)]
    assert waits(tokens, 2, 4) == [pytest.approx(2)]
    assert phase_figures("x", tokens, 2, 4).stalls == 1
    assert phase_figures("x", tokens, 2, 4).tokens == 0


@pytest.mark.parametrize("known", [None, [Question(0, -0.2, None)]])
def test_a_stall_without_an_end_is_seen_in_its_phase_and_in_all_that_follow(
    known: list[Question] | None,
) -> None:
    tokens = stream(steps(0, 15))
    first = phase_figures("calm", tokens, 0, 20, known)
    assert first.stalls == 1
    assert first.longest_ms == pytest.approx(5000)
    assert first.p50_ms == pytest.approx(100)
    still = phase_figures("steered", tokens, 20, 40, known)
    assert (still.tokens, still.stalls) == (0, 1)
    assert (still.p50_ms, still.p95_ms, still.longest_ms) == (20_000,) * 3


def test_an_answer_that_ended_is_not_waited_for() -> None:
    tokens = stream(steps(0, 1))
    assert phase_figures("x", tokens, 0, 5, ended(tokens)).stalls == 0
    assert phase_figures("x", tokens, 0, 5, [Question(0, -0.2, None)]).stalls == 1


def test_a_wait_for_the_word_that_it_was_the_last_is_one() -> None:
    tokens = stream(steps(0, 1))
    assert waits(tokens, 0, 9, [Question(0, -0.2, 1.1)])[-1] == pytest.approx(0.1)
    assert waits(tokens, 0, 9, [Question(0, -0.2, 4.0)])[-1] == pytest.approx(3)
    assert waits(tokens, 0, 2, [Question(0, -0.2, 4.0)])[-1] == pytest.approx(1)


def test_an_answer_that_broke_off_is_waited_for_until_the_next_token() -> None:
    tokens = [*stream([1.0, 1.1]), *stream([8.0, 8.1], 2)]
    asked = [Question(0, 0.8, None), Question(1, 3.0, None), Question(2, 7.8, 8.1)]
    assert waits(tokens, 0, 10, asked) == [
        pytest.approx(0.1), pytest.approx(6.9), pytest.approx(0.1)]
    assert waits(tokens, 2, 6, asked) == [pytest.approx(4)]


def test_a_prompt_that_never_got_a_token_is_a_stall_and_has_an_age() -> None:
    tokens = stream(steps(0, 10))
    asked = [*ended(tokens), Question(1, 12.0, None)]
    one = phase_figures("x", tokens, 10.5, 20, asked)
    assert (one.tokens, one.stalls) == (0, 1)
    assert one.p95_ms == one.first_token_ms == pytest.approx(8000)
    later = phase_figures("x", tokens, 20, 30, asked)
    assert later.stalls == 1
    assert later.p95_ms == pytest.approx(10_000)
    assert later.first_token_ms == pytest.approx(18_000)


def test_a_phase_of_nothing_but_a_wait_for_a_first_token_is_one() -> None:
    tokens = [*stream([0.0, 0.1]), *(Token(1, number, 1.0, at)
                                     for number, at in enumerate((9.0, 9.1)))]
    one = phase_figures("x", tokens, 2, 6, ended(tokens))
    assert (one.stalls, one.p95_ms, one.first_token_ms) == (1, 4000, 5000)
    assert phase_figures("x", tokens, 6, 10, ended(tokens)).first_token_ms == 8000
    assert phase_figures("x", tokens, 6, 10, ended(tokens)).stalls == 0  # but for the first one


@pytest.mark.parametrize(("asked", "first"), [(9.9, 200), (9.0, 1000 * (0.2 + 1.0) / 2)])
def test_a_prompt_at_a_phases_end_makes_it_look_no_better(asked: float, first: float) -> None:
    tokens = [*stream(steps(1, 8)), *(Token(1, number, asked, at)
                                      for number, at in enumerate((10.2, 10.3)))]
    assert phase_figures("x", tokens, 0, 10).first_token_ms == pytest.approx(first)


def test_nothing_but_questions_is_a_stall_too() -> None:
    one = phase_figures("x", [], 0, 5, [Question(0, 1.0, None)])
    assert (one.tokens, one.stalls, one.p95_ms, one.first_token_ms) == (0, 1, 4000, 4000)


def test_figures_of_a_phase() -> None:
    one = phase_figures("calm", stream([0.1 * step for step in range(101)]), 0, 10)
    assert one.tokens == 100
    assert one.tokens_per_second == 10
    assert one.first_token_ms == pytest.approx(200)
    assert one.p50_ms == pytest.approx(100)
    assert one.stalls == 0


def test_nothing_measured_is_none() -> None:
    for tokens in ([], stream([7.0, 7.1])):  # or not yet
        one = phase_figures("x", tokens, 0, 5)
        assert (one.p50_ms, one.p95_ms, one.first_token_ms, one.longest_ms) == (None,) * 4
    assert ratio(None, 1) is None
    assert ratio(1, None) is None


@given(st.lists(st.tuples(st.floats(0.01, 3), st.booleans(), st.booleans()), min_size=1,
                max_size=40), st.lists(st.floats(0, 60), min_size=2, max_size=4, unique=True))
def test_no_phase_in_which_all_stood_still_is_without_a_wait(
    given_: list[tuple[float, bool, bool]], bounds: list[float]
) -> None:
    """Tokens after these seconds, each of a new answer or not, after one that ended or broke."""
    tokens, asked, at, answer, number = [], {0: Question(0, -0.1, None)}, 0.0, 0, 0
    for seconds, anew, whole in [(0.0, False, False), *given_]:
        if anew:
            if whole:
                asked[answer] = Question(answer, asked[answer].asked, at)
            answer, number = answer + 1, 0
            asked[answer] = Question(answer, at + seconds / 2, None)
        at += seconds
        tokens.append(Token(answer, number, asked[answer].asked, at))
        number += 1
    for begin, end in pairwise(sorted(bounds)):
        one = phase_figures("x", tokens, begin, end, list(asked.values()))
        if one.tokens == 0 and tokens[0].at < begin:
            assert one.longest_ms == pytest.approx(1000 * (end - begin))
            assert one.stalls == (end - begin > 0.5)
        assert all(wait >= 0 for wait in waits(tokens, begin, end, list(asked.values())))


def lines(*, old: bool) -> list[dict[str, Any]]:
    tokens = [{"answer": answer, "token": number, "asked": 100.0 + answer,
               "at": 100.5 + answer + number / 10} for answer in (0, 1) for number in (0, 1)]
    if old:
        return [*tokens, {"error": "x", "at": 105.0}]
    return [{"answer": 0, "asked": 100.0}, *tokens[:2],
            {"answer": 0, "ended": "whole", "at": 100.7}, {"answer": 1, "asked": 101.0},
            *tokens[2:], {"error": "x", "at": 105.0}, {"answer": 2, "asked": 106.0}]


def test_what_the_phone_said_is_tokens_and_questions() -> None:
    tokens, asked = heard(lines(old=False), 100.0)
    assert [(one.answer, one.number) for one in tokens] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert tokens[3].asked == pytest.approx(1.0)
    assert tokens[3].at == pytest.approx(1.6)
    assert asked == [Question(0, 0.0, asked[0].ended), Question(1, 1.0, None),
                     Question(2, 6.0, None)]
    assert asked[0].ended == pytest.approx(0.7)


def test_what_older_phones_said_can_be_read() -> None:
    tokens, asked = heard(lines(old=True), 100.0)
    assert asked == questions_of(tokens) == [Question(0, 0.0, tokens[1].at),
                                             Question(1, 1.0, None)]
    assert heard([], 0.0) == ([], [])


def test_the_verdict_sets_phases_beside_each_other() -> None:
    phases = [PhaseFigures(name, 10, 10, 1, None, p95, p95, p95, stalls, p95)
              for name, p95, stalls in (("calm", 40.0, 0), ("congested", 160.0, 3),
                                        ("steered", 44.0, 0), ("calm again", 40.0, 0))]
    found = verdict(phases, [{"state": "confirmed"}, {"state": "rolled_back"}])
    assert found["congested_times_calm_p95"] == 4
    assert found["steered_times_calm_p95"] == pytest.approx(1.1)
    assert (found["decisions"], found["standing"]) == (2, 1)
    assert found["stalls"]["congested"] == 3
