"""From E2 bytes that come in to E2 bytes that go out, and what operators and the store hear."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.xapp.core_scene import ADDRESS, CELL, NODE, START, Gnb, Scene, ran
from tests.xapp.steering_scene import LLM, REST
from xapp.a1_types import SLICE_POLICY
from xapp.actuators.registry import ActuatorConfig
from xapp.actuators.targets import SliceTarget
from xapp.base_stations_config import NodeConfig, RanConfig
from xapp.core import MOST_EVENTS, Core
from xapp.core_config import CoreConfig
from xapp.e2.rc_quota import read_slice_quota
from xapp.errors import NotFound, PolicyError
from xapp.events import Code, Level, info
from xapp.looking import LOOKS_IN_A_ROW
from xapp.observations import Quota
from xapp.slice_policy import SlicePolicy
from xapp.steering_types import SteeringConfig
from xapp.store import Down, Dropped, NotCommitted, Up
from xapp.store_records import Held, Kind, Left
from xapp.ue_map import Origin, UeEntry


def quotas_sent(gnb: Gnb) -> dict[int | None, tuple[int, int]]:
    """Minimum and dedicated of the last control, by the slice's differentiator."""
    return {one.slice.sd: (one.minimum, one.dedicated)
            for one in read_slice_quota(gnb.profile, gnb.controls[-1].message)}


def test_a_labelled_flow_gets_a_guarantee_that_reports_confirm() -> None:
    scene = Scene()
    gnb = scene.steer(Gnb())
    assert len(gnb.controls) == 1
    assert gnb.station.slices[LLM].minimum >= scene.config.limits.first_guess
    assert gnb.station.slices[REST].minimum >= scene.config.limits.floor
    assert scene.ends() == []  # acknowledged, which proves nothing
    scene.wait(1.0)
    assert scene.ends() == ["confirmed"]
    assert Code.CONFIRMED in scene.codes()
    assert scene.core.tally.ends == {"confirmed": 1}
    assert scene.core.tally.controls == {("rc", "acknowledged"): 1}
    held = {snssai: quota for snssai, (quota, _) in scene.core.steering.quotas(CELL).items()}
    assert held == gnb.station.slices  # what it believes is what is in force


def test_on_oai_what_is_guaranteed_is_dedicated() -> None:
    scene = Scene("oai")
    gnb = scene.steer(Gnb("oai"))
    minimum, dedicated = quotas_sent(gnb)[LLM.sd]
    assert dedicated == minimum >= scene.config.limits.first_guess
    scene.wait(1.0)
    assert scene.ends() == ["confirmed"]


def test_on_srsran_the_flows_ue_is_named() -> None:
    scene = Scene("srsran")
    gnb = scene.steer(Gnb("srsran"))
    assert gnb.station.ues[1].minimum >= scene.config.limits.first_guess
    assert set(gnb.station.slices.values()) == {Quota()}


def adopted(tapped: bool) -> tuple[Scene, Gnb]:
    """An earlier run left a guarantee, and its base station is there again."""
    scene, gnb = Scene(config=CoreConfig(ran=ran(), tapped=tapped)), Gnb()
    held = Held(SliceTarget(CELL, LLM), Quota(), Quota(30), Quota(30), "rc_slice_quota", True)
    scene.core.start(Left((held,)), (), scene.now)
    gnb.station.slices[LLM] = Quota(30)
    scene.map()
    scene.open(gnb)
    return scene, gnb


@pytest.mark.parametrize("tapped", [True, False])
def test_what_was_adopted_is_held_until_a_tap_speaks_or_is_given_up(tapped: bool) -> None:
    scene, gnb = adopted(tapped)
    scene.wait(scene.config.limits.abandon - 20)
    assert gnb.station.slices[LLM] == (Quota(30) if tapped else Quota())
    scene.wait(40.0)
    assert gnb.station.slices[LLM] == Quota()


