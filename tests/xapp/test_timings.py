"""Times counted by how long they were."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from xapp.timings import Timer


def test_a_bound_holds_what_is_as_long() -> None:
    timer = Timer((0.1, 1.0))
    before = timer.times()
    for seconds in (0.05, 0.1, 0.5, 7.0):
        timer.measured(seconds)
    assert timer.times().counts == (2, 1, 1)
    assert timer.times().cumulative() == [("0.1", 2.0), ("1.0", 3.0), ("+Inf", 4.0)]
    assert before.counts == (0, 0, 0)


@given(st.lists(st.floats(0, 10)))
def test_all_are_counted(seconds: list[float]) -> None:
    timer = Timer((0.5, 1.0, 2.0))
    for one in seconds:
        timer.measured(one)
    assert timer.times().cumulative()[-1][1] == len(seconds)
    assert abs(timer.times().total - sum(seconds)) < 1e-6
