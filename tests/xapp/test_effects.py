"""What is expected of a decision, and how it is explained."""

from __future__ import annotations

from tests.xapp.policy_networks import CELL, LIMITS, LLM, NOW, WEB, cell, flow, slice_
from xapp.decisions import Expectation, Metric
from xapp.demand import Demand
from xapp.effects import expectations, why
from xapp.observations import Cell, Load, Quota, Slice
from xapp.placing import Group
from xapp.slice_policy import SlicePolicy

GROUP = Group(SlicePolicy("chat"), LLM, [flow()])
RAISED = {LLM: Quota(30), WEB: Quota(5)}


def expected(where: Cell, group: Group = GROUP,
             quotas: dict[object, Quota] | None = None) -> list[Expectation]:
    return list(expectations(where, [group], quotas or RAISED,  # type: ignore[arg-type]
                             LIMITS, NOW))


def test_delays_where_they_are_reported_else_rates() -> None:
    delays = cell(slice_(LLM, None, 0.0, up_delay_ms=10, down_delay_ms=400, up_kbps=50),
                  slice_(WEB))
    assert expected(delays) == [
        Expectation((CELL, LLM), Metric.UP_DELAY_MS, 3.0, at_most=50.0),
        Expectation((CELL, LLM), Metric.DOWN_DELAY_MS, 3.0, at_most=320.0)]
    rates = cell(slice_(LLM, None, 0.0, up_kbps=50, down_kbps=0.0), slice_(WEB))
    assert expected(rates) == [Expectation((CELL, LLM), Metric.UP_KBPS, 3.0, at_least=25.0)]


def test_nothing_is_expected_that_nobody_reports() -> None:
    assert expected(cell(slice_(LLM), slice_(WEB))) == []
    old = Slice(LLM, None, 0.0, Load(NOW - 60, up_delay_ms=5))
    assert expected(cell(old, slice_(WEB))) == []


def test_nothing_is_expected_of_who_gets_no_more() -> None:
    same = cell(slice_(LLM, Quota(30), 0.0, up_delay_ms=10), slice_(WEB))
    assert expected(same) == []
    doubted = Group(SlicePolicy("chat"), LLM, [], [flow()])
    assert expected(cell(slice_(LLM, None, 0.0, up_delay_ms=10), slice_(WEB)), doubted) == []


def test_a_cap_shows_in_what_is_used() -> None:
    where = cell(slice_(LLM), slice_(WEB, None, 0.0, down_prbs=90))
    assert expected(where, quotas={LLM: Quota(30), WEB: Quota(5, 70)}) == [
        Expectation((CELL, WEB), Metric.DOWN_PRBS, 3.0, at_most=75.0)]


def test_the_reason_is_a_sentence() -> None:
    where = cell(slice_(LLM), slice_(WEB))
    demand = Demand(9.0, 900.0, "they need 900 kbit/s", True)
    text = why(where, GROUP, Quota(30), Quota(10), demand)
    assert text == (
        "The guarantee of slice 1-000001 in gnb/000000001 rises from 10 to 30 % for 1 flow "
        "(llm_split) with a target of 100 ms a token: they need 900 kbit/s; packets wait longer "
        "than that allows")
    assert "falls from 40 to 30 %" in why(where, GROUP, Quota(30), Quota(40), demand)
    assert "stays at 30 %" in why(where, GROUP, Quota(30), Quota(30), demand)
    doubted = Group(SlicePolicy("chat"), LLM, [], [flow()])
    assert "not labelled with confidence" in why(where, doubted, Quota(30), Quota(30), demand)
