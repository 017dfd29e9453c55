"""Who had left when an actuator failed, by what its node reports since."""

from __future__ import annotations

import pytest

from tests.xapp.steering_scene import CELL, LLM, NODE, facts
from xapp.actuators.base import RemoteRequest, Steps
from xapp.actuators.registry import ActuatorConfig, for_node
from xapp.actuators.targets import FlowTarget, PlaceTarget, SliceTarget, Target, UeTarget
from xapp.leavers import Failure, ues_of
from xapp.observations import Cell, CellKey, Load, Observations, Quota, Ue, UeKey
from xapp.steering_table import Stage
from xapp.steering_types import Action

ONE, TWO = UeKey(NODE, "du:1"), UeKey(NODE, "du:2")
ELSEWHERE = CellKey("gnb_other", "000000001")


def action(*targets: Target, stage: Stage = Stage.REFUSED) -> Action:
    known = facts()
    actuator = for_node(known.profile, known.functions, ActuatorConfig(remote=True))[0]
    step = RemoteRequest(NODE, "{}", tuple((target, Quota()) for target in targets))
    return Action("1.1", CELL, actuator, Steps((step,)), (), {}, stage=stage)


def reported(cell: float, **ues: float) -> Observations:
    """The cell's last report, and those of UEs; another node has just reported."""
    keys = {UeKey(NODE, f"du:{name[1:]}"): at for name, at in ues.items()}
    other = Ue(UeKey(ELSEWHERE.node, "du:1"), ELSEWHERE, LLM, Load(900.0))
    return Observations(900.0, {
        CELL: Cell(CELL, 106, Load(cell)), ELSEWHERE: Cell(ELSEWHERE, 106, Load(900.0))},
        {other.key: other} | {key: Ue(key, CELL, LLM, Load(at)) for key, at in keys.items()})


FAILURE = Failure(action(UeTarget(ONE, CELL), UeTarget(TWO, CELL)), 100.0, (ONE, TWO))


@pytest.mark.parametrize(("seen", "left"), [
    (reported(103.5, u1=99.0, u2=103.5), ONE),
    (reported(99.0, u1=103.5, u2=92.0), TWO),  # another UE's reports tell as well as the cell's
    (reported(103.5, u2=103.5), ONE),  # forgotten already
    (reported(103.0, u1=99.0, u2=103.0), None),  # a report or two may be lost
    (reported(99.0, u1=99.0, u2=90.0), None),  # the node said nothing since
    (reported(50.0), None),
    (Observations(900.0), None),
    (reported(200.0, u1=198.0, u2=200.0), None)])
def test_who_is_missing_in_what_the_node_reports_has_left(
    seen: Observations, left: UeKey | None
) -> None:
    assert FAILURE.who_left(seen, 3.0) == left


def test_who_was_reported_since_is_there() -> None:
    assert FAILURE.all_there(reported(100.5, u1=100.5, u2=100.1))
    assert not FAILURE.all_there(reported(100.5, u1=100.5, u2=100.0))
    assert not FAILURE.all_there(reported(100.5, u1=100.5))
    assert not FAILURE.all_there(Observations(900.0))


@pytest.mark.parametrize(("stage", "ues"), [
    (Stage.REFUSED, {"du:1", "du:2", "du:3"}),
    (Stage.ROLLED_BACK, {"du:1", "du:2"}), (Stage.UNPROVEN, {"du:1", "du:2"})])
def test_whom_a_handover_takes_away_had_not_left(stage: Stage, ues: set[str]) -> None:
    failed = action(UeTarget(ONE, CELL), FlowTarget(TWO, 3, CELL),
                    PlaceTarget(UeKey(NODE, "du:3"), CELL), SliceTarget(CELL, LLM), stage=stage)
    assert {key.ue for key in ues_of(failed)} == ues
