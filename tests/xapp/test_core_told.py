"""What operators and the store hear from the core: of taps, maps, policies and remote controls."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.xapp.core_scene import ADDRESS, CELL, NODE, Gnb, Scene, ran
from tests.xapp.steering_scene import LLM, REST
from xapp.a1_types import SLICE_POLICY
from xapp.base_stations_config import NodeConfig, RanConfig
from xapp.core import MOST_EVENTS
from xapp.core_config import CoreConfig
from xapp.errors import NotFound, PolicyError
from xapp.events import Code, Level, info
from xapp.slice_policy import SlicePolicy
from xapp.store import Dropped, NotCommitted
from xapp.store_records import Kind, Left
from xapp.ue_map import Origin, UeEntry


def test_what_the_store_refuses_or_drops_is_told() -> None:
    scene = Scene()
    scene.core.stored(NotCommitted("nobody's", "it is full"), scene.now)
    scene.core.stored(Dropped("samples", 12), scene.now)
    assert scene.sentences(Code.STORE_DROPPED) == ["12 records were not kept: samples."]


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


def test_events_are_counted_kept_and_bounded() -> None:
    scene = Scene()
    for number in range(MOST_EVENTS + 5):
        scene.core.tell(info(Code.FAULT, f"{number}"), scene.now)
    assert scene.core.tally.events[Level.INFO.value] == MOST_EVENTS + 5
    assert len(scene.core.events) == MOST_EVENTS
    assert scene.core.events[-1][1].sentence == f"{MOST_EVENTS + 4}"
