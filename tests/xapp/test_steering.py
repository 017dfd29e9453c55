"""Steering as a whole: the store, the kill switch, start and exit; against a made-up station."""

from __future__ import annotations

import pytest

from tests.xapp.steering_scene import (
    FREE,
    LLM,
    REST,
    WISH,
    Scene,
    wish,
)
from xapp.actuators.registry import ActuatorConfig
from xapp.events import Code, Level
from xapp.observations import Quota
from xapp.steering_types import AtExit, Remember, SendStep, SteeringConfig
from xapp.store_records import Kind

ONLY_REMOTE = ActuatorConfig(remote=True, off=("ccc_slice_quota", "rc_slice_quota"))


def test_an_intent_is_on_disk_before_the_node_is_told() -> None:
    scene = Scene(actuators=ONLY_REMOTE)
    scene.commits = False
    scene.decide()
    assert scene.sent == []
    assert [record.kind for record in scene.records if record.kind is not Kind.EVENT] == [
        Kind.DECISION, Kind.TARGET, Kind.TARGET, Kind.ACTION]
    commands = scene.steering.committed(scene.tickets[0], scene.now)
    kinds = [type(command) for command in commands]
    assert kinds == [Remember, SendStep]


@pytest.mark.parametrize(("why", "said"), [
    ("", "pulled the kill switch. Everything"), (" ", "pulled the kill switch. Everything"),
    ("a test", "pulled the kill switch: a test. Everything"),
    ("It swings.", "pulled the kill switch: It swings. Everything")])
def test_why_the_kill_switch_was_pulled_is_said_where_there_is_a_reason(why: str, said: str
                                                                        ) -> None:
    scene = Scene()
    scene.do(scene.steering.kill("anna", why, scene.now))
    assert [one.sentence for one in scene.events] == [
        f"anna {said} is put as it was found."]


def test_the_kill_switch_puts_back_what_was_found_and_holds_until_released() -> None:
    scene = Scene(actuators=ONLY_REMOTE)
    scene.station.slices = {LLM: Quota(5, 90, 0), REST: Quota(10, 95, 0)}
    scene.steering.config = scene.config = SteeringConfig(
        found={LLM: Quota(5, 90, 0), REST: Quota(10, 95, 0)})
    scene.steering = scene.new_steering(1)
    scene.do(scene.steering.node(scene.facts, scene.now))
    scene.report()
    scene.decide()
    scene.wait(4)
    assert scene.station.slices == WISH
    scene.do(scene.steering.kill("operator", "the cell is needed.", scene.now))
    scene.wait(6)
    assert scene.station.slices == {LLM: Quota(5, 90, 0), REST: Quota(10, 95, 0)}
    assert scene.steering.quiet
    sent = len(scene.sent)
    scene.decide(wish(minimum=80))
    scene.wait(3)
    assert len(scene.sent) == sent
    assert scene.ends()[-1] == "failed"
    scene.do(scene.steering.release("operator", scene.now))
    scene.decide(wish(minimum=80))
    scene.wait(5)
    assert scene.station.slices[LLM] == Quota(80, 100, 0)


@pytest.mark.parametrize("answer", ["ack", "silence"])
def test_the_kill_switch_in_the_middle_of_an_action(answer: str) -> None:
    scene = Scene(actuators=ONLY_REMOTE)
    scene.answers = lambda sent: answer if len(scene.sent) == 1 else "ack"
    scene.decide()
    scene.do(scene.steering.kill("operator", "now.", scene.now))
    scene.wait(12)
    assert scene.station.slices == {LLM: FREE, REST: FREE}
    assert scene.ends() == ["superseded"]
    assert scene.steering.quiet


