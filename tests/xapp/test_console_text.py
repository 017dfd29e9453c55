"""What the console draws itself: figures as words, and nothing from outside that acts in a page."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from tests.xapp.api_scene import make_scene
from xapp.api_views import (
    CellModel,
    EventModel,
    FlowModel,
    LoadModel,
    NodeModel,
    StatusModel,
    UeModel,
)
from xapp.console_text import (
    away_html,
    events_html,
    flows_html,
    head,
    hello_html,
    limits_html,
    milliseconds,
    moment,
    nodes_html,
    percent,
    rate,
    short,
    strip_html,
    ues_html,
    usage_html,
)
from xapp.operations import Clock, Health, Modes

EVIL = '<img src=x onerror="alert(1)">'
SCENE = make_scene()
PICTURE = SCENE.operations.picture()


@pytest.mark.parametrize(("value", "words"), [
    (None, "\N{EN DASH}"), (0.0, "0.0 %"), (9.94, "9.9 %"), (42.4, "42 %"), (100.0, "100 %")])
def test_percent(value: float | None, words: str) -> None:
    assert percent(value) == words


@pytest.mark.parametrize(("value", "words"), [
    (None, "\N{EN DASH}"), (0.4, "0.4 ms"), (96.2, "96 ms")])
def test_milliseconds(value: float | None, words: str) -> None:
    assert milliseconds(value) == words


@pytest.mark.parametrize(("value", "words"), [
    (None, "\N{EN DASH}"), (0, "0 bit/s"), (999, "999 bit/s"), (1234, "1.2 kbit/s"),
    (466_000, "466 kbit/s"), (5_520_000, "5.5 Mbit/s"), (2.5e9, "2.5 Gbit/s")])
def test_rates(value: float | None, words: str) -> None:
    assert rate(value) == words


def test_a_time_of_another_day_has_its_day() -> None:
    assert len(moment(time.time())) == len("12:34:56")
    assert moment(0.0).endswith(":00") and "1" in moment(0.0).split(" ")[0]  # noqa: PT018 -- one text


def test_names_are_shortened_to_what_tells_them_apart() -> None:
    assert short("gnb_1/00019b001") == "00019b001"
    assert short("alone") == "alone"
    assert short(None) == ""


@pytest.mark.parametrize(("changes", "expected"), [
    ({}, ("good", "Steering")), ({"modes": Modes(dry_run=True)}, ("wait", "Dry run")),
    ({"health": Health(True, ("No node.",))}, ("wait", "Not ready")),
    ({"modes": Modes(dry_run=True, killed=True), "health": Health(True, ("x",))},
     ("bad", "Kill switch pulled"))])
def test_the_head_tells_the_worst_first(
    changes: dict[str, object], expected: tuple[str, str]
) -> None:
    picture = replace(PICTURE, **changes)  # type: ignore[arg-type]  # named fields
    assert head(StatusModel.of(picture)) == expected


def test_the_strip_has_the_figures_of_the_status() -> None:
    status = StatusModel.of(PICTURE)
    shown = strip_html(status, "http://127.0.0.1:8480")
    assert f"<b>{status.ues}<i>" in shown
    assert "127.0.0.1:8480" in shown
    never = strip_html(status.model_copy(update={"tap_heard": None}), "x")
    assert "never" in never


def test_a_cell_shows_what_its_slices_use_and_may() -> None:
    (cell, *_) = [CellModel.of(one, PICTURE.clock) for one in PICTURE.observations.cells.values()]
    down, up = usage_html(cell), usage_html(cell, up=True)
    assert down.count("<u ") == 3
    assert down != up
    assert "allowed" in down
    bare = cell.slices[0].model_copy(update={
        "quota": None, "load": cell.slices[0].load.model_copy(update={"down_prbs": None})})
    shown = usage_html(cell.model_copy(update={"slices": [bare]}))
    assert "<u " not in shown
    assert "no quota" in shown


def load(**figures: float) -> LoadModel:
    return LoadModel.model_validate({"at": 0.0} | dict.fromkeys(
        ("down_kbps", "up_kbps", "down_prbs", "up_prbs", "down_delay_ms", "up_delay_ms",
         "down_drops")) | figures)


def test_nothing_from_the_network_acts_in_the_page() -> None:
    flow = FlowModel.of(next(iter(PICTURE.observations.flows.values())), PICTURE.clock)
    rows = [
        flows_html([flow.model_copy(update={"label": EVIL, "address": EVIL, "slice": EVIL})]),
        ues_html([UeModel(id=f"n/{EVIL}", cell=EVIL, slice=EVIL, address=EVIL, load=load(),
                          neighbours=[])]),
        events_html([EventModel(number=1, at=0.0, level=EVIL, code="x", sentence=EVIL,
                                subject=EVIL)]),
        hello_html([EVIL]), away_html(EVIL, EVIL, f"http://{EVIL}")]
    for shown in rows:
        assert "<img" not in shown
        assert "&lt;img" in shown


def test_a_flow_by_counters_says_so_and_what_is_not_known_is_no_zero() -> None:
    flow = FlowModel.of(next(iter(PICTURE.observations.flows.values())), PICTURE.clock).model_copy(
        update={"from_counters": True, "steps_per_second": None, "up_bytes_per_second": None,
                "address": None, "ue": None})
    shown = flows_html([flow])
    assert "by counters" in shown
    assert "not known" in shown
    assert "0 bit/s" not in shown


def test_nodes_with_what_they_announced() -> None:
    (node,) = [NodeModel.of(one, PICTURE.clock) for one in PICTURE.nodes]
    shown = nodes_html([node, node.model_copy(update={"name": EVIL, "state": "lost",
                                                      "actuators": []})])
    for word in ("DU", "CU-CP", "KPM", "RC", "websocket", 'data-tone="bad"', "nothing"):
        assert word in shown
    assert "<img" not in shown


def test_limits_are_named_and_what_is_not_set_says_so() -> None:
    shown = limits_html({"policy": {"most_guaranteed": 90, "base": {}}, "order": ["a", EVIL],
                         "none": None})
    assert "policy: most guaranteed</span><span>90<" in shown
    assert shown.count("not set") == 2
    assert "<img" not in shown


def test_clocks_are_turned_into_the_wall_s() -> None:
    assert Clock(10.0, 1000.0).wall_time(4.0) == 994.0
