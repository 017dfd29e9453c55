"""What is asked of a base station, and what never is."""

from __future__ import annotations

import pytest

from tests.xapp.e2.examples import CELL, INTERNET, KPM_DEFINITION, LLM, METRICS
from xapp.e2.aper import Chosen
from xapp.e2.common import Snssai
from xapp.e2.kpm import ActionDefinition, CellAction, CommonConditionAction, EventTrigger
from xapp.e2.kpm_requests import (
    announced_metrics,
    cell_subscription,
    kpm_subscription,
    slice_condition,
    slice_subscriptions,
    unbearable,
)
from xapp.e2.measurements import Aspect, CommonCondition, Condition, Measurement, Relation
from xapp.e2.profiles import OAI, OAI_OLD, PROFILES, SPEC, SRSRAN, Profile
from xapp.errors import PolicyError

KINDS = pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)


def action_of(profile: Profile, data: bytes) -> CommonConditionAction:
    definition = profile.kpm.action.decode(data)
    assert definition.style == 4
    assert isinstance(definition.action, CommonConditionAction)
    return definition.action


@KINDS
def test_a_cell(profile: Profile) -> None:
    asked = cell_subscription(profile, METRICS, 1000, CELL)
    assert profile.kpm.event.decode(asked.trigger) == EventTrigger(1000)
    assert profile.kpm.action.decode(asked.actions[0]) == ActionDefinition(
        1, CellAction(asked.measurements, 1000, CELL))
    assert asked.measurements == tuple(Measurement(one) for one in METRICS)
    assert asked.note == ""


@KINDS
def test_the_ues_of_two_slices(profile: Profile) -> None:
    asked = slice_subscriptions(profile, METRICS, 1000, [LLM, INTERNET])
    actions = [action_of(profile, one) for each in asked for one in each.actions]
    assert all(len(each.actions) == 1 for each in asked)
    for action in actions:
        assert unbearable(profile, ActionDefinition(4, action)) == ""
        for one in action.conditions:
            assert one.condition.aspect is Aspect.SLICE
            assert one.condition.relation is Relation.EQUAL
    conditions = [one.condition.value for action in actions for one in action.conditions]
    if profile in (OAI, PROFILES["flexric"]):
        assert len(asked) == 2
        assert conditions == [b"\1\0\0\5", b"\1"]
    elif profile is OAI_OLD:
        assert conditions == [Chosen("valueInt", 1)] * 2
    elif profile is SPEC:
        assert conditions == [b"\1\0\0\5", b"\1"]
        assert [one.alternative for one in actions[0].conditions] == [None, True]
    else:
        assert conditions == [b"\1\0\0\5"]  # it reports all UEs


@pytest.mark.parametrize("conditions", [
    (), (Condition(Aspect.CQI, Relation.GREATER, Chosen("valueInt", 1)),),
    (Condition(Aspect.SLICE, Relation.GREATER, b"\1"),), (Condition(Aspect.SLICE, None, b"\1"),),
    (Condition(Aspect.SLICE, Relation.EQUAL),),
    (Condition(Aspect.SLICE, Relation.EQUAL, Chosen("valueInt", 1)),),
    (slice_condition(OAI, LLM), slice_condition(OAI, INTERNET))])
def test_what_would_end_oai_is_never_sent(conditions: tuple[Condition, ...]) -> None:
    with pytest.raises(PolicyError, match="would not bear it"):
        kpm_subscription(OAI, METRICS, 1000, conditions)


def test_others_bear_more() -> None:
    condition = Condition(Aspect.CQI, Relation.GREATER, Chosen("valueInt", 1))
    asked = kpm_subscription(SPEC, METRICS, 1000, [condition])
    assert action_of(SPEC, asked.actions[0]).conditions == (CommonCondition(condition),)
    assert unbearable(OAI, ActionDefinition(1, CellAction((Measurement("CQI"),), 1))) == ""


def test_a_faster_report_than_the_values_are_renewed_is_noted() -> None:
    assert "every 1000 ms" in cell_subscription(SRSRAN, METRICS, 100).note
    assert cell_subscription(SPEC, METRICS, 100).note == ""


def test_what_cannot_be_meant() -> None:
    for metrics, period in (((), 1000), (METRICS, 0), (METRICS, 2**32)):
        with pytest.raises(PolicyError, match="cannot be meant"):
            cell_subscription(SPEC, metrics, period)
    with pytest.raises(PolicyError, match="No slice"):
        slice_subscriptions(SPEC, METRICS, 1000, [])
    with pytest.raises(PolicyError, match="is no slice"):
        slice_subscriptions(SPEC, METRICS, 1000, [Snssai(256)])


def test_measurements_that_are_announced() -> None:
    style = KPM_DEFINITION.style(4)
    assert announced_metrics(style, ("CQI", *METRICS)) == METRICS
    assert announced_metrics(None, METRICS) == ()