def test_at_exit_what_was_found_is_put_back() -> None:
    scene = Scene(SteeringConfig(at_exit=AtExit.RESTORE), actuators=ONLY_REMOTE)
    scene.decide()
    scene.wait(4)
    scene.do(scene.steering.stop(scene.now))
    assert not scene.steering.quiet
    scene.wait(6)
    assert scene.steering.quiet
    assert scene.station.slices == {LLM: FREE, REST: FREE}


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_what_is_put_back_in_the_middle_of_a_second_action_is_what_was_found(how: str) -> None:
    """And not what the first one set, which the lane would have gone back to by itself."""
    scene = Scene(actuators=ONLY_REMOTE)
    scene.decide(wish(minimum=60))
    scene.wait(4)
    scene.station.deaf.add("remote")  # acknowledged, and not to be seen yet
    scene.decide(wish(minimum=80))
    scene.wait(0.5)
    assert not scene.steering.quiet
    scene.station.deaf.clear()
    scene.do(scene.steering.stop(scene.now) if how == "stop"
             else scene.steering.kill("operator", "now.", scene.now))
    scene.wait(6)
    assert scene.steering.quiet
    assert scene.station.slices == {LLM: FREE, REST: FREE}


def test_at_exit_what_is_confirmed_may_be_left_and_what_is_not_is_undone() -> None:
    scene = Scene(SteeringConfig(at_exit=AtExit.LEAVE), actuators=ONLY_REMOTE)
    scene.decide(wish(minimum=60))
    scene.wait(4)
    scene.decide(wish(minimum=80))
    scene.do(scene.steering.stop(scene.now))
    scene.wait(8)
    assert scene.steering.quiet
    assert scene.station.slices[LLM] == Quota(60, 100, 0)


def test_nothing_is_sent_while_nothing_can_be_kept() -> None:
    scene = Scene(actuators=ONLY_REMOTE)
    scene.do(scene.steering.store_down("the disk is full", scene.now))
    scene.decide(wish(minimum=60))
    scene.decide(wish(minimum=70))
    scene.wait(5)
    assert scene.sent == []
    assert scene.codes()[0] is Code.STORE_DOWN
    scene.do(scene.steering.store_up(scene.now))
    scene.wait(5)
    assert scene.ends() == ["superseded", "confirmed"]
    assert scene.station.slices[LLM] == Quota(70, 100, 0)


def test_the_kill_switch_works_even_when_nothing_can_be_kept() -> None:
    scene = Scene(actuators=ONLY_REMOTE)
    scene.decide()
    scene.wait(4)
    scene.commits = False
    scene.do(scene.steering.store_down("the disk is full", scene.now))
    scene.do(scene.steering.kill("operator", "now.", scene.now))
    scene.wait(6)
    assert scene.station.slices == {LLM: FREE, REST: FREE}


def test_a_clock_that_jumps_ahead_or_back_ends_no_action_wrongly() -> None:
    scene = Scene(actuators=ONLY_REMOTE)
    scene.decide()
    scene.do(scene.steering.tick(scene.now - 1e6))  # it never goes back
    scene.wait(4)
    assert scene.outcomes() == ["confirmed"]
    scene.now += 1e6
    scene.report()
    scene.do(scene.steering.tick(scene.now))
    assert scene.station.slices == WISH
    assert scene.steering.quiet


def test_a_node_that_is_not_there_is_not_waited_for() -> None:
    scene = Scene()
    scene.lose_node()
    scene.decide()
    assert scene.ends() == ["failed"]


def test_every_event_of_a_bad_end_is_a_warning_at_least() -> None:
    scene = Scene()
    scene.station.deaf = {"ccc", "remote", "rc"}
    scene.decide()
    scene.wait(40)
    bad = [event for event in scene.events if event.code in (
        Code.NO_EFFECT, Code.ROLLED_BACK, Code.NO_ACTUATOR)]
    assert bad
    assert all(event.level is not Level.INFO and event.sentence.endswith((".", "send."))
               for event in bad)
    assert {record.body["code"] for record in scene.of(Kind.EVENT)} == {
        event.code.value for event in scene.events}  # all are in the audit log too
