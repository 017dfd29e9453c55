"""Arrivals of several sources are one, in order of time."""

from __future__ import annotations

from testbed.ran.traffic.arrivals import MADE_UP, Arrivals, Mix, arrivals, merged


class _Fixed:
    def __init__(self, *times: int) -> None:
        self.times = list(times)

    def until(self, end: int) -> Arrivals:
        now = [one for one in self.times if one < end]
        self.times = self.times[len(now):]
        rows = arrivals(len(now))
        rows["time"] = now
        return rows


def test_rows_are_made_up_until_told_otherwise() -> None:
    assert arrivals(3)["row"].tolist() == [MADE_UP] * 3


def test_a_mix_is_in_order_and_names_its_sources() -> None:
    mix = Mix([_Fixed(1, 5, 9), _Fixed(1, 4)])
    rows = mix.until(6)
    assert rows["time"].tolist() == [1, 1, 4, 5]
    assert rows["source"].tolist() == [0, 1, 1, 0]
    assert mix.until(100)["time"].tolist() == [9]
    assert len(mix.until(200)) == 0


def test_nothing_merged_is_nothing() -> None:
    assert len(merged([])) == 0
