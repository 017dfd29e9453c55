"""Values in pairs of one seed, and nothing that was not measured."""

from __future__ import annotations

from testbed.experiments.picking import numbers, of_levels, pairs_of
from tests.testbed.experiments.scenes import row

NONE, XAPP = {"steering": "none"}, {"steering": "xapp"}


def test_pairs_are_of_one_seed() -> None:
    rows = [row("a", 0, NONE, {"x": 1}), row("b", 1, NONE, {"x": 2}),
            row("c", 2, NONE, {"x": None}), row("d", 1, XAPP, {"x": 20}),
            row("e", 2, XAPP, {"x": 30}), row("f", 0, XAPP, None)]
    assert pairs_of(rows, NONE, XAPP, "x") == ([2.0], [20.0])
    assert numbers(rows, "x") == [1.0, 2.0, 20.0, 30.0]
    assert [one.trial for one in of_levels(rows, XAPP)] == ["d", "e", "f"]


def test_pairs_keep_other_factors_apart() -> None:
    rows = [row(f"{a}{b}", 0, {"steering": a, "load": b}, {"x": value})
            for a, b, value in (("none", "low", 1), ("none", "high", 2), ("xapp", "high", 20),
                                ("xapp", "low", 10))]
    one, two = pairs_of(rows, NONE, XAPP, "x", ["load"])
    assert sorted(zip(one, two, strict=True)) == [(1.0, 10.0), (2.0, 20.0)]