def test_what_was_adopted_goes_back_once_a_tap_knows_of_no_flow() -> None:
    scene, gnb = adopted(tapped=True)
    scene.wait(30.0)
    assert gnb.station.slices[LLM] == Quota(30)
    scene.tap_lives()
    scene.wait(20.0)
    assert gnb.station.slices[LLM] == Quota()


def test_quotas_rest_for_the_hold_time_after_they_were_confirmed() -> None:
    scene = Scene()
    gnb = scene.steer(Gnb())
    scene.wait(scene.config.limits.pause - 0.5)  # more is needed all the while
    assert scene.ends() == ["confirmed"]
    assert len(gnb.controls) == 1
    scene.wait(3.0)
    assert len(gnb.controls) == 2


def test_what_is_believed_is_what_the_base_station_has_all_along() -> None:
    scene = Scene()
    gnb = scene.steer(Gnb())
    for _ in range(40):
        scene.wait(1.0)
        if not scene.core.steering.busy(CELL):
            held = {snssai: quota for snssai, (quota, _) in
                    scene.core.steering.quotas(CELL).items()}
            assert held == gnb.station.slices
        assert sum(one.minimum for one in gnb.station.slices.values()) <= 100
        assert gnb.station.slices[REST].minimum >= scene.config.limits.floor


def test_without_a_label_or_a_map_nothing_is_sent() -> None:
    scene = Scene()
    gnb = Gnb()
    scene.open(gnb)
    scene.wait(5.0)
    assert gnb.controls == []
    scene.label()  # whose address nobody knows
    scene.wait(2.0)
    assert gnb.controls == []
    scene.map()
    scene.wait(2.0)
    assert len(gnb.controls) == 1


def test_a_doubtful_label_moves_nothing() -> None:
    scene = Scene()
    scene.map()
    gnb = Gnb()
    scene.open(gnb)
    scene.wait(1.0)
    scene.label(confidence=0.5)
    scene.wait(2.0)
    assert gnb.controls == []


def test_a_dry_run_decides_and_sends_nothing_and_can_be_ended() -> None:
    scene = Scene(config=CoreConfig(ran=ran(), steering=SteeringConfig(dry_run=True)))
    gnb = scene.steer(Gnb())
    scene.wait(3.0)
    assert gnb.controls == []
    assert set(scene.ends()) == {"recorded"}
    assert Code.WOULD_SEND in scene.codes()
    scene.core.set_dry_run(False, "anna", scene.now)
    scene.wait(2.0)
    assert len(gnb.controls) == 1
    assert [one.who for one in scene.of(Kind.MODE)] == ["anna"]


def test_the_kill_switch_puts_back_what_was_found_until_it_is_released() -> None:
    scene = Scene()
    gnb = scene.steer(Gnb())
    scene.wait(1.0)
    scene.core.kill("anna", "A test.", scene.now)
    scene.wait(3.0)
    assert gnb.station.slices == {LLM: Quota(), REST: Quota()}
    sent = len(gnb.controls)
    scene.wait(20.0)
    assert len(gnb.controls) == sent
    scene.core.release("anna", scene.now)
    scene.wait(10.0)
    assert gnb.station.slices[LLM].minimum > 0


def test_nothing_is_sent_before_the_intent_is_on_disk() -> None:
    scene = Scene()
    scene.commits = False
    gnb = scene.steer(Gnb())
    assert gnb.controls == []
    scene.core.stored(Down("the disk is full"), scene.now)
    scene.wait(8.0)
    assert gnb.controls == []
    assert scene.core.store_why == "the disk is full"
    assert Code.STORE_DOWN in scene.codes()
    scene.commits = True
    scene.core.stored(Up(), scene.now)
    scene.wait(15.0)
    assert scene.core.store_why is None
    assert gnb.controls


def test_a_store_that_takes_no_more_stops_the_action_and_not_the_core() -> None:
    scene = Scene()
    scene.takes = False
    gnb = scene.steer(Gnb())
    scene.wait(2.0)
    assert gnb.controls == []
    scene.takes = True
    scene.wait(20.0)
    assert gnb.controls


