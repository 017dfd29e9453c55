"""The traps of every kind of base station in what it reports and when, by reply and in the cell.

The RIC's side is the production one, so that what is asked is what the xApp would ask; where it
would never ask such a thing, the request is made by hand.
"""

from __future__ import annotations

import pytest

from testbed.ran.cell_model import Share
from testbed.ran.node_config import NodeConfig
from tests.testbed.ran.scene import Scene, test_mode
from tests.testbed.ran.traps_scene import ALONE, SPLIT_UNITS, WIRE_LLM, quota
from xapp.e2.aper import Chosen
from xapp.e2.e2ap import decode
from xapp.e2.e2ap_messages import (
    Indication,
    SubscriptionDetails,
    SubscriptionRequest,
    SubscriptionResponse,
)
from xapp.e2.e2ap_types import Action, RequestId
from xapp.e2.kpm import ActionDefinition, CellAction, CommonConditionAction, EventTrigger
from xapp.e2.kpm_requests import kpm_subscription, slice_condition
from xapp.e2.measurements import Aspect, CommonCondition, Condition, Measurement, Relation

ASKED = CellAction((Measurement("DRB.UEThpDl"),), 500)


def indications(scene: Scene) -> list[Indication]:
    return [one for out in scene.to_ric if isinstance(one := decode(out.data), Indication)]


@pytest.mark.parametrize("profile", [*SPLIT_UNITS, *ALONE])
def test_our_own_subscriptions_are_borne_by_every_kind(profile: str) -> None:
    scene = Scene(profile).connect().run(4.0)
    assert scene.ends is None
    assert scene.profile.name == profile
    assert scene.reports >= 4
    seen = scene.observations()
    assert len(seen.ues) == len(scene.ran.ues)
    assert scene.ue(1).load.down_kbps == pytest.approx(23_000, rel=0.15)
    assert sum(ue.load.down_prbs or 0 for ue in seen.ues.values()) > 85
    assert next(iter(seen.cells.values())).prbs == 106


@pytest.mark.parametrize("profile", [*SPLIT_UNITS, *ALONE])
def test_indications_are_numbered_but_by_srsran_and_its_successor(profile: str) -> None:
    found = indications(Scene(profile).connect().run(3.0))
    numbers = {one.number for one in found}
    assert len(found) > 4
    assert (numbers == {None}) == (profile in ("srsran", "ocudu"))
    if numbers != {None}:
        assert {0, 1, 2, 3} <= numbers


def test_srsran_repeats_its_figures_until_it_measures_anew() -> None:
    scene = Scene("srsran", period=100).connect().run(6.0)
    figures = [one.message for one in indications(scene)]
    assert len(figures) > 100
    # Cell and UEs, six renewals, and what there is before the first.
    assert len(set(figures)) <= 2 * 7
    assert scene.observer.counters.repeated > 100


def test_srsran_measures_as_often_as_it_is_configured_to() -> None:
    scene = Scene("srsran", period=100, node=NodeConfig("srsran", report_period=0.1))
    figures = [one.message for one in indications(scene.connect().run(6.0))]
    assert len(set(figures)) > 80


def test_the_specification_s_figures_are_fresh() -> None:
    figures = [one.message for one in indications(Scene("spec", period=100).connect().run(4.0))]
    assert len(set(figures)) > len(figures) * 0.8


@pytest.mark.parametrize(("profile", "admitted"), [
    ("spec", (1, 2, 3)), ("srsran", (3,)), ("ocudu", (3,))])
def test_of_several_actions_srsran_keeps_the_last(
    profile: str, admitted: tuple[int, ...]
) -> None:
    scene = Scene(profile).connect()
    wire = scene.agent.wire
    definition = wire.kpm.action.encode(ActionDefinition(1, ASKED))
    request = SubscriptionRequest(RequestId(77, 1), 2, SubscriptionDetails(
        wire.kpm.event.encode(EventTrigger(500)),
        tuple(Action(number, definition=definition) for number in (1, 2, 3))))
    scene.by_hand("du", request)
    scene.run(2.0)
    answers = [decode(out.data) for out in scene.to_ric]
    assert [one.admitted for one in answers if isinstance(one, SubscriptionResponse)
            and one.request == request.request] == [admitted]
    assert {one.action for one in answers if isinstance(one, Indication)
            and one.request == request.request} == set(admitted)


