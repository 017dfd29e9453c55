"""RC 2/6 as each kind takes it: read back by the production codec."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.xapp.steering_scene import CELL, FREE, LLM, NODE, REST, WISH, Scene, facts, wish
from xapp.actuators.base import E2Control, NodeFacts, Refusal, Steps
from xapp.actuators.rc_quota import RcQuota
from xapp.actuators.targets import SliceTarget, UeTarget
from xapp.decisions import HandOver, Scope
from xapp.e2.profiles import PROFILES
from xapp.e2.rc_quota import read_slice_quota
from xapp.e2.ue_id import GnbDuUe
from xapp.observations import Flow, Observations, Quota, UeKey

EMPTY = Observations(0.0)


def planned(kind: str, node: NodeFacts | None = None, **wished: object) -> Steps:
    scene = Scene(kind=kind)
    made = RcQuota(PROFILES[kind]).plan(
        wish(**wished), node or scene.facts, scene.observations())  # type: ignore[arg-type]
    assert isinstance(made, Steps)
    return made


def test_on_oai_the_guarantee_is_dedicated_as_nothing_else_is_obeyed() -> None:
    made = planned("oai")
    (step,) = made.steps
    assert isinstance(step, E2Control)
    sent = {(one.slice.sst, one.slice.sd): one for one in
            read_slice_quota(PROFILES["oai"], step.message)}
    assert sent[1, 5].dedicated == sent[1, 5].minimum == 70
    assert b"00101" in step.message  # networks are text there
    assert made.sets == {SliceTarget(CELL, LLM): Quota(70, 100, 70),
                         SliceTarget(CELL, REST): Quota(10, 100, 10)}
    assert len(made.shortfalls) == 2


def test_on_srsran_each_ue_gets_a_request_of_its_own() -> None:
    made = planned("srsran", ues=(UeKey(NODE, "du:1"),))
    assert RcQuota(PROFILES["srsran"]).scope is Scope.PER_UE
    assert len(made.steps) == 2
    for step in made.steps:
        assert isinstance(step, E2Control)
        assert (step.unit, step.function) == ("du", 3)
        assert len(read_slice_quota(PROFILES["srsran"], step.message)) == 1
    assert made.sets[UeTarget(UeKey(NODE, "du:1"), CELL)] == Quota(70, 100, 0)
    assert made.sets[UeTarget(UeKey(NODE, "du:2"), CELL)] == Quota(10, 30, 0)


def test_on_srsran_what_is_dedicated_is_asked_for_and_not_taken_to_be_in_force() -> None:
    ue = UeKey(NODE, "du:1")
    made = planned("srsran", quotas={LLM: Quota(70, 100, 70)}, ues=(ue,))
    (step,) = made.steps
    assert isinstance(step, E2Control)
    (sent,) = read_slice_quota(PROFILES["srsran"], step.message)
    assert (sent.minimum, sent.dedicated) == (70, 70)
    assert made.sets == {UeTarget(ue, CELL): Quota(70, 100, 0)}
    assert any("not reserved" in one for one in made.shortfalls)


def test_ues_that_are_no_longer_meant_are_let_go() -> None:
    old = UeTarget(UeKey(NODE, "du:2"), CELL)
    node = replace(facts("srsran"), touched={old: FREE}, in_force={old: Quota(0, 20, 0)})
    made = planned("srsran", node, quotas={LLM: Quota(70, 100, 0)}, ues=(UeKey(NODE, "du:1"),))
    assert made.sets[old] == FREE


def test_a_ue_in_several_slices_is_guaranteed_what_its_flows_slice_is_and_never_capped() -> None:
    scene = Scene(kind="srsran")
    seen = scene.observations()
    mixed = UeKey(NODE, "du:1")
    flow = Flow("f", "llm_split", 0.9, 1.0, 1.0, mixed, slice=LLM)
    seen = replace(seen, ues={**seen.ues, mixed: replace(seen.ues[mixed], slice=None)},
                   flows={"f": flow})
    decision = replace(wish({LLM: Quota(70, 80, 0), REST: Quota(10, 30, 0)}, ues=(mixed,)),
                       flows=("f",))
    made = RcQuota(PROFILES["srsran"]).plan(decision, scene.facts, seen)
    assert isinstance(made, Steps)
    assert made.sets == {UeTarget(mixed, CELL): Quota(70, 100, 0),
                         UeTarget(UeKey(NODE, "du:2"), CELL): Quota(10, 30, 0)}
    assert any("several slices" in one for one in made.shortfalls)
    nobody = RcQuota(PROFILES["srsran"]).plan(replace(decision, flows=()), scene.facts, seen)
    assert isinstance(nobody, Steps)  # of whom nothing says whom it is for is left as it is
    assert UeTarget(mixed, CELL) not in nobody.sets


def test_a_ue_without_its_name_is_no_use() -> None:
    node = replace(facts("srsran"), ues={})
    scene = Scene(kind="srsran")
    made = RcQuota(PROFILES["srsran"]).plan(wish(), node, scene.observations())
    assert isinstance(made, Refusal)
    assert "name" in made.reason


def test_what_it_cannot_do_is_said() -> None:
    actuator = RcQuota(PROFILES["spec"])
    hand_over = HandOver(UeKey(NODE, "amf:1"), CELL, CELL, "why", "test")
    assert "hands nobody over" in (actuator.can(facts("spec"), hand_over) or "")
    assert "announced no control" in (
        actuator.can(replace(facts("spec"), functions=()), wish()) or "")
    assert actuator.can(facts("spec"), wish()) is None


def test_a_slices_request_names_some_ue_where_the_kind_wants_one() -> None:
    made = planned("spec")
    header = PROFILES["spec"].rc.header.decode(made.steps[0].header)  # type: ignore[union-attr]
    assert isinstance(header.ue, GnbDuUe)
    nobody = RcQuota(PROFILES["spec"]).put(
        replace(facts("spec"), ues={}), {SliceTarget(CELL, LLM): FREE})
    assert isinstance(nobody, Refusal)


def test_slices_that_a_wish_does_not_name_go_back() -> None:
    target = SliceTarget(CELL, REST)
    node = replace(facts("spec"), touched={target: Quota(5, 95, 0)},
                   in_force={target: Quota(10, 30, 0)})
    made = planned("spec", node, quotas={LLM: WISH[LLM]})
    assert made.sets[target] == Quota(5, 95, 0)


@given(st.integers(1, 12), st.integers(0, 100), st.integers(0, 100), st.integers(0, 100))
def test_shares_of_ues_are_quotas_and_never_more_than_the_slices(
        count: int, a: int, b: int, c: int) -> None:
    dedicated, minimum, maximum = sorted((a, b, c))
    scene = Scene(kind="srsran", ues=range(count + 1))
    key = UeKey(NODE, "du:1")
    quota = Quota(minimum, max(maximum, 1), dedicated)
    made = RcQuota(PROFILES["srsran"]).plan(
        wish({REST: quota}, ues=(key,)), scene.facts, scene.observations())
    if isinstance(made, Refusal):
        assert quota == FREE
        return
    shares = [value for value in made.sets.values() if isinstance(value, Quota)]
    assert sum(one.minimum for one in shares) <= quota.minimum
    assert all(0 <= one.dedicated <= one.minimum <= one.maximum <= 100 for one in shares)


@pytest.mark.parametrize("kind", ["spec", "oai", "oai-old"])
def test_exact_values_can_be_put_back(kind: str) -> None:
    target = SliceTarget(CELL, LLM)
    made = RcQuota(PROFILES[kind]).put(facts(kind), {target: FREE})
    assert isinstance(made, Steps)
    assert made.sets == {target: FREE}