def test_what_the_store_refuses_or_drops_is_told() -> None:
    scene = Scene()
    scene.core.stored(NotCommitted("nobody's", "it is full"), scene.now)
    scene.core.stored(Dropped("samples", 12), scene.now)
    assert scene.sentences(Code.STORE_DROPPED) == ["12 records were not kept: samples."]


@pytest.mark.parametrize(("answer", "code", "counted"), [
    ("refuse", Code.CONTROL_REFUSED, "refused"), ("nothing", Code.CONTROL_UNANSWERED, "silent"),
    ("ack without effect", Code.NO_EFFECT, "acknowledged")])
def test_a_control_without_an_effect_is_told_and_never_confirmed(
    answer: str, code: Code, counted: str
) -> None:
    scene = Scene()
    gnb = Gnb(answer=answer)
    gnb.station.deaf = {"rc"}
    scene.steer(gnb)
    scene.wait(12.0)
    assert code in scene.codes()
    assert scene.core.tally.controls["rc", counted] >= 1
    assert "confirmed" not in scene.ends()
    assert gnb.station.slices == {LLM: Quota(), REST: Quota()}


def test_a_base_station_that_dies_between_is_steered_again_when_it_is_back() -> None:
    scene = Scene()
    gnb = Gnb(answer="nothing")
    scene.steer(gnb)
    assert len(gnb.controls) == 1
    scene.close(1)
    assert scene.ends() == ["failed"]
    assert Code.NODE_LOST in scene.codes()
    scene.wait(1.0)
    again = Gnb()
    scene.open(again)
    scene.wait(20.0)
    assert again.controls
    assert again.station.slices == {
        snssai: quota for snssai, (quota, _) in scene.core.steering.quotas(CELL).items()}


def test_the_end_puts_back_what_was_found() -> None:
    scene = Scene()
    gnb = scene.steer(Gnb())
    scene.wait(1.0)
    scene.core.stop(scene.now)
    scene.wait(5.0)
    assert scene.core.steering.quiet
    assert gnb.station.slices == {LLM: Quota(), REST: Quota()}


def test_a_flow_that_is_over_gives_its_guarantee_back() -> None:
    scene = Scene()
    gnb = scene.steer(Gnb())
    scene.wait(2.0)
    scene.label(ended=True, sequence=2)
    scene.wait(60.0)
    assert gnb.station.slices[LLM].minimum == 0


def test_the_same_wish_is_not_uttered_again_before_its_time() -> None:
    config = CoreConfig(ran=ran(), repeat_every=10.0,
                        actuators=ActuatorConfig(off=("rc_slice_quota",)))  # and it has no other
    scene = Scene(config=config)
    scene.steer(Gnb())
    scene.wait(9.0)
    assert len(scene.of(Kind.DECISION)) == 1
    scene.wait(2.0)
    assert len(scene.of(Kind.DECISION)) == 2


def test_a_dry_run_records_a_decision_once_until_it_is_another() -> None:
    scene = Scene(config=CoreConfig(ran=ran(), steering=SteeringConfig(dry_run=True)))
    scene.steer(Gnb())
    scene.wait(60.0)
    assert len(scene.of(Kind.DECISION)) == len(scene.of(Kind.DECISION_ENDED)) == 1
    scene.core.put_policy(SLICE_POLICY, "floor", {"floors": {str(REST): 60}}, "anna", scene.now,
                          7.0)
    scene.wait(60.0)
    assert len(scene.of(Kind.DECISION)) == 2


def test_a_tap_that_falls_silent_is_told_once_and_freezes_quotas() -> None:
    scene = Scene()
    gnb = scene.steer(Gnb())
    scene.wait(1.0)
    sent = len(gnb.controls)
    scene.wait(30.0, tap=False)
    assert scene.codes().count(Code.TAP_SILENT) == 1
    assert len(gnb.controls) == sent
    scene.wait(2.0)
    assert scene.sentences(Code.TAP_HEARD)[-1] == "A tap speaks again."


