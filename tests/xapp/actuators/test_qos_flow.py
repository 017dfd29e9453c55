"""RC 1/2: QoS flows of the UEs that a wish is for go to a DRB of their own, and back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.xapp.steering_scene import CELL, NODE, facts, wish
from xapp.actuators.base import E2Control, Refusal, Steps
from xapp.actuators.qos_flow import FlowConfig, QosFlow
from xapp.actuators.targets import FlowTarget
from xapp.decisions import Scope
from xapp.e2.profiles import PROFILES
from xapp.e2.rc_actions import read_flow_control
from xapp.errors import ConfigurationError
from xapp.observations import Observations, UeKey

EMPTY = Observations(0.0)
ACTUATOR = QosFlow(PROFILES["oai"], FlowConfig(qfi=5, drb=2))
FIRST, SECOND = UeKey(NODE, "du:1"), UeKey(NODE, "du:2")


def test_flows_move_both_ways_and_those_no_longer_meant_go_back() -> None:
    old = FlowTarget(SECOND, 5, CELL)
    node = replace(facts("oai"), touched={old: 1})
    made = ACTUATOR.plan(wish(ues=(FIRST,)), node, EMPTY)
    assert isinstance(made, Steps)
    assert ACTUATOR.scope is Scope.PER_FLOW
    assert made.sets == {FlowTarget(FIRST, 5, CELL): 2, old: 1}
    for step in made.steps:
        assert isinstance(step, E2Control)
        drb, flows = read_flow_control(PROFILES["oai"], step.message)
        assert drb == dict(step.sets).popitem()[1]
        assert {(one.qfi, one.uplink) for one in flows} == {(5, True), (5, False)}


def test_what_it_cannot_do_is_said() -> None:
    assert "not configured" in (QosFlow(PROFILES["oai"]).can(facts("oai"), wish()) or "")
    assert isinstance(ACTUATOR.plan(wish(), facts("oai"), EMPTY), Refusal)
    stranger = FlowTarget(UeKey(NODE, "du:9"), 5, CELL)
    assert isinstance(ACTUATOR.put(facts("oai"), {stranger: 2}), Refusal)
    assert "announced no" in (ACTUATOR.can(replace(facts("oai"), functions=()), wish()) or "")


@pytest.mark.parametrize("numbers", [(64, 2), (5, 0), (5, 33)])
def test_numbers_that_cannot_be_are_refused(numbers: tuple[int, int]) -> None:
    with pytest.raises(ConfigurationError):
        FlowConfig(*numbers)
