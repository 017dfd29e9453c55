"""What the store keeps of decisions, read back as what the console shows; nothing is made up."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.xapp.test_flow_ends import ENDS
from xapp.actuators.targets import SliceTarget, target_document, value_document
from xapp.decisions import (
    Decision,
    Expectation,
    HandOver,
    MapFlows,
    Metric,
    MovedFlow,
    SetQuotas,
)
from xapp.effect_watch import Effect as Watched
from xapp.errors import StoreError
from xapp.events import Code, Level, warning
from xapp.observations import CellKey, Quota, Snssai, UeKey
from xapp.operating_views import (
    at_of,
    audit_entry,
    cell_of,
    decision_of,
    decision_view,
    event_view,
    quota_of,
    subject_of,
    ue_of,
)
from xapp.operations import Clock, DecisionState, Effect
from xapp.store_records import decision_document, effect_document

CLOCK = Clock(1000.0, 1_800_000_000.0)
NODES = st.sampled_from(["gnb_00101_00019b", "gnb_999_1", "enb_00101_0000005"])
CELLS = st.builds(CellKey, NODES, st.sampled_from(["", "00066c000", "fffffffff"]))
UES = st.builds(UeKey, NODES, st.sampled_from(["du:3", "amf:17", "oai:5"]))
SLICES = st.builds(Snssai, st.integers(0, 255), st.none() | st.integers(0, 0xFFFFFE))
QUOTAS = st.builds(Quota, st.integers(0, 100), st.integers(0, 100), st.integers(0, 100))
FIGURES = st.none() | st.floats(-1e6, 1e6)
PLAIN = st.builds(
    Expectation, st.tuples(CELLS, SLICES) | UES | CELLS, st.sampled_from(Metric),
    st.floats(0, 60), FIGURES, FIGURES)
EXPECTED = st.lists(PLAIN | st.builds(
    replace, PLAIN, under=FIGURES, instead=st.tuples(PLAIN), needed=st.booleans(),
    silence=st.booleans(), beside=FIGURES, reports=st.integers(1, 9)), max_size=3).map(tuple)
TEXTS = st.text(max_size=20)
MOVED = st.lists(st.builds(MovedFlow, ENDS, UES, SLICES), max_size=2).map(tuple)
DECISIONS: st.SearchStrategy[Decision] = st.builds(
    SetQuotas, CELLS, st.dictionaries(SLICES, QUOTAS, max_size=4), TEXTS, TEXTS, EXPECTED,
    st.lists(TEXTS, max_size=2).map(tuple), st.lists(UES, max_size=2).map(tuple),
) | st.builds(HandOver, UES, CELLS, CELLS, TEXTS, TEXTS, EXPECTED) | st.builds(
    MapFlows, CELLS, SLICES, MOVED, MOVED, TEXTS, TEXTS, EXPECTED)
CELL, LLM = CellKey("gnb_00101_00019b", "00066c000"), Snssai(1, 5)
DECISION = SetQuotas(CELL, {LLM: Quota(40)}, "It is needed.", "llm", (
    Expectation((CELL, LLM), Metric.DOWN_PRBS, 3.0, at_least=35.0),))


@given(DECISIONS)
def test_a_decision_comes_back_as_it_was_written(decision: Decision) -> None:
    written = json.loads(json.dumps(decision_document(decision)))
    assert decision_of(written) == decision


@given(CELLS, UES, SLICES)
def test_subjects_come_back(cell: CellKey, ue: UeKey, snssai: Snssai) -> None:
    assert cell_of(str(cell)) == cell
    assert ue_of(str(ue)) == ue
    assert subject_of(str(cell)) == cell
    assert subject_of(str(ue)) == ue
    assert subject_of(f"{cell}/{snssai}") == (cell, snssai)


def row(**more: Any) -> dict[str, Any]:
    return {"number": 4, "time": CLOCK.wall - 10, "ended": None, "state": "sent", "detail": "",
            "body": decision_document(DECISION)} | more


def step(kind: str, after: float, **body: Any) -> dict[str, Any]:
    return {"kind": kind, "time": CLOCK.wall - 10 + after, "actuator": "rc_slice_quota",
            "body": body}


def judged(seen: float | None, met: bool | None, negated: bool = False) -> dict[str, Any]:
    return effect_document(Watched(DECISION.expected[0], 10.0, seen, met, negated))


def test_a_decision_is_shown_with_all_that_became_of_it() -> None:
    action = {"actuator": "rc_slice_quota", "body": {"before": [
        {"target": target_document(SliceTarget(CELL, LLM)), "value": value_document(Quota(5))}]}}
    later = {"actuator": "ccc_slice_quota", "body": {"before": [
        {"target": target_document(SliceTarget(CELL, LLM)), "value": value_document(Quota(9))}]}}
    steps = [step("action", 0), step("sent", 1), step("answer", 2, answer="acknowledged"),
             step("answer", 2.5, answer="refused", late=True, why="too late"),
             step("effect", 3, verdict="not_seen", effects=[judged(12.0, False)]),
             step("undo", 4), step("sent", 5, undo=True),
             step("effect", 6, verdict="seen", effects=[judged(5.0, True, negated=True)]),
             step("action_ended", 7, outcome="rolled_back", detail="It had none.")]
    view = decision_view(row(state="rolled_back", ended=CLOCK.wall - 1, detail="None worked."),
                         steps, [action, later], CLOCK)
    assert (view.number, view.at, view.state) == (4, 990.0, DecisionState.ROLLED_BACK)
    assert view.decision == DECISION
    assert view.before == {LLM: Quota(5)}  # what the first found
    assert view.actuator == "ccc_slice_quota"
    assert [(one.at, one.what, one.detail) for one in view.steps] == [
        (990.0, "planned", ""), (991.0, "sent", ""), (992.0, "acknowledged", ""),
        (992.5, "late refused", "too late"), (993.0, "effect not seen", ""), (994.0, "undo", ""),
        (995.0, "undo sent", ""), (996.0, "effect seen", ""),
        (997.0, "rolled back", "It had none."), (999.0, "rolled back", "None worked.")]
    # An undo's effects are not the decision's.
    assert view.effects == (Effect(DECISION.expected[0], 10.0, 12.0, False),)


def test_a_decision_under_way_has_no_end() -> None:
    view = decision_view(row(), [], [], CLOCK)
    assert (view.steps, view.effects, view.before, view.actuator) == ((), (), {}, "")


def test_times_are_on_the_xapps_clock() -> None:
    assert at_of(CLOCK, CLOCK.wall_time(123.5)) == pytest.approx(123.5)


def test_what_is_no_quota_is_told() -> None:
    with pytest.raises(StoreError):
        quota_of(value_document(CELL))


def test_events_and_lines_of_the_audit() -> None:
    event = warning(Code.NODE_LOST, "It is gone.", "gnb")
    view = event_view({"number": 3, "time": CLOCK.wall, **event.document()}, CLOCK)
    assert (view.number, view.at, view.event) == (3, 1000.0, event)
    assert view.event.level is Level.WARNING
    line = {"number": 5, "time": 7.0, "who": "anna", "kind": "mode", "subject": "steering",
            "why": "A test.", "body": {"killed": True}}
    entry = audit_entry(line)
    assert (entry.who, entry.what, entry.effect) == ("anna", "mode steering", "")
    assert entry.detail == {"killed": True}
    for name in ("verdict", "outcome", "answer"):
        assert audit_entry(line | {"body": {name: "it"}}).effect == "it"