def test_labels_that_never_came_are_told() -> None:
    scene = Scene()
    scene.label()
    scene.tap_lives(sequence=1, labels=1)
    scene.tap_lives(sequence=2, labels=6)
    assert scene.sentences(Code.LABELS_LOST) == [
        "5 messages of taps never came: what they said of flows is doubted."]


def test_a_map_that_is_too_old_is_forgotten_and_told() -> None:
    scene = Scene()
    scene.core.mapped(Origin.CORE, [UeEntry(ADDRESS, slice=LLM)], scene.now)
    scene.core.tick(scene.now + 61.0)
    assert Code.MAP_FAILED in scene.codes()
    assert scene.core.ue_map.of_address(ADDRESS) is None


def test_a_policy_of_an_operator_is_kept_and_told_until_it_is_removed() -> None:
    scene = Scene()
    body = {"floors": {str(REST): 60}}
    scene.core.put_policy(SLICE_POLICY, "floor", body, "anna", scene.now, 7.0)
    kept = scene.of(Kind.POLICY)[0]
    assert (kept.subject, kept.who) == (f"{SLICE_POLICY}/floor", "anna")
    assert kept.body == {"type_id": SLICE_POLICY, "instance": "floor", "policy": body}
    gnb = scene.steer(Gnb())
    assert gnb.station.slices[REST].minimum >= 60
    scene.core.delete_policy(SLICE_POLICY, "floor", "bert", scene.now)
    assert [(one.subject, one.who) for one in scene.of(Kind.POLICY_REMOVED)] == [
        (f"{SLICE_POLICY}/floor", "bert")]
    assert scene.core.policies == scene.config.policies


def test_a_policy_that_is_refused_is_not_kept() -> None:
    scene = Scene()
    with pytest.raises(PolicyError):
        scene.core.put_policy(SLICE_POLICY, "bad", {"no": "such field"}, "anna", scene.now, 0.0)
    with pytest.raises(NotFound):
        scene.core.delete_policy(SLICE_POLICY, "bad", "anna", scene.now)
    assert scene.of(Kind.POLICY) == scene.of(Kind.POLICY_REMOVED) == []


def test_policies_of_the_last_run_are_in_force_again() -> None:
    scene = Scene()
    body = {"floors": {str(REST): 60}}
    scene.core.start(Left(), [(SLICE_POLICY, "floor", body, "anna", 7.0)], scene.now)
    assert [one.floors for one in scene.core.a1.policies()] == [{REST: 60}]
    assert scene.core.a1.instances(SLICE_POLICY)[0].created == 7.0
    assert scene.of(Kind.POLICY) == []  # the store has it already


def test_what_keeps_a_policy_from_being_in_effect_is_told_as_it_changes() -> None:
    scene = Scene()
    scene.core.put_policy(SLICE_POLICY, "chat", {"priority": 5}, "anna", scene.now, 7.0)
    scene.wait(1.0)
    assert "no flow" in scene.core.a1.instances(SLICE_POLICY)[0].reason
    scene.steer(Gnb())
    scene.core.set_dry_run(True, "anna", scene.now)
    scene.wait(3.0)
    shown = scene.core.a1.instances(SLICE_POLICY)[0]
    assert (shown.in_effect, shown.reason) == (False, "this is a dry run")


def test_a_policy_of_the_last_run_that_no_longer_fits_is_left_out_and_told() -> None:
    scene = Scene()
    scene.core.start(Left(), [(4711, "old", {}, "anna", 0.0)], scene.now)
    assert "old" in scene.sentences(Code.POLICY)[0]
    assert scene.core.policies == scene.config.policies


def test_policies_of_the_configuration_are_checked_at_once() -> None:
    with pytest.raises(PolicyError, match="Two policies"):
        Scene(config=CoreConfig(policies=(SlicePolicy("a"), SlicePolicy("a"))))


