"""Rows and specifications of the charts."""

from __future__ import annotations

import json

import pytest

from tests.xapp.api_scene import AUTHORIZED, make_scene
from tests.xapp.fake_network import CELLS
from xapp.api_decisions import DecisionModel
from xapp.api_views import HistoryModel
from xapp.console_charts import (
    PITCH,
    Look,
    columns,
    delay_rows,
    delay_spec,
    usage_height,
    usage_rows,
    usage_spec,
)

SCENE = make_scene(history=600.0)
CELL = str(CELLS[0])
LOOK = Look(("1", "1-000001", "2-000007"), 300.0, False)


def history(metric: str) -> HistoryModel:
    answer = SCENE.reader.get("/api/v1/history", headers=AUTHORIZED, params={
        "kind": "slice", "metric": metric, "seconds": 300, "points": 150})
    return HistoryModel.model_validate_json(answer.content)


CLOCK = SCENE.operations.picture().clock
DECISIONS = [DecisionModel.of(one, CLOCK) for one in SCENE.operations.network.decisions]
USED, LOW, HIGH, DELAY = (history(name) for name in (
    "down_prbs", "quota_minimum", "quota_maximum", "down_delay_ms"))


def test_slices_stand_above_each_other_in_the_cell_s_order() -> None:
    rows = usage_rows(LOOK, CELL, USED, LOW, HIGH, DECISIONS)
    for place, name in enumerate(LOOK.slices):
        base = (2 - place) * PITCH
        mine = [row for row in rows if row.get("slice") == name]
        for row in mine:
            if row["kind"] == "use":
                assert row["y"] == pytest.approx(base + row["used"])
            if row["kind"] == "quota":
                assert base <= row["low"] <= row["high"] <= base + 100
        assert {row["kind"] for row in mine} == {"use", "quota", "name"}


def test_all_times_are_before_now_and_a_quota_reaches_it() -> None:
    rows = usage_rows(LOOK, CELL, USED, LOW, HIGH, DECISIONS)
    assert all(-300 <= row["x"] <= 0 for row in rows)
    assert max(row["x"] for row in rows if row["kind"] == "quota") == 0


def test_decisions_of_this_cell_stand_on_the_same_axis() -> None:
    rows = [row for row in usage_rows(LOOK, CELL, USED, LOW, HIGH, DECISIONS)
            if row["kind"] == "decision"]
    expected = [one for one in DECISIONS if one.cell == CELL and one.at >= USED.now - 300]
    assert [row["x"] for row in rows] == [one.at - USED.now for one in expected]
    assert {row["tone"] for row in rows} <= {"good", "bad", "wait", "quiet"}
    assert all(row["y"] > 2 * PITCH + 100 for row in rows)
    waiting = [row for row in delay_rows(LOOK, CELL, DELAY, DECISIONS)
               if row["kind"] == "decision"]
    assert [row["x"] for row in waiting] == pytest.approx([row["x"] for row in rows], abs=1e-6)


def test_gaps_stay_gaps_and_no_wait_has_a_place() -> None:
    name = f"{CELL}/1"
    series = [one.model_copy(update={"values": [None, 0.0, *one.values[2:]]})
              if one.subject == name else one for one in DELAY.series]
    rows = [row for row in delay_rows(LOOK, CELL, DELAY.model_copy(update={"series": series}), [])
            if row["slice"] == "1"]
    assert rows[0]["y"] is None
    assert rows[1]["y"] == 0.1


def test_bounds_that_were_read_a_moment_apart_are_still_one_quota() -> None:
    """Each answer reads the clocks anew: its times differ by microseconds, or miss a point."""
    moved = [one.model_copy(update={"times": [time + 3e-6 for time in one.times[:-1]],
                                    "values": one.values[:-1]}) for one in HIGH.series]
    rows = usage_rows(LOOK, CELL, USED, LOW, HIGH.model_copy(update={"series": moved}), [])
    quotas = [row for row in rows if row["kind"] == "quota" and row["slice"] == "1"]
    (low,) = [one for one in LOW.series if one.subject == f"{CELL}/1"]
    assert len(quotas) == len(low.values) + 1
    assert {row["maximum"] for row in quotas} == {65, 100}


def test_a_slice_without_history_has_its_name_alone() -> None:
    rows = usage_rows(Look(("9",), 300.0, True), CELL, USED, LOW, HIGH, [])
    assert [row["kind"] for row in rows] == ["name"]


def test_a_specification_holds_no_figures_so_that_it_stays() -> None:
    for make in (usage_spec, delay_spec):
        first, second = make(LOOK), make(Look(LOOK.slices, LOOK.window, LOOK.dark))
        assert json.dumps(first) == json.dumps(second)
        assert "data" not in first
        assert "datasets" not in first
        assert json.dumps(make(Look(LOOK.slices, 300.0, True))) != json.dumps(first)
    assert usage_height(LOOK) > usage_height(Look(("1",), 300.0, False))


def test_columns_are_all_there_and_as_long() -> None:
    for rows in ([], usage_rows(LOOK, CELL, USED, LOW, HIGH, DECISIONS)):
        found = columns(rows)
        assert {"kind", "x", "y", "tone", "effect"} <= set(found)
        assert {len(values) for values in found.values()} == {len(rows)}
