"""When a RIC is told of alarms and metrics, and how a report of metrics is written."""

from __future__ import annotations

import json
from dataclasses import replace

from xapp.ric.osc_alarms import Condition
from xapp.ric.osc_config import OscConfig
from xapp.ric.osc_messages import MOST_PAYLOAD
from xapp.ric.osc_watch import MOST_FIGURES, Watch, report

CONFIG = OscConfig()
WALL = 1_700_000_000.0
FIGURES = Condition(figures={"ues": ("gauge", 3.0), "share": ("gauge", 12.5),
                             "controls": ("counter", 1_234_567.0)})


def test_a_report_is_as_the_framework_writes_it() -> None:
    message = report(CONFIG, FIGURES, WALL)
    assert (message.type, message.to) == (120, "")  # by a route
    assert json.loads(message.payload) == {
        "reporter": "airsplit", "generator": "airsplit", "timestamp": 1_700_000_000_000,
        "data": [{"id": "ues", "type": "gauge", "value": "3"},
                 {"id": "share", "type": "gauge", "value": "12.5"},
                 {"id": "controls", "type": "counter", "value": "1234567"}]}


def test_a_report_fits_into_a_message() -> None:
    many = Condition(figures={f"{'x' * 100}{number}": ("counter", 1e15)
                              for number in range(2 * MOST_FIGURES)})
    message = report(CONFIG, many, WALL)
    assert len(message.payload) <= MOST_PAYLOAD
    assert len(json.loads(message.payload)["data"]) == MOST_FIGURES


def test_alarms_are_looked_for_each_second_and_metrics_are_told_as_configured() -> None:
    watch = Watch(replace(CONFIG, metrics_seconds=10.0))
    types = []
    for second in range(21):
        assert watch.due <= second
        types.append([one.type for one in watch.look(FIGURES, float(second), WALL)])
        assert watch.due > second
    assert types[0] == [110, 120]
    assert [number for number, one in enumerate(types) if 120 in one] == [0, 10, 20]


def test_either_may_be_off() -> None:
    wrong = replace(FIGURES, store="full")
    assert [one.type for one in Watch(replace(CONFIG, alarms=None)).look(wrong, 0.0, WALL)] == [120]
    quiet = Watch(replace(CONFIG, metrics_seconds=0.0))
    assert {one.type for one in quiet.look(wrong, 0.0, WALL)} == {110}
    assert Watch(replace(CONFIG, alarms=None)).stop(WALL) == []


def test_a_report_that_rmr_does_not_take_is_not_sent_again() -> None:
    watch = Watch(CONFIG)
    for message in watch.look(FIGURES, 0.0, WALL):
        watch.unsent(message, 0.0)
    assert [one.type for one in watch.look(FIGURES, 10.0, WALL)] == [110, 120]
