"""Which flows are to move, and which come back: from observations alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from classifier.labels import LLM_SPLIT, UNKNOWN
from xapp.actuators.flow_promotion import PromotionConfig
from xapp.actuators.targets import RuleTarget
from xapp.decisions import MapFlows, Metric
from xapp.flow_ends import FlowEnds
from xapp.limits import Limits
from xapp.observations import Cell, CellKey, Flow, Load, Observations, Slice, Snssai, Ue, UeKey
from xapp.promoting import placed, promoted
from xapp.slice_policy import Reach, SlicePolicy
from xapp.store_records import Held

CELL, OTHER = CellKey("gnb", "1"), CellKey("gnb", "2")
WEB, LLM = Snssai(1), Snssai(1, 1)
UE = UeKey("gnb", "du:1")
ENDS = FlowEnds("10.45.0.2", 40000, "10.45.0.1", 8470)
NOW = 100.0
CONFIG = PromotionConfig("http://127.0.0.1:8004", LLM)
POLICY = SlicePolicy("llm")
FLOW = Flow("tap/1", LLM_SPLIT, 0.9, NOW - 5, NOW, UE, ENDS.ue, WEB, ends=ENDS)


def seen(*flows: Flow, roomy: float | None = None, heard: float | None = NOW,
         up: float | None = None) -> Observations:
    slices = {WEB: Slice(WEB, None, 0.0, Load(NOW, up_kbps=900.0)),
              LLM: Slice(LLM, None, 0.0, Load(NOW, up_kbps=up))}
    return Observations(NOW, {CELL: Cell(CELL, 25, Load(NOW, down_prbs=100.0), slices, roomy)},
                        {UE: Ue(UE, CELL, WEB, Load(NOW))}, {one.key: one for one in flows}, heard)


def held(flow: FlowEnds = ENDS, **parts: object) -> Held:
    made = Held(RuleTarget(UE, flow, WEB, CELL), WEB, LLM, LLM, "core_flow_promotion", True,
                since=NOW - 60)
    return replace(made, **parts)  # type: ignore[arg-type]  # fields of it


def decided(observations: Observations, *rules: Held, rate: int | None = 5000,
            policy: SlicePolicy = POLICY) -> list[MapFlows]:
    return promoted(observations, [policy], Limits(), CONFIG, rules, lambda address: rate)[0]


def test_a_flow_on_a_full_cell_moves_and_is_expected_to_show() -> None:
    one, = decided(seen(FLOW, up=7.0))
    assert (one.cell, one.into, one.policy, one.back) == (CELL, LLM, "llm", ())
    assert [(moved.flow, moved.ue, moved.home) for moved in one.flows] == [(ENDS, UE, WEB)]
    up, = one.expected
    assert (up.subject, up.metric, up.at_least) == ((CELL, LLM), Metric.UP_KBPS, 8.0)
    assert up.silence
    assert up.instead[0].metric is Metric.DOWN_KBPS


@pytest.mark.parametrize("flow", [
    replace(FLOW, confidence=0.5), replace(FLOW, label="video"), replace(FLOW, label=UNKNOWN),
    replace(FLOW, ends=None), replace(FLOW, ue=None), replace(FLOW, slice=None),
    replace(FLOW, slice=LLM), replace(FLOW, ue=UeKey("gnb", "du:9"), slice=Snssai(7)),
    replace(FLOW, at=NOW - 10)], ids=str)
def test_what_does_not_move(flow: Flow) -> None:
    assert decided(seen(flow)) == []


def test_with_room_in_the_cell_nothing_moves() -> None:
    assert decided(seen(FLOW, roomy=NOW - 1)) == []


def test_who_pauses_is_waited_for_and_of_whom_nothing_is_known_is_not() -> None:
    assert decided(seen(FLOW), rate=0) == []
    assert len(decided(seen(FLOW), rate=None)) == 1


def test_silent_taps_move_nothing_to_or_fro() -> None:
    assert decided(seen(FLOW, heard=NOW - 20)) == []
    assert decided(seen(heard=NOW - 20), held()) == []


def test_a_policys_reach_is_that_of_the_slice_that_flows_go_to() -> None:
    assert decided(seen(FLOW), policy=replace(POLICY, reach=Reach(slices=frozenset({WEB})))) == []
    assert decided(seen(FLOW), policy=replace(POLICY, reach=Reach(slices=frozenset({LLM}))))
    assert decided(seen(FLOW), policy=replace(POLICY, reach=Reach(cells=frozenset({OTHER})))) == []


@pytest.mark.parametrize(("rule", "moves"), [
    (held(), False), (held(certain=False), False), (held(confirmed=WEB, goal=WEB, resting=True),
                                                    True),
    (held(confirmed=WEB, goal=WEB, resting=True, certain=False), False)])
def test_what_was_set_before_counts(rule: Held, moves: bool) -> None:
    assert bool(decided(seen(FLOW), rule)) is moves


def test_a_flow_that_moved_is_where_it_is_and_stays_while_it_lasts() -> None:
    flows = placed({FLOW.key: FLOW}, [held()], CONFIG)
    assert flows[FLOW.key].slice == LLM
    assert placed({FLOW.key: FLOW}, [held(certain=False)], CONFIG) == {FLOW.key: FLOW}
    assert placed({FLOW.key: FLOW}, [held()], None) == {FLOW.key: FLOW}
    moved = flows[FLOW.key]
    for one in (moved, replace(moved, confidence=0.1), replace(moved, label=UNKNOWN),
                replace(moved, at=NOW - 10)):
        assert decided(seen(one, roomy=NOW - 50), held()) == []


@pytest.mark.parametrize("flows", [
    (), (replace(FLOW, at=NOW - 16),), (replace(FLOW, label="video"),),
    (replace(FLOW, ends=FlowEnds("10.45.0.2", 40001, "10.45.0.1", 8470), confidence=0.1),)])
def test_a_flow_that_ended_or_is_something_else_comes_back(flows: tuple[Flow, ...]) -> None:
    one, = decided(seen(*flows), held())
    assert [(moved.flow, moved.home) for moved in one.back] == [(ENDS, WEB)]
    assert (one.flows, one.expected) == ((), ())
    assert "ended" in one.reason


def test_what_was_just_moved_is_not_taken_back_at_once() -> None:
    assert decided(seen(), held(since=NOW - 1)) == []


def test_flows_that_are_to_move_ask_for_no_quotas_before() -> None:
    other = replace(FLOW, key="tap/2", slice=LLM, ends=FlowEnds("10.45.0.3", 1, "10.45.0.1", 2))
    observations = seen(FLOW, other)
    _, settled = promoted(observations, [POLICY], Limits(), CONFIG, (), lambda address: 0)
    assert set(settled.flows) == {"tap/2"}
    assert promoted(observations, [POLICY], Limits(), None, (), lambda address: 0) == (
        [], observations)


def test_many_flows_move_a_part_at_a_time() -> None:
    flows = [replace(FLOW, key=f"tap/{port}", ends=replace(ENDS, ue_port=port))
             for port in range(1, 200)]
    one, = decided(seen(*flows))
    assert len(one.flows) == 32
    assert "32 flows" in one.reason