def test_the_remote_control_of_a_base_station_is_told_and_asked() -> None:
    actuators = replace(CoreConfig().actuators, order=("websocket_slice_quota",))
    scene = Scene("srsran", CoreConfig(ran=ran("srsran"), actuators=actuators))
    scene.core.remote(NODE, True, scene.now)
    scene.steer(Gnb("srsran"))
    call, step = scene.remote_calls[0]
    assert step.node == NODE
    scene.core.remote_answered(call, "websocket", False, "it says no", scene.now)
    assert scene.core.tally.controls["websocket", "refused"] == 1
    scene.core.remote(NODE, False, scene.now, "it hung up")
    assert [code for code in scene.codes() if code.name.startswith("REMOTE")] == [
        Code.REMOTE_UP, Code.REMOTE_DOWN]


def test_a_remote_control_is_due_until_it_is_connected() -> None:
    node = NodeConfig("*", "srsran", {CELL.cell: 106}, remote="ws://192.0.2.1:8001")
    scene = Scene("srsran", CoreConfig(ran=RanConfig((node,), (LLM, REST))))
    scene.open(Gnb("srsran"))
    seen = []
    for connected in (None, True, False):
        if connected is not None:
            scene.core.remote(NODE, connected, scene.now)
        known = scene.core.stations.facts(NODE)
        assert known is not None
        seen.append((known.remote, known.remote_due))
    assert seen == [(False, True), (True, False), (False, True)]


def test_the_time_to_an_answer_and_of_what_led_to_it_is_handed_over() -> None:
    scene = Scene()
    seconds: list[float] = []
    arrived: list[float] = []
    scene.core.tally.acknowledgement = seconds.append
    scene.core.tally.control_sent = arrived.append
    scene.steer(Gnb())
    assert seconds == [0.0]
    assert arrived == [scene.now]


def test_reports_of_one_moment_are_looked_at_at_once_and_many_more_together() -> None:
    scene = Scene()
    scene.open(Gnb())
    scene.wait(1.0)
    every = scene.config.evaluate_every
    scene.now += every * 10
    scene.report()
    assert scene.core.observations.now == scene.now
    for _ in range(LOOKS_IN_A_ROW + 5):
        last = scene.core.observations.now
        scene.now += every / 100
        scene.report()
    assert scene.core.observations.now == last < scene.now
    due = scene.core.next_deadline()
    assert last < due <= last + every * 1.1
    scene.now = due
    scene.core.tick(scene.now)
    assert scene.core.observations.now == scene.now


def test_looks_are_on_average_as_far_apart_as_is_configured() -> None:
    scene = Scene()
    scene.open(Gnb())
    scene.wait(1.0)
    every, began, looks = scene.config.evaluate_every, scene.now, set()
    while scene.now < began + 100 * every:
        scene.now += every / 7
        scene.report()
        scene.core.tick(scene.now)
        looks.add(scene.core.observations.now)
    assert 90 <= len(looks) <= 100 + LOOKS_IN_A_ROW + 1


def test_once_a_second_what_is_observed_is_sampled() -> None:
    scene = Scene()
    scene.steer(Gnb())
    scene.samples.clear()
    scene.wait(5.0)
    assert len([one for one in scene.samples if one.kind == "cell"]) == 5
    assert {one.kind for one in scene.samples} == {"cell", "slice", "ue", "flow"}


def test_events_are_counted_kept_and_bounded() -> None:
    scene = Scene()
    for number in range(MOST_EVENTS + 5):
        scene.core.tell(info(Code.FAULT, f"{number}"), scene.now)
    assert scene.core.tally.events[Level.INFO.value] == MOST_EVENTS + 5
    assert len(scene.core.events) == MOST_EVENTS
    assert scene.core.events[-1][1].sentence == f"{MOST_EVENTS + 4}"


def test_a_new_core_is_due_at_once() -> None:
    scene = Scene()
    assert isinstance(scene.core, Core)
    assert scene.core.next_deadline() <= START
