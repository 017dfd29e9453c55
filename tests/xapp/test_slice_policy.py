"""Policies that contradict themselves or the limits, and where a policy holds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.xapp.policy_networks import CELL, IOT, LIMITS, LLM, OTHER, WEB, flow
from xapp.errors import PolicyError
from xapp.observations import Quota, UeKey
from xapp.policy import STRATEGIES
from xapp.slice_policy import Reach, SlicePolicy, check, check_all


@pytest.mark.parametrize(("values", "says"), [
    ({"name": ""}, "no name"), ({"name": "a\n"}, "no name"), ({"strategy": "x"}, "proportional"),
    ({"inter_token_ms": 0.0}, "0 ms"), ({"first_token_ms": 1e9}, "cannot be meant"),
    ({"inter_token_ms": float("nan")}, "cannot be meant"), ({"prompt_rows": 0}, "at least 1"),
    ({"row_bytes": 0}, "at least 1"), ({"handover_gain": -1}, "handover_gain"),
    ({"floors": {WEB: 101}}, "0 to 100"), ({"floors": {WEB: 50, IOT: 50}}, "add up to 100 %"),
    ({"strategy": "static"}, "needs quotas"), ({"quotas": {LLM: Quota(50, 20)}}, "rise"),
    ({"quotas": {LLM: Quota(20, 100, 30)}}, "rise"),
    ({"quotas": {LLM: Quota(5, 10)}, "floors": {LLM: 20}}, "below its floor"),
    ({"quotas": {LLM: Quota(80)}, "floors": {WEB: 20}}, "guarantee 100 %")])
def test_what_cannot_be_meant(values: dict[str, Any], says: str) -> None:
    with pytest.raises(PolicyError, match=says):
        check(SlicePolicy(**{"name": "chat"} | values), LIMITS, STRATEGIES)


def test_what_can() -> None:
    check(SlicePolicy("chat"), LIMITS, STRATEGIES)
    check(SlicePolicy("s", "static", quotas={LLM: Quota(40, 60)}, floors={LLM: 30, WEB: 50}),
          LIMITS, STRATEGIES)
    check(SlicePolicy("amends", "static", labels=frozenset()), LIMITS, STRATEGIES)


def test_names_are_given_once() -> None:
    with pytest.raises(PolicyError, match="Two policies"):
        check_all([SlicePolicy("a"), SlicePolicy("a")], LIMITS, STRATEGIES)


def test_where_a_policy_holds() -> None:
    reach = Reach(frozenset({CELL}), frozenset({LLM}), frozenset({UeKey("gnb", "du:1")}))
    policy = SlicePolicy("chat", reach=reach)
    assert policy.wants(flow(), CELL, LLM)
    assert not policy.wants(flow(), OTHER, LLM)
    assert not policy.wants(flow(), CELL, WEB)
    assert not policy.wants(flow(ue=UeKey("gnb", "du:2")), CELL, LLM)
    assert not policy.wants(flow(ue=None), CELL, LLM)
    assert not policy.wants(flow(label="web"), CELL, LLM)
    assert replace(policy, reach=Reach()).wants(flow(ue=None), OTHER, WEB)
