"""Counters add up and come apart again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from testbed.ran.cell_model import NOTHING, Counters

COUNTERS = st.builds(Counters, *[st.integers(0, 10**9)] * 8)


@given(COUNTERS, COUNTERS)
def test_a_difference_undoes_a_sum(one: Counters, other: Counters) -> None:
    assert one.plus(other).minus(other) == one
    assert one.plus(NOTHING) == one
