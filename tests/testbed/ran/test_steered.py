"""The xApp's core against emulated base stations of every kind: effects are seen, not believed."""

from __future__ import annotations

import pytest

from testbed.ran.cell_model import Share
from testbed.ran.e2_profiles import BEHAVIOURS
from testbed.ran.emulator_config import INTERNET, LLM
from testbed.ran.faults import Fault
from tests.testbed.ran.steered import SteeredScene
from xapp.decisions import Expectation, Metric, SetQuotas
from xapp.events import Code
from xapp.observations import Quota, Snssai
from xapp.slice_policy import SlicePolicy
from xapp.store_records import Kind

LONG = 28.0  # seconds: twelve of load that nothing proves, two actuators undone, a decision more


@pytest.mark.parametrize("profile", ["spec", "srsran", "ocudu", "oai"])
def test_an_effect_under_load_is_confirmed_in_the_direction_that_was_held(profile: str) -> None:
    scene = SteeredScene(profile).begin()
    scene.label()
    scene.wait(8.0)
    assert scene.states()[0] == "confirmed"
    assert Code.NO_EFFECT not in scene.codes()
    (effect, *_) = scene.of(Kind.EFFECT)
    new = [one for one in effect.body["effects"] if one["new"] and one["met"]]
    assert new
    if profile in ("srsran", "ocudu"):  # their figures cover a whole second of it
        assert any(one["metric"].startswith("up_") for one in new)


@pytest.mark.parametrize("profile", BEHAVIOURS)
def test_an_acknowledgement_without_effect_is_never_confirmed(profile: str) -> None:
    scene = SteeredScene(profile).begin()
    scene.agent.faults.add(Fault.NO_EFFECT)
    scene.label()
    scene.wait(LONG)
    assert scene.used()
    assert "confirmed" not in scene.states()
    assert scene.ran.shares[scene.ran.cells[0].nci, LLM] == Share()
    assert {Code.NO_EFFECT, Code.NOT_VISIBLE} & set(scene.codes())
    assert Code.ROLLED_BACK in scene.codes()


@pytest.mark.parametrize(("profile", "second"), [
    ("spec", "ccc_slice_quota"), ("ocudu", "rc_slice_quota")])
def test_what_had_no_effect_is_undone_and_the_next_way_is_tried(profile: str, second: str) -> None:
    scene = SteeredScene(profile).begin()
    scene.agent.faults.add(Fault.NO_EFFECT)
    scene.label()
    scene.wait(2 * LONG)
    used = scene.used()
    assert second in used[1:]
    # The last word on an action counts: what was kept at first may be put back later.
    outcomes = {one.subject: str(one.body["outcome"]) for one in scene.of(Kind.ACTION_ENDED)}
    actions = [one.subject for one in scene.of(Kind.ACTION) if not one.body["puts_back"]]
    assert outcomes[actions[used.index(second) - 1]] == "rolled_back"


def test_nobody_is_guaranteed_anything_while_there_is_room() -> None:
    scene = SteeredScene("spec", load="light").begin()
    scene.label()
    scene.wait(8.0)
    assert scene.used() == []
    assert scene.share().minimum == 0


def test_a_slice_that_nobody_holds_is_given_its_quota_unproven() -> None:
    policy = SlicePolicy("llm", strategy="static", quotas={Snssai.parse(str(LLM)): Quota(30)})
    scene = SteeredScene("spec", load="light", policy=policy).begin()
    scene.label()
    scene.wait(8.0)
    assert scene.states()[0] == "unproven"
    assert Code.UNPROVEN in scene.codes()
    # It is kept all the same: when load comes, it is there.
    assert scene.share().minimum > 0
    assert scene.core.steering.unproven(scene.cell())


def test_a_maximum_that_oai_ignores_is_neither_expected_nor_called_in_force() -> None:
    scene = SteeredScene("oai").begin()
    cell = scene.cell()
    held = Expectation((cell, LLM), Metric.DOWN_PRBS, 3.0, at_least=0.0)
    cap = Expectation((cell, INTERNET), Metric.DOWN_PRBS, 3.0, at_most=45.0)
    scene.core._do(scene.core.steering.decide(SetQuotas(
        cell, {LLM: Quota(30, 100, 0), INTERNET: Quota(5, 40, 0)}, "a test.", "test",
        (held, cap)), scene.now), scene.now)
    scene._commit()
    scene.wait(6.0)
    assert scene.states() == ["unproven"]  # and not rolled back for a cap that is not there
    assert Code.PARTLY in scene.codes()
    for effect in scene.of(Kind.EFFECT):
        assert all(one["at_most"] is None for one in effect.body["effects"])
    assert scene.core.steering.quotas(cell)[INTERNET][0].maximum == 100
    assert scene.share(INTERNET).maximum == 100