@pytest.mark.parametrize(("profile", "count"), [
    ("spec", 1), ("srsran", 4), ("ocudu", 4), ("oai", 1), ("flexric", 1)])
def test_srsran_ignores_the_condition_and_reports_all_ues(profile: str, count: int) -> None:
    scene = Scene(profile).connect()
    asked = kpm_subscription(scene.profile, ["DRB.UEThpDl"], 500,
                             [slice_condition(scene.profile, WIRE_LLM)])
    before = len(scene.to_ric)
    scene.subscribe(asked.trigger, asked.actions[0])
    scene.run(1.0)
    kpm = scene.agent.wire.kpm
    mine = [decode(out.data) for out in scene.to_ric[before:]]
    last = max(one.request.instance for one in mine if isinstance(one, Indication))
    reports = [kpm.message.decode(one.message) for one in mine
               if isinstance(one, Indication) and one.request.instance == last]
    assert reports
    assert {len(one.ues) for one in reports} == {count}  # type: ignore[union-attr]  # of style 4


@pytest.mark.parametrize("profile", ["srsran", "ocudu"])
def test_in_test_mode_reports_of_ues_are_accepted_and_never_come(profile: str) -> None:
    scene = Scene(profile, node=test_mode(profile)).connect().run(4.0)
    assert scene.agent.subscribed == 2
    assert not scene.observations().ues
    assert scene.reports > 0  # of the cell


def conditions(scene: Scene) -> dict[str, tuple[CommonCondition, ...]]:
    good = CommonCondition(slice_condition(scene.profile, WIRE_LLM))
    number = not scene.profile.slice_as_number
    return {
        "another aspect": (CommonCondition(Condition(
            Aspect.CQI, Relation.EQUAL, Chosen("valueInt", 1))),),
        "another relation": (CommonCondition(Condition(
            Aspect.SLICE, Relation.GREATER, good.condition.value)),),
        "another kind of value": (CommonCondition(Condition(
            Aspect.SLICE, Relation.EQUAL, Chosen("valueInt", 1) if number else b"\1")),),
        "two": (good, CommonCondition(good.condition, True))}


@pytest.mark.parametrize("profile", ALONE)
@pytest.mark.parametrize("wrong", ["another aspect", "another relation", "another kind of value",
                                   "two"])
def test_a_wrong_condition_ends_the_whole_gnb_with_oai_s_agent(profile: str, wrong: str) -> None:
    scene = Scene(profile).connect().run(1.0)
    kpm = scene.agent.wire.kpm
    numbers = {one.f1_id for one in scene.ran.ues}
    scene.quota([quota(WIRE_LLM, 20, 100, 20)])
    scene.subscribe(kpm.event.encode(EventTrigger(500)), kpm.action.encode(ActionDefinition(
        4, CommonConditionAction(conditions(scene)[wrong], ASKED))))
    assert scene.ends is not None
    assert scene.agent.counts.ends == 1
    # It comes back with other UEs, and without what was set.
    scene.nodes.unsubscribe(scene.key, scene.last_handle, scene.now)
    scene.return_().run(3.0)
    assert scene.ends is None
    assert numbers.isdisjoint(one.f1_id for one in scene.ran.ues)
    assert scene.share() == Share()
    assert len(scene.observations().ues) == len(numbers)


@pytest.mark.parametrize("profile", SPLIT_UNITS)
def test_no_condition_ends_the_others(profile: str) -> None:
    scene = Scene(profile).connect().run(1.0)
    kpm = scene.agent.wire.kpm
    for wrong in conditions(scene).values():
        scene.subscribe(kpm.event.encode(EventTrigger(500)), kpm.action.encode(ActionDefinition(
            4, CommonConditionAction(wrong, ASKED))))
    scene.run(1.0)
    assert scene.ends is None
