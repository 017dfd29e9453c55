"""Labels by counters alone: for UEs that no tap covers, with little confidence, if at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from classifier.bundle import Bundle
from classifier.kpi import CLASSES, MEANINGS
from xapp.kpi_flows import AWAY, MOST_CONFIDENCE, KpiFlows, load_or_none
from xapp.observations import CellKey, Load, Snssai, Ue, UeKey

KEY = UeKey("gnb", "du:1")


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    found = load_or_none()
    assert found is not None
    return found


def ue(at: float, down: float | None, up: float | None, key: UeKey = KEY) -> Ue:
    return Ue(key, CellKey("gnb", "1"), Snssai(1), Load(at, down, up), "10.45.0.2")


def fed(flows: KpiFlows, down: float | None, up: float | None, seconds: int = 12) -> None:
    for step in range(seconds * 4):
        flows.take([ue(step / 4, down, up)], (), step / 4)


def test_a_busy_ue_is_labelled_with_little_confidence(bundle: Bundle) -> None:
    flows = KpiFlows(bundle, 0.25)
    fed(flows, 20_000, 500)
    flow, = flows.flows().values()
    assert flow.label in MEANINGS
    assert flow.confidence <= MOST_CONFIDENCE
    assert flow.from_counters
    assert (flow.ue, flow.slice, flow.address) == (KEY, Snssai(1), "10.45.0.2")
    assert (flow.down_bytes_per_second, flow.up_bytes_per_second) == (2_500_000, 62_500)
    assert flow.since <= flow.at == 11.75
    assert set(CLASSES) <= set(MEANINGS)


def test_a_ue_that_does_nothing_has_no_flow(bundle: Bundle) -> None:
    flows = KpiFlows(bundle, 0.25)
    fed(flows, 0.0, 0.0)
    assert flows.flows() == {}


def test_a_ue_that_a_tap_covers_is_left_to_it(bundle: Bundle) -> None:
    flows = KpiFlows(bundle, 0.25)
    fed(flows, 20_000, 500)
    flows.take([ue(12.0, 20_000, 500)], {KEY}, 12.0)
    assert flows.flows() == {}


def test_reports_that_are_not_new_are_not_counted_twice(bundle: Bundle) -> None:
    flows = KpiFlows(bundle, 0.25)
    for _ in range(20):
        flows.take([ue(1.0, 20_000, 500)], (), 1.0)
    assert flows.flows() == {}  # one row is too little


def test_a_ue_that_left_has_no_flow(bundle: Bundle) -> None:
    flows = KpiFlows(bundle, 0.25)
    fed(flows, 20_000, 500)
    flows.take([], (), 12.0 + AWAY)
    assert flows.flows() == {}


def test_figures_that_nobody_knows_do_no_harm(bundle: Bundle) -> None:
    flows = KpiFlows(bundle, 0.25)
    fed(flows, None, None)
    assert all(flow.up_bytes_per_second is None for flow in flows.flows().values())


def test_without_a_model_there_are_none(tmp_path: Path) -> None:
    assert load_or_none(tmp_path) is None
