"""A1 policies: what is taken and refused, and when an instance is said to be in effect."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.xapp.policy_networks import CELL, LIMITS, LLM, NOW, WEB, after, cell, flow, network
from tests.xapp.policy_networks import slice_ as slice_of
from xapp.a1 import A1, MOST_INSTANCES, NEW
from xapp.a1_types import SLICE_POLICY, TRAFFIC_STEERING, TYPES
from xapp.errors import Conflict, NotFound, PolicyError
from xapp.observations import Quota, UeKey
from xapp.policy import NOBODY_MOVES, STRATEGIES, decide, standing
from xapp.slice_policy import Source

WALL = 1_700_000_000.0
BODY = {
    "targets": {"inter_token_ms": 80, "first_token_ms": 900},
    "traffic": {"labels": ["llm_split", "realtime"], "row_bytes": 4096, "prompt_rows": 20},
    "floors": {"1": 20, "1-000001": 5}, "priority": 3,
    "scope": {"cells": [str(CELL)], "slices": ["1-000001"], "ues": ["gnb/du:1"]},
    "handover": {"allowed": False, "gain": 20}}


@pytest.fixture
def a1() -> A1:
    return A1(LIMITS, STRATEGIES)


def put(a1: A1, body: Any, name: str = "chat", kind: int = SLICE_POLICY) -> None:
    a1.put(kind, name, body, "operator", WALL)


def test_our_own_type_says_all_that_a_policy_can(a1: A1) -> None:
    put(a1, BODY)
    policy, = a1.policies()
    assert policy.name == f"a1/{SLICE_POLICY}/chat"
    assert (policy.inter_token_ms, policy.first_token_ms, policy.prompt_rows) == (80, 900, 20)
    assert policy.floors == {WEB: 20, LLM: 5}
    assert policy.labels == {"llm_split", "realtime"}
    assert policy.reach.cells == {CELL}
    assert policy.reach.ues == {UeKey("gnb", "du:1")}
    assert (policy.handover, policy.handover_gain, policy.priority) == (False, 20, 3)
    assert policy.source is Source.A1
    assert a1.instance(SLICE_POLICY, "chat").body == BODY


def test_a_static_policy(a1: A1) -> None:
    put(a1, {"strategy": "static", "quotas": {"1-000001": {"minimum": 30, "dedicated": 10}}})
    assert a1.policies()[0].quotas == {LLM: Quota(30, 100, 10)}


def test_traffic_steering_bounds_handovers_and_helps_nobody(a1: A1) -> None:
    put(a1, {"threshold": 35}, "ts", TRAFFIC_STEERING)
    policy, = a1.policies()
    assert (policy.labels, policy.handover_gain) == (frozenset(), 35)
    seen = network([cell(slice_of(LLM))])
    assert standing(seen, [policy], LIMITS, NOW, {CELL}) == {policy.name: ""}
    assert standing(seen, [policy], LIMITS, NOW) == {policy.name: NOBODY_MOVES}


@pytest.mark.parametrize("body", [
    {}, [], None, 7, {"unknown": 1}, {"floors": {"1": 101}}, {"floors": {"300": 5}},
    {"floors": {"1": 5.5}}, {"floors": {"one": 5}}, {"floors": {"1": 60, "2": 60}},
    {"floors": {"1-00000a": 5, "1-00000A": 5}}, {"targets": {"inter_token_ms": 0}},
    {"targets": {"inter_token_ms": "80"}}, {"traffic": {"labels": []}}, {"priority": 1e9},
    {"scope": {"cells": ["nocell"]}}, {"scope": {"ues": ["a/b\n"]}}, {"strategy": "none"},
    {"strategy": "static"}, {"priority": float("nan")}, {"priority": {1, 2}},
    {"strategy": "static", "quotas": {"1": {"minimum": 50, "maximum": 20}}},
    {"strategy": "static", "quotas": {"1": {"minimum": 95}}}])
def test_what_is_no_policy(a1: A1, body: Any) -> None:
    with pytest.raises(PolicyError) as caught:
        put(a1, body)
    assert len(str(caught.value)) < 600
    assert a1.policies() == ()


@pytest.mark.parametrize("body", [{}, {"threshold": "5"}, {"threshold": -1}, {"threshold": 5.5},
                                  {"threshold": 5, "more": 1}])
def test_what_is_no_traffic_steering(a1: A1, body: Any) -> None:
    with pytest.raises(PolicyError, match="schema"):
        put(a1, body, kind=TRAFFIC_STEERING)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from([*BODY, "inter_token_ms", "labels", "cells", "1", "x"]), inner,
        max_size=4), max_leaves=12)


@given(st.dictionaries(st.sampled_from([*BODY, "quotas", "strategy"]), json_values, max_size=4))
def test_any_body_is_a_policy_or_a_policy_error(body: Any) -> None:
    a1 = A1(LIMITS, STRATEGIES)
    try:
        put(a1, body)
    except PolicyError:
        assert a1.policies() == ()
    else:
        assert len(a1.policies()) == 1


def test_names_that_are_none(a1: A1) -> None:
    for name in ("", "a/b", "x" * 129, "a b", "a\n"):
        with pytest.raises(PolicyError, match="name"):
            put(a1, {"priority": 1}, name)


def test_what_is_not_there_and_what_is_too_much(a1: A1) -> None:
    for call in (lambda: a1.instance(SLICE_POLICY, "none"), lambda: a1.delete(SLICE_POLICY, "x"),
                 lambda: a1.type(7), lambda: put(a1, {"priority": 1}, kind=7)):
        with pytest.raises(NotFound):
            call()
    for number in range(MOST_INSTANCES):
        put(a1, {"priority": 1}, f"n{number}")
    put(a1, {"priority": 2}, "n0")  # replaced
    with pytest.raises(Conflict, match="256"):
        put(a1, {"priority": 1}, "one-more")
    a1.delete(SLICE_POLICY, "n1")
    put(a1, {"priority": 1}, "one-more")


def test_floors_of_two_policies_that_cannot_both_be_kept(a1: A1) -> None:
    put(a1, {"floors": {"1": 60}}, "first")
    with pytest.raises(Conflict, match=r"a1/20981/first.*120 %"):
        put(a1, {"floors": {"2": 60}}, "second")
    put(a1, {"floors": {"1": 70}}, "second")  # of the same slice the higher one holds
    put(a1, {"floors": {"1": 60}, "scope": {"cells": ["gnb/000000001"]}}, "first")
    put(a1, {"floors": {"2": 60}, "scope": {"cells": ["gnb/000000002"]}}, "second")


def test_types_are_shown_and_stay(a1: A1) -> None:
    assert [one.id for one in a1.types()] == [TRAFFIC_STEERING, SLICE_POLICY]
    assert a1.type("airsplit-slice-policy").id == a1.type(str(SLICE_POLICY)).id == SLICE_POLICY
    for one in TYPES:
        document = json.loads(json.dumps(one.document()))
        assert set(document) == {"name", "description", "policy_type_id", "create_schema"}
        a1.add_type(one.id, document)
    with pytest.raises(Conflict, match="another schema"):
        a1.add_type(TRAFFIC_STEERING, {"create_schema": {"type": "object"}})
    with pytest.raises(PolicyError, match="cannot act"):
        a1.add_type(5, {"create_schema": {}})
    put(a1, {"priority": 1})
    for kind, why in ((SLICE_POLICY, "instances"), (TRAFFIC_STEERING, "built in")):
        with pytest.raises(Conflict, match=why):
            a1.delete_type(kind)


def test_an_instance_is_in_effect_when_quotas_are(a1: A1) -> None:
    put(a1, BODY | {"scope": {}})
    chat = a1.instance(SLICE_POLICY, "chat")
    assert (chat.in_effect, chat.reason) == (False, NEW)
    assert chat.status()["instance_status"] == "NOT IN EFFECT"
    seen = network([cell(slice_of(LLM, up_kbps=500, up_prbs=5), slice_of(WEB))], [flow()])
    assert a1.told(standing(seen, a1.policies(), LIMITS, NOW)) == []
    assert "in force yet" in a1.instance(SLICE_POLICY, "chat").reason
    done = after(seen, decide(seen, a1.policies(), LIMITS, NOW), NOW)
    changed, = a1.told(standing(done, a1.policies(), LIMITS, NOW))
    assert changed.status() == {"instance_status": "IN EFFECT", "has_been_deleted": False,
                                "created_at": WALL}
    # What was replaced has to be shown to be in effect anew; it keeps when it was created.
    a1.put(SLICE_POLICY, "chat", BODY, "operator", WALL + 5)
    assert a1.instance(SLICE_POLICY, "chat").status()["instance_status"] == "NOT IN EFFECT"
    assert a1.instance(SLICE_POLICY, "chat").created == WALL
