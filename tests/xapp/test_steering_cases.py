"""A decision on its way through the actuators: newer ones, rates, floors, what is left to try."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.xapp.steering_scene import (
    CELL,
    FREE,
    LLM,
    NODE,
    REST,
    Scene,
    Station,
    facts,
    kind_of,
    wish,
)
from xapp.actuators.registry import ActuatorConfig
from xapp.actuators.targets import SliceTarget, UeTarget
from xapp.decisions import Expectation, Metric
from xapp.events import Code
from xapp.observations import Quota, UeKey
from xapp.steering_types import SteeringConfig

ONLY_REMOTE = ActuatorConfig(remote=True, off=("ccc_slice_quota", "rc_slice_quota"))


def test_where_nothing_works_the_decision_ends_rolled_back_and_everything_is_as_before() -> None:
    scene = Scene()
    scene.station.deaf = {"ccc", "remote", "rc"}
    scene.decide()
    scene.wait(40)
    assert scene.ends() == ["rolled_back"]
    assert scene.station == Station(scene.station.profile, deaf=scene.station.deaf)
    assert scene.codes()[-1] is Code.NO_ACTUATOR
    assert all(held.resting and held.certain for held in scene.steering.held())


def test_a_newer_decision_replaces_one_that_waits_for_its_effect() -> None:
    scene = Scene(actuators=ONLY_REMOTE)
    scene.decide(wish(minimum=70))
    scene.decide(wish(minimum=80))
    scene.wait(5)
    assert scene.outcomes() == ["superseded", "confirmed"]
    assert scene.ends() == ["superseded", "confirmed"]
    assert not any(sent.undo for sent in scene.sent)  # it is overwritten, not undone first
    assert scene.station.slices[LLM] == Quota(80, 100, 0)


def test_a_newer_decision_waits_for_the_answer_to_an_older_one() -> None:
    scene = Scene(actuators=ONLY_REMOTE)
    scene.answers = lambda sent: "silence"
    scene.decide(wish(minimum=70))
    scene.decide(wish(minimum=80))
    scene.decide(wish(minimum=75))
    assert len(scene.sent) == 1  # never two at a time
    assert scene.ends() == ["superseded"]  # the one in the middle
    scene.answers = lambda sent: "ack"
    scene.station.obey(scene.sent[0].step)
    scene.do(scene.steering.acknowledged(scene.sent[0].call, scene.now))
    scene.wait(12)
    assert scene.outcomes() == ["rolled_back", "confirmed"]
    assert scene.ends() == ["superseded", "superseded", "confirmed"]
    assert scene.station.slices[LLM] == Quota(75, 100, 0)


def test_a_newer_decision_takes_the_place_of_one_that_was_not_sent() -> None:
    scene = Scene(actuators=ONLY_REMOTE)
    scene.commits = False
    scene.decide(wish(minimum=70))
    scene.commits = True
    scene.decide(wish(minimum=80))
    scene.do(scene.steering.committed(scene.tickets[0], scene.now))  # too late to matter
    scene.wait(5)
    assert scene.outcomes() == ["withdrawn", "confirmed"]
    assert scene.station.slices[LLM] == Quota(80, 100, 0)


def test_a_slice_that_a_newer_decision_no_longer_names_is_put_as_it_was() -> None:
    scene = Scene(actuators=ONLY_REMOTE)
    scene.decide(wish(minimum=70))
    scene.wait(4)
    scene.decide(wish({LLM: Quota(60, 100, 0)}, expected=(
        Expectation((CELL, LLM), Metric.DOWN_PRBS, 3.0, at_least=55.0),)))
    scene.wait(4)
    assert scene.station.slices == {LLM: Quota(60, 100, 0), REST: FREE}
    assert scene.ends() == ["confirmed", "unproven"]  # it used that much before, too


def test_actions_of_a_cell_are_limited_in_rate_and_the_newest_wish_is_served() -> None:
    scene = Scene(SteeringConfig(actions_in_a_row=1, actions_per_minute=6), actuators=ONLY_REMOTE)
    scene.decide(wish(minimum=60))
    scene.wait(4)
    scene.decide(wish(minimum=65))
    scene.decide(wish(minimum=70))
    assert scene.outcomes() == ["confirmed"]
    assert scene.codes().count(Code.RATE_LIMITED) == 2  # once for each decision that waits
    due = scene.steering.next_deadline()
    assert due is not None
    assert scene.now < due <= 110.0  # ten seconds after the first began
    scene.wait(12)
    assert scene.ends() == ["confirmed", "superseded", "confirmed"]
    assert scene.station.slices[LLM] == Quota(70, 100, 0)


def test_an_actuator_that_fails_again_and_again_is_set_aside_for_a_while() -> None:
    config = SteeringConfig(failures_before_aside=2, aside_seconds=60, actions_per_minute=600)
    scene = Scene(config)
    scene.answers = lambda sent: "refuse" if kind_of(sent.step) == "ccc" else "ack"
    for minimum in (60, 65, 70):
        scene.decide(wish(minimum=minimum))
        scene.wait(4)
    assert [kind_of(sent.step) for sent in scene.sent].count("ccc") == 2
    assert scene.codes().count(Code.SET_ASIDE) == 1
    scene.answers = lambda sent: "ack"
    scene.wait(60, step=5)
    scene.decide(wish(minimum=75))
    scene.wait(4)
    assert [kind_of(sent.step) for sent in scene.sent].count("ccc") == 3


@pytest.fixture
def refused() -> Scene:
    """What limits UEs one by one was refused, and one failure is enough to set it aside."""
    scene = Scene(SteeringConfig(failures_before_aside=1), kind="srsran",
                  actuators=ActuatorConfig())
    scene.answers = lambda sent: "refuse"
    scene.decide(wish(ues=(UeKey(NODE, "du:1"),)))
    assert scene.outcomes() == ["refused"]
    assert Code.SET_ASIDE not in scene.codes()  # first it must be told whether the UEs are there
    return scene


def test_a_failure_with_ues_counts_once_they_are_reported(refused: Scene) -> None:
    refused.wait(0.5)
    assert refused.codes().count(Code.SET_ASIDE) == 1
    refused.wait(5)
    assert refused.codes().count(Code.SET_ASIDE) == 1


def test_a_failure_with_a_ue_that_left_does_not_count(refused: Scene) -> None:
    refused.facts = facts("srsran", ues=(2,))
    refused.wait(3)
    assert refused.codes()[-1] is Code.NO_ACTUATOR  # a report may be lost
    refused.wait(0.5)
    assert refused.codes()[-1] is Code.UE_LEFT
    assert f"{NODE}/du:1 had left" in refused.events[-1].sentence
    refused.wait(10)
    assert Code.SET_ASIDE not in refused.codes()


def test_lost_reports_excuse_no_failure(refused: Scene) -> None:
    refused.station.reports = False
    refused.wait(7)
    assert Code.SET_ASIDE in refused.codes()
    assert Code.UE_LEFT not in refused.codes()


def test_a_node_that_went_away_takes_its_failures_along(refused: Scene) -> None:
    refused.lose_node()
    refused.return_node()
    refused.wait(7)
    assert Code.SET_ASIDE not in refused.codes()


def test_a_floor_is_checked_once_more_before_anything_is_sent() -> None:
    scene = Scene(SteeringConfig(floors={REST: 20}), actuators=ONLY_REMOTE)
    scene.decide(wish({LLM: Quota(90, 100, 0), REST: Quota(5, 10, 0)}))
    assert scene.sent == []
    assert scene.ends() == ["failed"]
    assert Code.FLOOR in scene.codes()
    scene.decide(wish({LLM: Quota(85, 100, 0), REST: Quota(5, 100, 0)}))
    assert scene.sent == []
    scene.decide(wish({LLM: Quota(80, 100, 0), REST: Quota(20, 100, 0)}))
    assert len(scene.sent) == 2


def test_a_floor_is_checked_on_what_an_actuator_does_of_the_wish() -> None:
    # One UE of the slice, limited to its share: all the slice has.
    scene = Scene(SteeringConfig(floors={REST: 40}), kind="srsran", actuators=ActuatorConfig())
    scene.decide(wish({LLM: Quota(50, 100, 0), REST: Quota(40, 30, 0)}))
    assert scene.codes()[-1] is Code.BAD_DECISION
    scene.decide(wish({LLM: Quota(50, 100, 0), REST: Quota(10, 30, 0)}))
    assert scene.sent == []
    assert Code.FLOOR in scene.codes()


@pytest.mark.parametrize("quotas", [
    {LLM: Quota(60, 50, 0)}, {LLM: Quota(60, 100, 0), REST: Quota(50, 100, 0)}, {},
    {LLM: Quota(-1, 100, -1)}])
def test_a_decision_that_cannot_be_meant_is_told_and_not_sent(quotas: dict[object, Quota]) -> None:
    scene = Scene()
    scene.decide(wish(quotas))  # type: ignore[arg-type]  # of the keys only the values matter
    assert scene.sent == []
    assert scene.codes() == [Code.BAD_DECISION]
    assert scene.ends() == ["failed"]


def test_a_dry_run_decides_and_records_and_sends_nothing() -> None:
    scene = Scene(SteeringConfig(dry_run=True))
    scene.decide()
    scene.wait(10)
    assert scene.sent == []
    assert scene.ends() == ["recorded"]
    assert Code.WOULD_SEND in scene.codes()
    assert scene.steering.quiet
    scene.do(scene.steering.set_dry_run(False, "operator", scene.now))
    scene.decide()
    assert scene.sent != []


def test_quotas_nobody_knew_before_are_assumed_and_told_once() -> None:
    scene = Scene(actuators=ONLY_REMOTE)
    scene.decide()
    scene.wait(4)
    scene.decide(wish(minimum=75))
    scene.wait(4)
    assert scene.codes().count(Code.FOUND_ASSUMED) == 2  # slices
    assert {held.found for held in scene.steering.held()} == {FREE}
    assert scene.steering.base() == {(CELL, LLM): FREE, (CELL, REST): FREE}


def test_quotas_that_are_reported_before_are_what_was_found() -> None:
    scene = Scene(actuators=ONLY_REMOTE)
    seen = scene.observations()
    cell = seen.cells[CELL]
    slices = {**cell.slices, LLM: replace(cell.slices[LLM], quota=Quota(20, 80, 0))}
    scene.do(scene.steering.observe(
        replace(seen, cells={CELL: replace(cell, slices=slices)}), scene.now))
    scene.decide()
    found = {held.target: held.found for held in scene.steering.held()}
    assert found[SliceTarget(CELL, LLM)] == Quota(20, 80, 0)


def test_ues_are_limited_one_by_one_where_an_actuator_reaches_no_slices() -> None:
    scene = Scene(kind="srsran", ues=(1, 2, 3), actuators=ActuatorConfig())
    expected = (Expectation(CELL, Metric.DOWN_PRBS, 3.0),)
    scene.decide(wish(ues=(UeKey(NODE, "du:1"),), expected=expected))
    scene.wait(6)
    assert scene.station.ues == {1: Quota(70, 100, 0), 2: Quota(5, 15, 0), 3: Quota(5, 15, 0)}
    assert scene.ends() == ["unproven"]  # any figure was all that was expected
    assert Code.PARTLY in scene.codes()
    assert scene.believed()[UeTarget(UeKey(NODE, "du:2"), CELL)] == Quota(5, 15, 0)
    scene.do(scene.steering.kill("operator", "now.", scene.now))
    scene.wait(6)
    assert set(scene.station.ues.values()) == {FREE}
