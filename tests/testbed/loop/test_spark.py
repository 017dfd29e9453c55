"""The chart of waits: columns of time, heights by logarithm."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from testbed.loop.spark import BLOCKS, chart, columns, eighths, waits_of
from testbed.loop.story import Token


def test_waits_are_within_an_answer() -> None:
    tokens = [Token(0, 0, 0, 1.0), Token(0, 1, 0, 1.5), Token(1, 0, 1.6, 3.0)]
    assert waits_of(tokens) == [(1.5, 500.0)]


def test_a_column_has_its_longest_wait() -> None:
    assert columns([(0.1, 20.0), (0.2, 50.0), (1.5, 30.0), (9.0, 1.0)], 0, 2, 2) == [50.0, 30.0]
    assert columns([], 0, 2, 2) == [None, None]


@given(st.lists(st.none() | st.floats(0, 1e7), max_size=30), st.integers(1, 6))
def test_a_chart_has_its_size_and_nothing_else(values: list[float | None], height: int) -> None:
    lines = chart(values, height)
    assert [len(line) for line in lines] == [len(values)] * height
    assert set("".join(lines)) <= set(BLOCKS)
    for place, value in enumerate(values):
        assert (lines[-1][place] == " ") == (value is None)


@given(st.floats(0, 1e7), st.floats(0, 1e7))
def test_a_longer_wait_is_not_lower(one: float, other: float) -> None:
    assert eighths(min(one, other), 5) <= eighths(max(one, other), 5)
