"""Putting back: after a node's return, and after the xApp's own end at any moment."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.xapp.steering_scene import (
    FREE,
    LLM,
    NODE,
    REST,
    WISH,
    Scene,
    facts,
    wish,
)
from xapp.actuators.registry import ActuatorConfig
from xapp.events import Code
from xapp.observations import Quota, UeKey
from xapp.steering_types import AtStart, SteeringConfig

ONLY_REMOTE = ActuatorConfig(remote=True, off=("ccc_slice_quota", "rc_slice_quota"))


def test_a_node_that_dies_between_order_and_answer_and_returns_with_other_numbers() -> None:
    scene = Scene(kind="srsran", actuators=ActuatorConfig())
    scene.answers = lambda sent: "silence"
    scene.decide(wish(ues=(UeKey(NODE, "du:1"),)))
    assert len(scene.sent) == 1
    scene.lose_node()
    assert scene.outcomes() == ["lost"]
    assert scene.ends() == ["failed"]
    assert Code.NODE_LOST_MIDWAY in scene.codes()
    scene.station.restart()
    scene.answers = lambda sent: "ack"
    scene.return_node(ues=(7, 8))
    scene.wait(100, step=2)
    assert len(scene.sent) == 1  # nothing is sent to numbers that are nobody's
    assert Code.FORGOTTEN in scene.codes()
    assert scene.steering.held() == ()
    assert scene.steering.quiet


def test_a_node_that_returns_gets_what_was_confirmed() -> None:
    scene = Scene(actuators=ONLY_REMOTE)
    scene.decide()
    scene.wait(4)
    scene.lose_node()
    scene.station.restart()
    scene.return_node()
    assert not scene.steering.quiet
    scene.wait(6)
    assert scene.station.slices == WISH
    assert scene.codes()[-1] is Code.PUT_BACK
    assert scene.steering.quiet


@pytest.mark.parametrize("comes", [True, False])
def test_a_remote_control_has_time_to_connect_before_anything_is_said_to_fail(comes: bool) -> None:
    scene = Scene(kind="srsran", actuators=ONLY_REMOTE)
    scene.decide()
    scene.wait(4)
    scene.restart()
    away = replace(facts("srsran", remote=False), remote_due=True)
    scene.do(scene.steering.node(away, scene.now))
    scene.wait(0.5)
    if comes:
        scene.return_node()
    scene.wait(1)
    assert Code.PUT_BACK_FAILED not in scene.codes()
    scene.wait(6)
    assert (Code.PUT_BACK_FAILED in scene.codes()) is not comes
    assert (Code.PUT_BACK in scene.codes()) is comes
    assert scene.steering.quiet is comes


def test_a_dry_run_leaves_what_the_last_run_left() -> None:
    scene = Scene()
    scene.decide()
    scene.wait(4)
    sent = len(scene.sent)
    scene.config = SteeringConfig(dry_run=True, at_start=AtStart.RESTORE)
    scene.restart()
    scene.return_node()
    scene.wait(10)
    assert len(scene.sent) == sent


def test_the_kill_switch_stays_pulled_over_a_restart() -> None:
    scene = Scene(actuators=ONLY_REMOTE)
    scene.decide()
    scene.wait(4)
    scene.answers = lambda sent: "silence"
    scene.do(scene.steering.kill("operator", "now.", scene.now))
    scene.answers = lambda sent: "ack"
    scene.restart()
    scene.return_node()
    assert scene.steering.killed
    scene.wait(6)
    assert scene.station.slices == {LLM: FREE, REST: FREE}
    scene.decide()
    assert scene.ends()[-1] == "failed"


@pytest.mark.parametrize("at_start", list(AtStart))
@pytest.mark.parametrize("moment", ["planned", "sent", "obeyed", "acknowledged", "confirmed"])
def test_a_restart_at_any_moment_brings_belief_and_station_together(
        at_start: AtStart, moment: str) -> None:
    scene = Scene(SteeringConfig(at_start=at_start), actuators=ONLY_REMOTE)
    scene.decide(wish(minimum=60))
    scene.wait(4)
    scene.commits = moment != "planned"
    scene.answers = lambda sent: {"sent": "silence", "obeyed": "obey silently"}.get(moment, "ack")
    scene.decide(wish(minimum=80))
    if moment == "confirmed":
        scene.wait(4)
    scene.commits, scene.answers = True, lambda sent: "ack"
    scene.restart()
    scene.return_node()
    scene.wait(10)
    assert scene.steering.quiet
    assert {target: scene.real(target) for target in scene.believed()} == scene.believed()
    kept = 80 if moment == "confirmed" else 60
    assert scene.station.slices[LLM] == (
        FREE if at_start is AtStart.RESTORE else Quota(kept, 100, 0))
    assert Code.LEFT_BY_LAST_RUN in scene.codes()
    assert scene.kept().actions == ()  # no action is left without an end
