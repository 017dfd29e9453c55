"""Who is moved where, and who stays."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.xapp.policy_networks import CELL, LIMITS, LLM, NOW, OTHER, WEB, cell, flow, network, ue
from tests.xapp.policy_networks import slice_ as slice_of
from xapp.decisions import HandOver, Metric
from xapp.demand import Demand
from xapp.handing_over import Short, hand_over
from xapp.observations import Cell, CellKey, Load, Observations
from xapp.placing import Group
from xapp.slice_policy import SlicePolicy

POLICY = SlicePolicy("chat")
THIRD = CellKey("gnb", "000000003")
FOREIGN = CellKey("other", "000000004")
HERE = cell(slice_of(LLM), slice_of(WEB), up_kbps=9000, up_prbs=90)


def beside(key: CellKey = OTHER, up_kbps: float = 500) -> Cell:
    return cell(slice_of(LLM), slice_of(WEB), key=key, up_kbps=up_kbps, up_prbs=5)


def moved(
    *targets: Cell, near: tuple[tuple[CellKey, float | None], ...] = ((OTHER, -80.0),),
    percent: float | None = 60.0, needs: dict[CellKey, float] | None = None,
    policy: SlicePolicy = POLICY, observations: Observations | None = None,
) -> HandOver | None:
    seen = observations or network([HERE, *targets], [], [
        ue(neighbours=near, up_kbps=400), ue("du:2")])
    group = Group(policy, LLM, [flow()])
    short = Short(HERE, group, Demand(percent, None, "", False), 40)
    return hand_over(short, seen, [policy], needs or {}, LIMITS, NOW)


def test_who_just_moved_stays_for_the_pause() -> None:
    for ago, goes in ((0.0, False), (LIMITS.handover_pause - 0.1, False),
                      (LIMITS.handover_pause, True)):
        one = replace(ue(neighbours=((OTHER, -80.0),), up_kbps=400), moved=NOW - ago)
        move = moved(observations=network([HERE, beside()], [], [one]))
        assert (move is not None) is goes


def test_a_neighbour_by_configuration_alone_is_chosen_by_its_room_and_said_to_be_unheard() -> None:
    near: tuple[tuple[CellKey, float | None], ...] = ((OTHER, None), (THIRD, None))
    move = moved(beside(), beside(THIRD), near=near, needs={OTHER: 10.0})
    assert move is not None
    assert move.target == THIRD
    assert "is not reported" in move.reason
    heard = moved(beside(), beside(THIRD), near=((OTHER, -100.0), (THIRD, None)),
                  needs={OTHER: 10.0})
    assert heard is not None
    assert heard.target == OTHER  # for certain


def test_to_the_neighbour_that_is_heard_best_and_has_room() -> None:
    near = ((OTHER, -90.0), (THIRD, -70.0))
    move = moved(beside(), beside(THIRD), near=near)
    assert move is not None
    assert (move.ue, move.source, move.target) == (ue().key, CELL, THIRD)
    assert move.policy == "chat"
    assert move.expected[0].metric is Metric.UP_KBPS
    full = moved(beside(), beside(THIRD), near=near, needs={THIRD: 50.0})
    assert full is not None
    assert full.target == OTHER


@pytest.mark.parametrize(("target", "near"), [
    (beside(), ()), (beside(), ((OTHER, -106.0),)), (beside(), ((THIRD, -80.0),)),
    (beside(FOREIGN), ((FOREIGN, -80.0),)),
    (cell(slice_of(WEB), key=OTHER, up_kbps=500, up_prbs=5), ((OTHER, -80.0),)),
    (replace(beside(), load=Load(NOW - 60)), ((OTHER, -80.0),))])
def test_to_nobody_else(target: Cell, near: tuple[tuple[CellKey, float], ...]) -> None:
    assert moved(target, near=near) is None


def test_never_where_the_policy_does_not_hold_or_allow_it() -> None:
    assert moved(beside(), policy=replace(POLICY, handover=False)) is None
    here = replace(POLICY.reach, cells=frozenset({CELL}))
    assert moved(beside(), policy=replace(POLICY, reach=here)) is None
    assert moved(beside(), policy=replace(POLICY, handover_gain=40)) is None  # 84 % of 80 %


def test_a_poorer_cell_needs_more_of_itself() -> None:
    assert moved(beside(up_kbps=250), percent=45.0) is None  # half as much a percent
    assert moved(beside(up_kbps=250), percent=35.0) is not None


def test_what_is_not_known_moves_nobody() -> None:
    assert moved(beside(), percent=None) is None
    gone = network([HERE, beside()], [], [ue(at=OTHER, neighbours=((OTHER, -80.0),))])
    assert moved(observations=gone) is None  # it has moved already
