"""The xApp on a made-up OSC RIC: from the E2 manager's list to a quota shown to be in force."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.xapp.core_scene import NODE
from tests.xapp.e2.e2ap_examples import CU_CP, F1, KPM
from tests.xapp.ric.osc_ric import RAN, MadeRic
from tests.xapp.ric.osc_scene import QUIET, OscScene
from tests.xapp.steering_scene import LLM
from xapp.a1_types import SLICE_POLICY
from xapp.core_config import CoreConfig
from xapp.e2.e2ap import encode
from xapp.e2.e2ap_messages import ControlAcknowledge, E2SetupRequest
from xapp.e2.e2ap_types import RequestId
from xapp.e2.nodes import REFUSED_SECONDS
from xapp.events import Code
from xapp.ric.osc_config import OscConfig
from xapp.ric.osc_messages import (
    CONTROL,
    CONTROL_ACKNOWLEDGE,
    INDICATION,
    Answer,
    Ask,
    Call,
    RmrMessage,
)

REQUESTED, ANSWERED, QUERIED = 20010, 20011, 20012


def started(scene: OscScene | None = None) -> OscScene:
    scene = scene or OscScene()
    scene.begin()
    scene.wait(1.0)
    return scene


def steered(scene: OscScene) -> OscScene:
    """A flow of a split LLM, and time for what follows from it."""
    scene.map()
    scene.label()
    scene.wait(3.0)
    return scene


def there(scene: OscScene) -> bool:
    return any(one.there for one in scene.core.stations.stations)


def reports(scene: OscScene, seconds: float = 1.5) -> int:
    """How many come in a while."""
    before = scene.core.observer.counters.reports
    scene.wait(seconds)
    return scene.core.observer.counters.reports - before


# From a base station to a control.


def test_a_base_station_of_the_e2_manager_is_there_with_what_it_announced() -> None:
    scene = started()
    station, = scene.core.stations.stations
    assert station.there
    assert station.name == NODE
    assert Code.NODE_UP in scene.codes()
    assert scene.session.name(next(iter(scene.nodes.connections))) == RAN


def test_only_the_base_stations_that_are_named_are_taken() -> None:
    scene = started(OscScene(osc=OscConfig(rans=("gnb_001_001_000001",))))
    assert not scene.core.stations.stations


def test_what_the_base_station_refused_is_asked_of_the_manager_again_later() -> None:
    scene = OscScene()
    scene.ric.failure = {"ErrorCause": "no cell is active", "ErrorSource": "E2Node"}
    scene = started(scene)
    asked = len(scene.asked("POST"))
    scene.wait(REFUSED_SECONDS - 10)
    assert len(scene.asked("POST")) == asked
    scene.ric.failure = None
    scene.wait(20.0)
    assert len(scene.asked("POST")) == 2 * asked
    assert scene.core.observations.ues
    assert Code.REPORTS_GRANTED in scene.codes()


def test_its_reports_arrive_whose_ids_the_subscription_manager_made_up() -> None:
    scene = started()
    assert len(scene.ric.kept) == len(scene.asked("POST")) > 1
    assert scene.core.observer.counters.reports > 0
    assert scene.core.observations.ues


def test_a_decision_becomes_a_control_for_the_ran_and_its_effect_is_seen() -> None:
    scene = steered(started())
    control = next(one for one in scene.sent if one.type == CONTROL)
    assert control.meid == RAN
    assert scene.ric.gnb.controls[0].request.requestor == scene.osc.requestor
    assert scene.ric.gnb.station.slices[LLM].minimum > 0
    assert scene.core.tally.controls["rc", "acknowledged"] == len(scene.ric.gnb.controls)
    assert Code.CONFIRMED in scene.codes()


def test_a_control_that_the_base_station_refuses_is_told_as_refused() -> None:
    scene = started()
    scene.ric.gnb.answer = "refuse"
    steered(scene)
    assert scene.core.tally.controls["rc", "refused"] > 0
    assert scene.ric.gnb.station.slices[LLM].minimum == 0


def test_a_control_that_has_no_route_fails_at_once() -> None:
    scene = started()
    scene.routed = False
    scene.map()
    scene.label()
    scene.wait(scene.osc.e2.control_seconds / 2)
    assert scene.core.tally.controls["rc", "refused"] > 0
    assert any("no route" in one for one in scene.sentences(Code.RIC_TROUBLE))


def test_answers_to_other_xapps_controls_are_not_ours() -> None:
    scene = started()
    before = len(scene.said)
    other = encode(ControlAcknowledge(RequestId(7, 0), 3))
    assert scene.receive_rmr(RmrMessage(CONTROL_ACKNOWLEDGE, other, RAN)) == []
    assert scene.receive_rmr(RmrMessage(CONTROL_ACKNOWLEDGE, other, "gnb_of_others")) == []
    assert scene.session.strangers == 2
    assert len(scene.said) == before


# Base stations that come and go.


def test_a_base_station_that_is_gone_is_lost_and_its_subscriptions_are_deleted() -> None:
    scene = started()
    kept = set(scene.ric.kept)
    scene.ric.connected = False
    scene.wait(6.0)
    assert not there(scene)
    assert Code.NODE_LOST in scene.codes()
    assert {one.about for one in scene.asked("DELETE")} == kept
    scene.ric.connected = True
    scene.wait(6.0)
    assert there(scene)
    assert reports(scene) > 0


def test_one_that_was_away_between_two_looks_is_subscribed_to_anew() -> None:
    scene = started()
    scene.ric.restart()
    scene.wait(6.0)
    assert there(scene)
    assert reports(scene) > 0


def test_one_that_forgot_its_subscriptions_is_asked_again_after_a_while_of_silence() -> None:
    scene = started()
    since = scene.ric.since
    scene.ric.restart()
    scene.ric.since = since  # nobody tells that it was away
    scene.wait(QUIET - 5)
    assert reports(scene) == 0
    scene.wait(20.0)
    assert any("reported nothing" in one for one in scene.sentences(Code.NO_REPORTS))
    assert reports(scene) > 0


def test_an_e2_manager_that_is_away_takes_no_base_station_with_it() -> None:
    scene = started()
    scene.ric.manager_status = 503
    scene.wait(20.0)
    assert there(scene)
    assert len(scene.sentences(Code.RIC_TROUBLE)) == 1
    scene.ric.manager_status = 0
    scene.wait(6.0)
    assert len(scene.sentences(Code.RIC_WELL)) == 1


def test_an_e2_manager_that_says_nonsense_is_told_of_and_does_no_harm() -> None:
    scene = started()
    scene.ric.name = "gnb_of_others"  # and what it says of ours is of that
    scene.carry(scene.session.answered(
        next(one for one in scene.calls if one.ask is Ask.NODE),
        scene.ric.call(next(one for one in scene.calls if one.ask is Ask.STATES)), scene.now))
    assert there(scene)
    assert scene.sentences(Code.RIC_TROUBLE)


# A restart, and the end.


def test_a_restarted_xapp_asks_the_same_and_gets_the_same_subscriptions() -> None:
    scene = started()
    kept, asked = dict(scene.ric.kept), list(scene.ric.asked)
    scene.ric.asked.clear()
    again = started(OscScene(scene.ric))
    assert scene.ric.asked == asked
    assert scene.ric.kept == kept
    assert reports(again) > 0


def test_at_its_end_everything_is_deleted_and_it_deregisters() -> None:
    scene = started()
    for call in scene.session.stop():
        scene.ric.call(call)
    assert scene.ric.kept == {}
    assert scene.ric.deregistrations == [{"appName": "pod", "appInstanceName": "airsplit"}]
    assert scene.session.tick(scene.now) == []
    assert scene.session.rmr(RmrMessage(100, b""), scene.now, 0.0) == []


def test_what_was_being_asked_for_at_the_end_is_deleted_once_it_is_answered() -> None:
    class SlowScene(OscScene):
        def _call(self, call: Call) -> None:
            if call.ask is Ask.SUBSCRIBE:
                self.calls.append(call)  # and no answer
            else:
                super()._call(call)

    scene = started(SlowScene())
    under_way = scene.asked("POST")[0]
    assert not [one for one in scene.session.stop() if one.ask is Ask.DELETE]
    answer = scene.ric.call(under_way)
    assert scene.ric.kept
    for call in scene.session.answered(under_way, answer, scene.now):
        assert isinstance(call, Call)
        scene.ric.call(call)
    assert scene.ric.kept == {}
    assert scene.session.answered(under_way, Answer(0, b"", "no answer"), scene.now) == []
    assert scene.session.answered(under_way, Answer(201, b"{"), scene.now) == []


def test_it_registers_once_and_tries_again_where_that_fails() -> None:
    scene = OscScene()
    scene.away = "no answer in 5 s"
    started(scene)
    assert not scene.session.registered
    scene.away = None
    scene.wait(11.0)
    assert scene.session.registered
    made, = scene.ric.registrations
    assert made["rmrEndpoint"] == "service-ricxapp-airsplit-rmr.ricxapp:4560"
    assert made["appInstanceName"] == "airsplit"


# Health and A1.


def test_a_health_check_is_answered_to_its_sender() -> None:
    scene = started()
    answer, = scene.receive_rmr(RmrMessage(100, b"", origin=9))
    assert (answer.type, answer.origin) == (101, 9)


def a1(operation: str, instance: str = "chat", body: Any = None,
       kind: int = SLICE_POLICY) -> RmrMessage:
    return RmrMessage(REQUESTED, json.dumps({
        "operation": operation, "policy_type_id": kind, "policy_instance_id": instance,
        "payload": body}).encode(), origin=5)


def status(answers: list[RmrMessage]) -> str:
    answer, = [one for one in answers if one.type == ANSWERED]
    fields = json.loads(answer.payload)
    assert fields["handler_id"] == "airsplit"
    assert answer.origin == 5
    return str(fields["status"])


def test_policies_come_change_and_go_over_a1() -> None:
    scene = started()
    for operation, target in (("CREATE", 80), ("UPDATE", 60)):
        body = {"targets": {"inter_token_ms": target}}
        assert status(scene.receive_rmr(a1(operation, body=body))) == "OK"
        assert scene.core.a1.instance(SLICE_POLICY, "chat").body == body
    assert status(scene.receive_rmr(a1("DELETE"))) == "DELETED"
    assert not scene.core.a1.instances(SLICE_POLICY)
    assert status(scene.receive_rmr(a1("DELETE"))) == "DELETED"  # it is gone, as was asked
    assert status(scene.receive_rmr(a1("CREATE", body={"threshold": 5}, kind=20008))) == "OK"


def test_a_policy_that_cannot_be_acted_upon_is_an_error_and_told() -> None:
    scene = started()
    assert status(scene.receive_rmr(a1("CREATE", body={"targets": 1}))) == "ERROR"
    assert status(scene.receive_rmr(a1("CREATE", body={}, kind=4))) == "ERROR"
    assert scene.receive_rmr(RmrMessage(REQUESTED, b"{")) == []
    assert len([one for one in scene.sentences(Code.POLICY) if "cannot be done" in one]) == 3


def test_policies_are_asked_for_at_the_start_until_that_can_be_sent() -> None:
    scene = OscScene()
    scene.routed = False
    started(scene)
    asked = [one for one in scene.sent if one.type == QUERIED]
    assert [json.loads(one.payload) for one in asked] == [
        {"policy_type_id": 20008}, {"policy_type_id": SLICE_POLICY}]
    scene.routed = True
    scene.wait(30.0)
    assert [one.payload for one in scene.ric.policies] == [one.payload for one in asked]


# What a stranger may send.


def test_only_indications_and_answers_are_taken_off_the_bus() -> None:
    """A setup in the place of an indication would throw out the base station."""
    scene = started()
    setup = encode(E2SetupRequest(0, CU_CP, (KPM,), (F1,)))
    for kind in (INDICATION, CONTROL_ACKNOWLEDGE):
        scene.receive_rmr(RmrMessage(kind, setup, RAN))
    assert there(scene)
    assert len(scene.core.stations.stations) == 1
    assert reports(scene) > 0


def test_garbage_is_told_with_its_base_station() -> None:
    scene = started()
    scene.receive_rmr(RmrMessage(INDICATION, b"\xff\xff", RAN))
    assert Code.GARBAGE in scene.codes()
    assert reports(scene) > 0


@pytest.fixture(scope="module")
def quiet_scene() -> OscScene:
    return started()


@settings(max_examples=60, deadline=None)
@given(kind=st.sampled_from([100, 12041, 12042, 12050, 20010, 1]), data=st.binary(max_size=60),
       meid=st.sampled_from([RAN, "", "x"]))
def test_no_message_does_harm(quiet_scene: OscScene, kind: int, data: bytes, meid: str) -> None:
    quiet_scene.receive_rmr(RmrMessage(kind, data, meid))
    quiet_scene.carry(quiet_scene.session.notified(data, quiet_scene.now))
    assert there(quiet_scene)


def test_a_made_up_ric_forgets_what_is_deleted() -> None:
    """The fake itself: what is not kept is not indicated."""
    ric = MadeRic()
    scene = started(OscScene(ric, CoreConfig()))
    for call in scene.session.stop():
        ric.call(call)
    ric.report()
    assert ric.messages == []
