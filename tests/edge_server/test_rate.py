"""The token bucket: what it lets through over any stretch of time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_server.rate import Bucket


def test_a_burst_then_the_rate() -> None:
    bucket = Bucket(rate=10.0, burst=5.0)
    assert [bucket.take(1, 0.0) for _ in range(5)] == [0.0] * 5
    assert bucket.take(1, 0.0) == pytest.approx(0.1)
    assert bucket.take(1, 0.05) == pytest.approx(0.05)
    assert bucket.take(1, 0.1) == pytest.approx(0.0)
    assert bucket.take(5, 100.0) == 0.0
    assert bucket.take(1, 100.0) > 0.0


def test_more_than_the_burst_is_paid_off_afterwards() -> None:
    bucket = Bucket(rate=10.0, burst=5.0)
    assert bucket.take(25, 0.0) == 0.0
    assert bucket.take(1, 0.0) == pytest.approx(2.1)
    assert bucket.take(1, 2.2) == 0.0


def test_a_clock_set_back_neither_gives_nor_takes() -> None:
    bucket = Bucket(rate=1.0, burst=2.0)
    assert bucket.take(1, 1000.0) == 0.0
    assert bucket.take(1, 0.0) == 0.0
    assert bucket.take(1, 0.0) == pytest.approx(1.0)


@given(st.floats(0.5, 1000.0), st.floats(1.0, 500.0),
       st.lists(st.tuples(st.floats(0.0, 2.0), st.integers(1, 300)), min_size=1, max_size=50))
def test_no_pattern_of_asking_beats_the_rate(
    rate: float, burst: float, asked: list[tuple[float, int]]
) -> None:
    bucket, now, given_out = Bucket(rate, burst), 0.0, 0
    for pause, count in asked:
        now += pause
        before = given_out
        wait = bucket.take(count, now)
        if wait == 0.0:
            # Once what went before is paid for: the burst, or one larger request from a full one.
            assert before <= burst + rate * now + 1e-6
            given_out += count
        else:
            later = Bucket(rate, burst, bucket._level, bucket._at)
            assert later.take(count, now + wait * 1.001 + 1e-6) == 0.0
