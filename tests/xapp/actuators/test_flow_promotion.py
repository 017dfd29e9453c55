"""Single flows through the core: what is planned, and what it refuses."""

from __future__ import annotations

from dataclasses import replace

import pytest

from xapp.actuators.base import MOST_STEPS, NodeFacts, Refusal, Steps
from xapp.actuators.flow_promotion import FlowPromotion, FlowRequest, PromotionConfig
from xapp.actuators.targets import RuleTarget, SliceTarget
from xapp.decisions import MapFlows, MovedFlow, Scope, SetQuotas
from xapp.e2.profiles import PROFILES
from xapp.errors import ConfigurationError
from xapp.flow_ends import FlowEnds
from xapp.observations import CellKey, Observations, Quota, Snssai, UeKey

CELL = CellKey("gnb", "1")
WEB, LLM = Snssai(1), Snssai(1, 1)
UE = UeKey("gnb", "du:1")
FIRST, SECOND = (FlowEnds("10.45.0.2", port, "10.45.0.1", 8470) for port in (1, 2))
NODE = NodeFacts("gnb", PROFILES["srsran"])
NOTHING = Observations(0.0)
ACTUATOR = FlowPromotion(PromotionConfig("http://127.0.0.1:8004", LLM))
MOVE = MapFlows(CELL, LLM, (MovedFlow(FIRST, UE, WEB),), (MovedFlow(SECOND, UE, WEB),), "why",
                "llm")


def target(flow: FlowEnds) -> RuleTarget:
    return RuleTarget(UE, flow, WEB, CELL)


def test_flows_come_back_before_others_go_whatever_the_base_station() -> None:
    made = ACTUATOR.plan(MOVE, NODE, NOTHING)
    assert isinstance(made, Steps)
    assert made.sets == {target(SECOND): WEB, target(FIRST): LLM}
    assert [(one.flow, one.back) for one in made.steps if isinstance(one, FlowRequest)] == [
        (SECOND, True), (FIRST, False)]
    assert (ACTUATOR.scope, ACTUATOR.name) == (Scope.PER_FLOW, "core_flow_promotion")
    assert "no real network" in ACTUATOR.verified


def test_undoing_puts_exact_values() -> None:
    made = ACTUATOR.put(NODE, {target(FIRST): WEB, SliceTarget(CELL, LLM): Quota(10)})
    assert isinstance(made, Steps)
    assert made.sets == {target(FIRST): WEB}
    assert ACTUATOR.reaches(target(FIRST))
    assert not ACTUATOR.reaches(SliceTarget(CELL, LLM))


def test_it_refuses_what_it_cannot() -> None:
    assert ACTUATOR.can(NODE, MOVE) is None
    quotas = SetQuotas(CELL, {LLM: Quota(10)}, "why", "llm")
    assert isinstance(ACTUATOR.plan(quotas, NODE, NOTHING), Refusal)
    assert "not configured" in (FlowPromotion().can(NODE, MOVE) or "")
    assert isinstance(FlowPromotion().put(NODE, {target(FIRST): LLM}), Refusal)
    many = tuple(MovedFlow(replace(FIRST, ue_port=1 + port), UE, WEB)
                 for port in range(MOST_STEPS + 1))
    assert isinstance(ACTUATOR.plan(replace(MOVE, flows=many, back=()), NODE, NOTHING), Refusal)


@pytest.mark.parametrize("parts", [{"pcf": "127.0.0.1:8004"}, {"ask_seconds": 0.0},
                                   {"least_bytes": -1}])
def test_what_cannot_be_configured_is_told(parts: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        replace(PromotionConfig("http://127.0.0.1:8004", LLM), **parts)  # type: ignore[arg-type]  # fields
