"""Which encoding is chosen: from the rate that exchanges show, within the budget, and no sooner."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ue_app.encoding_choice import Candidate, Choice, LinkRate

RAW = Candidate("raw", 512, 0.0, 0.0)
LOSSLESS = Candidate("lossless", 380, 40e-6, 0.0)
INT8 = Candidate("int8", 261, 30e-6, 0.2)
INT4 = Candidate("int4", 145, 30e-6, 3.0)
ALL = (RAW, LOSSLESS, INT8, INT4)


def play(choice: Choice, rate: float, round_trip: float, jitter: float = 0.0) -> str:
    """A few answers over a link of `rate` bytes a second; what is chosen then."""
    generator = random.Random(1)
    for _ in range(3):
        for rows in (64, *[1] * 20):
            sent = rows * 540
            late = generator.uniform(0.0, jitter)
            choice.exchange(rows, sent, round_trip + sent / rate + late)
    return choice.name


@given(st.floats(1e3, 1e8), st.floats(1e-3, 0.2))
def test_the_rate_is_found(rate: float, round_trip: float) -> None:
    link = LinkRate()
    for rows in (64, 1, 1, 1):
        link.exchange(rows, rows * 540, round_trip + rows * 540 / rate)
    assert link.rate is not None
    assert link.rate <= rate * 1.001
    if 63 * 540 / rate > 1e-3:  # else it is over before a clock tells
        assert link.rate == pytest.approx(rate, rel=0.01)


def test_nothing_is_known_before_a_prompt_and_a_token() -> None:
    link, choice = LinkRate(), Choice(ALL, 1.0)
    assert link.rate is link.step is None
    link.exchange(64, 30_000, 0.1)
    assert link.rate is None
    choice.exchange(1, 540, 0.04)
    assert choice.name == "raw"


def test_exchanges_that_say_nothing() -> None:
    """After a new connection counters begin anew."""
    link = LinkRate()
    link.exchange(64, -5, 0.1)
    link.exchange(1, 540, -0.1)
    assert link.rate is link.step is None


def test_a_short_prompt_says_nothing_of_the_rate() -> None:
    """A link may take a few kilobytes at once and be slow all the same."""
    choice = Choice(ALL, 10.0)
    play(choice, 25e3, 0.04)
    choice.exchange(12, 12 * 160, 0.0401)
    assert choice.name == "int4"


def test_steps_that_were_held_up_do_not_make_a_link_fast() -> None:
    choice = Choice(ALL, 10.0)
    choice.exchange(64, 64 * 540, 0.04 + 64 * 540 / 25e3)
    for late in (0.0, *[2.0] * 10):
        choice.exchange(1, 540, 0.06 + late)
    assert choice.link.rate == pytest.approx(25e3, rel=0.05)


def test_a_slow_link_gets_small_rows_within_the_budget() -> None:
    assert play(Choice(ALL, 10.0), 25e3, 0.04) == "int4"
    assert play(Choice(ALL, 1.0), 25e3, 0.04) == "int8"
    assert play(Choice(ALL, 0.0), 25e3, 0.04) == "lossless"


def test_a_fast_link_gets_rows_as_they_are() -> None:
    assert play(Choice(ALL, 10.0), 100e6, 0.04) == "raw"
    assert play(Choice(ALL, 10.0), 1e9, 0.0005) == "raw"


def test_what_wins_nothing_costs_nothing() -> None:
    """On a link of 2 MB/s and 40 ms, half a row is 0.1 ms of a token's 40."""
    assert play(Choice(ALL, 10.0), 2e6, 0.04) == "raw"


def test_jitter_does_not_make_a_link_slow() -> None:
    assert play(Choice(ALL, 10.0), 100e6, 0.04, jitter=0.01) in ("raw", "lossless")


def test_a_link_that_becomes_slow_is_noticed() -> None:
    choice = Choice(ALL, 1.0)
    assert play(choice, 100e6, 0.04) == "raw"
    for _ in range(3):
        play(choice, 20e3, 0.04)
    assert choice.name == "int8"


def test_a_first_candidate_over_the_budget_is_no_start() -> None:
    for candidates in ((), (INT4,)):
        with pytest.raises(ValueError, match="budget"):
            Choice(candidates, 1.0)
