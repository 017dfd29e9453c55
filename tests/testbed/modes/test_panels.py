"""Combinations of levels, in order, and which stand for the others where there are many."""

from __future__ import annotations

from dataclasses import replace

import pytest

from testbed.modes.panels import MOST, panels, title_of, varying
from tests.testbed.modes.scenes import RATES, rows, scenario


def test_each_combination_has_its_own_rows_and_only_they() -> None:
    found, left_out = panels(scenario(), rows(), {"mode"})
    assert [panel.title for panel in found] == [f"rate {rate}" for rate in RATES]
    assert left_out == ""
    assert sum(len(panel.rows) for panel in found) == len(rows())
    for panel, rate in zip(found, RATES, strict=True):
        assert {row.settings["rate_mbps"] for row in panel.rows} == {rate}


def test_a_factor_of_one_level_is_not_named() -> None:
    only = [row for row in rows() if row.levels["rate"] == "1.0"]
    (panel,), _ = panels(scenario(), only, {"mode"})
    assert (panel.title, len(panel.rows)) == ("", len(only))


def test_levels_without_a_trial_have_no_panel() -> None:
    found, _ = panels(scenario(), [row for row in rows() if row.levels["rate"] != "10.0"], {"mode"})
    assert [panel.title for panel in found] == ["rate 1.0", "rate 100.0"]


@pytest.mark.parametrize(("sizes", "titles", "said"), [
    ((8,), ["a 0", "a 7"], "first and last level of a"),
    ((6,), [f"a {one}" for one in range(6)], ""),
    ((4, 2), ["a 0, b 0", "a 0, b 1", "a 3, b 0", "a 3, b 1"], "first and last level of a"),
    ((3, 3), ["a 0, b 0", "a 0, b 2", "a 2, b 0", "a 2, b 2"], "first and last level of a and b"),
    ((2, 2, 2), ["a 0, b 0, c 0", "a 1, b 1, c 1"], "first and last combination of levels")])
def test_of_many_the_first_and_last_levels_stand_for_all(
    sizes: tuple[int, ...], titles: list[str], said: str
) -> None:
    factors = {name: {str(one): {"batch": one + 1} for one in range(size)}
               for name, size in zip("abc", sizes, strict=False)}
    plan = replace(scenario(), factors=factors)
    some = [replace(rows()[0], levels=levels) for levels in plan.cells()]
    found, left_out = panels(plan, some, set())
    assert ([panel.title for panel in found], left_out) == (titles, said)
    assert len(found) <= MOST


def test_which_factors_vary_a_setting() -> None:
    assert varying(scenario(), "rate_mbps") == {"rate"}
    assert varying(scenario(), "steps") == set()
    assert varying(scenario(batch={"1": {"batch": 1}}), "rate_mbps", "batch") == {"rate", "batch"}


def test_a_title_names_factors() -> None:
    assert title_of({"rate": "1M", "batch": "8"}) == "rate 1M, batch 8"
