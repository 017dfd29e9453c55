"""What was acknowledged in a calm cell is proven or taken back when load comes; A1 waits for it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from testbed.ran.cell_model import Share
from testbed.ran.emulator_config import LLM
from testbed.ran.faults import Fault
from tests.testbed.ran.steered import SteeredScene
from xapp.a1_types import SLICE_POLICY
from xapp.decisions import SetQuotas
from xapp.events import Code
from xapp.observations import Quota, Snssai
from xapp.slice_policy import SlicePolicy
from xapp.store_records import Kind

STATIC = SlicePolicy("llm", strategy="static", quotas={Snssai.parse(str(LLM)): Quota(30, 100, 30)})
NOBODY = SlicePolicy("nobody", labels=frozenset())
WITHIN = 24.0  # seconds: twelve of load that nothing proves, what is under way meanwhile, reports


def calm(profile: str, policy: SlicePolicy = STATIC, *faults: Fault) -> SteeredScene:
    scene = SteeredScene(profile, load="light", policy=policy).begin()
    scene.agent.faults |= set(faults)
    scene.label()
    if policy is NOBODY:
        scene.core.put_policy(SLICE_POLICY, "chat", {
            "strategy": "static", "quotas": {str(LLM): {"minimum": 30, "dedicated": 30}}},
            "operator", scene.now, 0.0)
    scene.wait(8.0)
    return scene


def live(scene: SteeredScene, seconds: float) -> None:
    """Time passes, and the split LLM goes on."""
    for _ in range(round(seconds / 2)):
        scene.label()
        scene.wait(2.0)


def last_states(scene: SteeredScene) -> list[str]:
    """Of each decision, in order."""
    return list({one.subject: str(one.body["state"])
                 for one in scene.of(Kind.DECISION_ENDED)}.values())


@pytest.mark.parametrize(("profile", "dedicated"), [
    ("spec", 30), ("ocudu", 30), ("oai", 30)])
def test_what_was_kept_unproven_is_confirmed_when_load_comes(
        profile: str, dedicated: int) -> None:
    scene = calm(profile, replace(STATIC, quotas={Snssai.parse(str(LLM)): Quota(
        30, 100, dedicated)}))
    assert last_states(scene)[0] == "unproven"
    assert scene.core.steering.doubted()
    scene.crowd("overload")
    live(scene, WITHIN)
    assert last_states(scene)[0] == "confirmed"
    assert Code.CONFIRMED in scene.codes()
    assert not scene.core.steering.doubted()
    assert scene.share().minimum == 30
    scene.agree()


@pytest.mark.parametrize(("profile", "second"), [
    ("spec", "ccc_slice_quota"), ("ocudu", "rc_slice_quota"), ("oai", None), ("oai-old", None),
    ("flexric", None)])
def test_what_turns_out_to_be_without_effect_is_taken_back_and_the_next_way_is_tried(
        profile: str, second: str | None) -> None:
    scene = calm(profile, STATIC, Fault.NO_EFFECT)
    assert last_states(scene)[0] == "unproven"
    before = len(scene.used())
    scene.crowd("overload")
    live(scene, WITHIN)
    assert Code.ROLLED_BACK in scene.codes()
    assert {Code.NO_EFFECT, Code.NOT_VISIBLE} & set(scene.codes())
    assert scene.share() == Share()
    if second is not None:
        assert second in scene.used()[before:]
    else:
        live(scene, 8.0)
        assert Code.NO_ACTUATOR in scene.codes()
        assert "rolled_back" in last_states(scene)


@pytest.mark.parametrize("faults", [(), (Fault.NO_EFFECT,)])
def test_what_a_fair_scheduler_may_give_as_well_is_never_confirmed(
        faults: tuple[Fault, ...]) -> None:
    scene = calm("spec", replace(STATIC, quotas={Snssai.parse(str(LLM)): Quota(30)}), *faults)
    scene.crowd("overload")
    live(scene, WITHIN)
    assert Code.CONFIRMED not in scene.codes()
    assert (Code.ROLLED_BACK in scene.codes()) is bool(faults)
    assert scene.core.steering.doubted() or faults


# Few UEs in a full cell: each gets much in any case, and waits come and go with the load.
@pytest.mark.parametrize(("profile", "target"), [
    ("spec", 60), ("spec", 100), ("srsran", 100), ("ocudu", 100)])
def test_between_two_ues_an_acknowledgement_without_effect_is_never_confirmed(
        profile: str, target: float) -> None:
    seen = {}
    for faults in (set(), {Fault.NO_EFFECT}):
        scene = SteeredScene(profile, ues=2, policy=SlicePolicy(
            "llm", inter_token_ms=target)).begin()
        scene.agent.faults |= faults
        scene.wait(0.1)
        scene.label()
        live(scene, 14.0)
        seen[bool(faults)] = Code.CONFIRMED in scene.codes()
    assert seen == {False: True, True: False}


def test_a_calm_cell_takes_nothing_back() -> None:
    scene = calm("spec")
    live(scene, 40.0)
    assert last_states(scene)[0] == "unproven"
    assert scene.share().minimum == 30
    scene.agree()


def test_an_a1_policy_is_in_effect_only_when_its_effect_was_seen() -> None:
    scene = calm("spec", NOBODY)
    assert scene.share().minimum == 30
    status = scene.core.a1.instance(SLICE_POLICY, "chat").status()
    assert status["instance_status"] == "NOT IN EFFECT"
    assert "no report has shown" in status["reason"]
    scene.crowd("overload")
    live(scene, WITHIN)
    status = scene.core.a1.instance(SLICE_POLICY, "chat").status()
    assert status["instance_status"] == "IN EFFECT"
    assert "reason" not in status


def test_an_a1_policy_without_effect_is_never_in_effect() -> None:
    scene = calm("spec", NOBODY, Fault.NO_EFFECT)
    scene.crowd("overload")
    for _ in range(15):
        live(scene, 2.0)
        status = scene.core.a1.instance(SLICE_POLICY, "chat").status()
        assert status["instance_status"] == "NOT IN EFFECT"
        assert status["reason"]


def test_what_moves_a_guarantee_that_was_seen_to_work_is_not_doubted() -> None:
    scene = SteeredScene("spec").begin()
    scene.label()
    scene.wait(8.0)
    assert last_states(scene) == ["confirmed"]
    before = scene.share().minimum
    scene.core._do(scene.core.steering.decide(SetQuotas(
        scene.cell(), {Snssai.parse(str(LLM)): Quota(before + 3)}, "a test.", "llm"), scene.now),
        scene.now)
    scene._commit()
    live(scene, 8.0)
    assert not scene.core.steering.doubted()
    live(scene, WITHIN)
    assert Code.ROLLED_BACK not in scene.codes()
    scene.agree()
