"""srsRAN's remote control acknowledges anything: so everything is checked before it is sent."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.xapp.steering_scene import CELL, LLM, NODE, REST, WISH, Scene, facts, wish
from xapp.actuators.base import Refusal, RemoteRequest, Steps
from xapp.actuators.srsran_ws import SrsranWebsocket
from xapp.actuators.targets import SliceTarget
from xapp.e2.profiles import PROFILES
from xapp.observations import CellKey, Quota, Snssai

ACTUATOR = SrsranWebsocket(PROFILES["srsran"])


def plan(quotas: dict[Snssai, Quota]) -> Steps | Refusal:
    scene = Scene(kind="srsran")
    return ACTUATOR.plan(wish(quotas), scene.facts, scene.observations())


def test_a_command_sets_one_slice_as_the_gnb_spells_it() -> None:
    made = plan(WISH)
    assert isinstance(made, Steps)
    first = made.steps[0]
    assert isinstance(first, RemoteRequest)
    assert json.loads(first.command) == {"cmd": "rrm_policy_ratio_set", "policies": {
        "resourceType": "PRB", "rRMPolicyMemberList": [{"plmn": "00101", "sst": 1, "sd": 9}],
        "min_prb_policy_ratio": 10, "max_prb_policy_ratio": 30, "dedicated_ratio": 0}}
    assert made.sets == {SliceTarget(CELL, snssai): quota for snssai, quota in WISH.items()}


def test_what_is_lowered_goes_first() -> None:
    low, high = SliceTarget(CELL, LLM), SliceTarget(CELL, REST)
    node = replace(facts("srsran"), in_force={low: Quota(80, 100, 0), high: Quota(10, 100, 0)})
    made = ACTUATOR.put(node, {high: Quota(70, 100, 0), low: Quota(20, 100, 0)})
    assert isinstance(made, Steps)
    assert [dict(step.sets).keys() for step in made.steps] == [{low: 0}.keys(), {high: 0}.keys()]


@pytest.mark.parametrize(("quotas", "words"), [
    ({Snssai(1, 77): Quota(10, 50, 0)}, "1-00004d"),  # a slice that there is not
    ({LLM: Quota(60, 50, 0)}, "must rise"),
    ({LLM: Quota(60, 100, 0), REST: Quota(50, 100, 0)}, "110 %"),
    ({LLM: Quota(60, 100, 70)}, "must rise")])
def test_what_it_would_acknowledge_and_not_do_is_not_sent(
        quotas: dict[Snssai, Quota], words: str) -> None:
    made = plan(quotas)
    assert isinstance(made, Refusal)
    assert words in made.reason


def test_it_sets_all_cells_so_that_one_of_several_is_refused() -> None:
    scene = Scene(kind="srsran")
    seen = scene.observations()
    other = CellKey(NODE, "00019b002")
    several = replace(seen, cells={**seen.cells, other: replace(seen.cells[CELL], key=other)})
    assert isinstance(ACTUATOR.plan(wish(), scene.facts, several), Refusal)
    assert isinstance(ACTUATOR.put(scene.facts, {
        SliceTarget(CELL, LLM): Quota(), SliceTarget(other, LLM): Quota()}), Refusal)


def test_without_a_connection_it_can_do_nothing() -> None:
    away = facts("srsran", remote=False)
    assert "not connected" in (ACTUATOR.can(away, wish()) or "")
    assert isinstance(ACTUATOR.put(away, {SliceTarget(CELL, LLM): Quota()}), Refusal)
