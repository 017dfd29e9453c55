"""The agent as a whole: what faults do, ends and returns, hostile bytes, no bursts."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from testbed.ran.cell_model import Share
from testbed.ran.e2_agent import E2Agent
from testbed.ran.emulator_config import LLM, preset
from testbed.ran.faults import Fault
from testbed.ran.fluid_cell import FluidCells
from tests.testbed.ran.scene import Scene
from xapp.e2.common import KPM_OIDS, Snssai
from xapp.e2.connection_events import Garbage, Indicated, SubscriptionRefused
from xapp.e2.e2ap import decode
from xapp.e2.e2ap_causes import RicRequestCause
from xapp.e2.e2ap_messages import (
    Indication,
    SubscriptionDeleteRequest,
    SubscriptionDetails,
    SubscriptionFailure,
    SubscriptionRequest,
)
from xapp.e2.e2ap_types import Action, RequestId
from xapp.e2.nodes import Happened, NodeLost
from xapp.e2.quota import SliceQuota

QUOTA = [SliceQuota(Snssai(1, 1), 30, 100, 0)]


def happened(scene: Scene, kind: type[object]) -> list[object]:
    return [one.event for one in scene.told
            if isinstance(one, Happened) and isinstance(one.event, kind)]


def test_it_introduces_itself_as_the_xapp_will_call_it() -> None:
    scene = Scene("srsran").connect()
    assert [one.name for one in scene.stations.stations] == [scene.agent.name]
    assert scene.agent.ready("du")
    assert scene.agent.ready("cu_cp")


@pytest.mark.parametrize(("profile", "units"), [
    ("srsran", {"DU 0", "CU-CP"}), ("oai", {"whole"}), ("flexric", {"whole"})])
def test_its_units_are_what_the_ric_takes_them_for(profile: str, units: set[str]) -> None:
    scene = Scene(profile).connect()
    assert {str(one) for one in scene.nodes.nodes[scene.key].members} == units


def test_subscriptions_are_refused_as_told_and_taken_again_when_not() -> None:
    scene = Scene("spec")
    scene.agent.faults.add(Fault.REFUSE_SUBSCRIPTIONS)
    scene.connect().run(2.0)
    assert len(happened(scene, SubscriptionRefused)) == 3
    assert scene.reports == 0
    assert scene.agent.subscribed == 0
    scene.agent.faults.clear()
    scene.return_().run(2.0)
    assert scene.agent.subscribed == 3
    assert scene.reports > 0


def test_lost_indications_are_noticed_where_they_are_numbered() -> None:
    scene = Scene("spec", period=100)
    scene.agent.faults.add(Fault.DROP_INDICATIONS)
    scene.connect().run(10.0)
    assert 40 < scene.agent.counts.dropped < 150
    lost = scene.observer.counters.lost
    # Nothing after the last ones tells that they are lost.
    assert scene.agent.counts.dropped - 30 <= lost <= scene.agent.counts.dropped


def test_doubled_and_late_indications_are_noticed() -> None:
    for fault in (Fault.DUPLICATE_INDICATIONS, Fault.DELAY_INDICATIONS):
        scene = Scene("spec", period=100)
        scene.agent.faults.add(fault)
        scene.connect().run(10.0)
        assert scene.observer.counters.doubled > 30, fault


def test_a_ue_that_nobody_knows_is_reported() -> None:
    scene = Scene("oai")
    scene.agent.faults.add(Fault.UNKNOWN_UE)
    scene.connect().run(2.0)
    names = {key.ue for key in scene.observations().ues}
    assert "oai:4000000000" in names
    assert len(names) == 1 + len(scene.ran.ues)


def test_a_control_fails_as_told_and_nothing_is_done() -> None:
    scene = Scene("spec").connect().run(1.0)
    scene.agent.faults.add(Fault.CONTROL_FAILURE)
    answer = scene.quota(QUOTA)
    assert (answer.answered, answer.acknowledged) == (True, False)
    assert scene.share() == Share()


def test_an_acknowledgement_without_effect() -> None:
    scene = Scene("spec").connect().run(1.0)
    scene.agent.faults.add(Fault.NO_EFFECT)
    assert scene.quota(QUOTA).acknowledged
    assert scene.share() == Share()


@pytest.mark.parametrize("fault", [Fault.LATE_ACK, Fault.NO_ACK])
def test_an_effect_whose_acknowledgement_comes_late_or_never(fault: Fault) -> None:
    scene = Scene("spec").connect().run(1.0)
    scene.agent.faults.add(fault)
    answer = scene.quota(QUOTA)
    assert not answer.answered
    assert scene.share() == Share(30, 100, 0)
    acks = len(scene.to_ric)
    scene.run(2.0)
    late = [one for one in scene.to_ric[acks:] if not isinstance(decode(one.data), Indication)]
    assert len(late) == (fault is Fault.LATE_ACK)


def test_a_node_that_dies_on_a_control_is_back_with_other_numbers() -> None:
    scene = Scene("spec").connect().run(2.0)
    before = [one.function.id for one in scene.nodes.carriers(scene.key, KPM_OIDS)]
    ues = {one.f1_id for one in scene.ran.ues}
    scene.agent.faults.add(Fault.DIE_ON_CONTROL)
    assert not scene.quota(QUOTA).answered
    assert scene.ends is not None
    scene.agent.faults.clear()
    scene.return_().run(2.0)
    assert any(isinstance(one, NodeLost) for one in scene.told)
    assert before != [one.function.id for one in scene.nodes.carriers(scene.key, KPM_OIDS)]
    assert ues.isdisjoint(one.f1_id for one in scene.ran.ues)
    assert {int(key.ue.split(":")[1]) for key in scene.observations().ues} == {
        one.f1_id for one in scene.ran.ues}
    assert scene.quota(QUOTA).acknowledged
    assert scene.share(LLM) == Share(30, 100, 0)


def test_garbage_ends_nothing() -> None:
    scene = Scene("spec")
    scene.agent.faults.add(Fault.GARBAGE)
    scene.connect().run(3.0)
    assert len(happened(scene, Garbage)) > 5
    assert len(happened(scene, Indicated)) > 5
    assert scene.observations().ues


def test_a_deleted_subscription_is_silent() -> None:
    scene = Scene("spec").connect().run(1.0)
    for message in list(scene.agent.subscriptions("du")):
        scene.by_hand("du", SubscriptionDeleteRequest(message.request, message.function))
    assert scene.agent.subscribed == 0
    before = scene.agent.counts.indications
    scene.run(3.0)
    assert scene.agent.counts.indications == before


def test_after_a_pause_there_is_no_burst() -> None:
    scene = Scene("spec", period=100).connect().run(1.0)
    before = scene.agent.counts.indications
    scene.now += 5.0  # as a process that was stopped
    scene.run(0.0)
    assert scene.agent.counts.indications - before <= 2 * scene.agent.subscribed


@pytest.mark.parametrize(("details", "cause"), [
    (SubscriptionDetails(b"", (Action(1, definition=b"\0"),)),
     RicRequestCause.EVENT_TRIGGER_NOT_SUPPORTED),
    (SubscriptionDetails(bytes.fromhex("0803e7"), (Action(1, definition=b"\xff" * 9),)),
     RicRequestCause.EVENT_TRIGGER_NOT_SUPPORTED),
    (SubscriptionDetails(bytes.fromhex("0803e7"), (Action(1),)),
     RicRequestCause.ACTION_NOT_SUPPORTED),
    # One millisecond.
    (SubscriptionDetails(bytes.fromhex("0800"), (Action(1),)),
     RicRequestCause.EVENT_TRIGGER_NOT_SUPPORTED)])
def test_subscriptions_that_cannot_be_are_refused(
    details: SubscriptionDetails, cause: RicRequestCause
) -> None:
    scene = Scene("spec").connect()
    scene.by_hand("du", SubscriptionRequest(RequestId(5, 5), 2, details))
    answers = [decode(one.data) for one in scene.to_ric]
    assert [one.cause for one in answers if isinstance(one, SubscriptionFailure)] == [cause]


def test_a_function_without_reports_is_refused() -> None:
    scene = Scene("spec").connect()
    scene.by_hand("du", SubscriptionRequest(RequestId(5, 5), 3, SubscriptionDetails(
        b"\0", (Action(1),))))
    answers = [decode(one.data) for one in scene.to_ric]
    assert [one.cause for one in answers if isinstance(one, SubscriptionFailure)] == [
        RicRequestCause.ACTION_NOT_SUPPORTED]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=5), st.integers(0, 2**16), st.data())
def test_hostile_bytes_never_raise_nor_end_it(
    pieces: list[bytes], seed: int, data: st.DataObject
) -> None:
    scene = Scene("spec").connect().run(0.5)
    sent = [one for one in scene.to_node if len(one) > 4]
    for piece in pieces:
        scene.raw("du", piece)
    broken = bytearray(data.draw(st.sampled_from(sent)))
    broken[seed % len(broken)] ^= 1 << seed % 8
    scene.raw("du", bytes(broken))
    scene.raw("du", data.draw(st.sampled_from(sent))[:seed % 40])
    scene.run(0.5)
    assert scene.ends is None


def test_nothing_is_said_without_an_association() -> None:
    config = preset("spec")
    agent = E2Agent(config.node, FluidCells(config.cells), random.Random(1), 0.0)
    assert agent.tick(5.0) == []
    assert agent.receive("du", b"\0", 0, 5.0) == []
    assert not agent.ready("du")
    assert agent.next_deadline() is None
