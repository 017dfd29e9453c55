"""Decisions as the API shows them."""

from __future__ import annotations

from xapp.api_decisions import DecisionModel, subject_of
from xapp.decisions import Expectation, HandOver, Metric, SetQuotas
from xapp.observations import CellKey, Quota, Snssai, UeKey
from xapp.operations import Clock, DecisionState, DecisionView, Effect, Step

CLOCK = Clock(1000.0, 1_800_000_000.0)
CELL, OTHER = CellKey("gnb", "00066c000"), CellKey("gnb", "00066c001")
LLM, WEB, UE = Snssai(1, 5), Snssai(1), UeKey("gnb", "du:3")
EXPECTED = Expectation((CELL, LLM), Metric.DOWN_PRBS, 3.0, at_least=35.0)


def test_quotas_before_and_after_and_what_came_of_them() -> None:
    decision = SetQuotas(CELL, {LLM: Quota(40), WEB: Quota(5, 60)}, "It is needed.", "llm",
                         (EXPECTED,), ("tap/7",), (UE,))
    shown = DecisionModel.of(DecisionView(
        4, 990.0, decision, DecisionState.ROLLED_BACK, {LLM: Quota(5)},
        (Step(991.0, "sent", "rc_slice_quota", "Why."),), (Effect(EXPECTED, 4.0, None, None),),
        "rc_slice_quota"), CLOCK)
    assert (shown.number, shown.at, shown.kind) == (4, CLOCK.wall - 10, "set_quotas")
    assert (shown.cell, shown.target) == (str(CELL), None)
    first, second = shown.changes
    assert first.before is not None
    assert (first.snssai, first.before.minimum, first.after.minimum) == (str(LLM), 5, 40)
    assert (second.before, second.after.maximum) == (None, 60)
    assert (shown.ues, shown.flows, shown.state) == ([str(UE)], ["tap/7"], "rolled_back")
    assert shown.steps[0].model_dump() == {
        "at": CLOCK.wall - 9, "what": "sent", "actuator": "rc_slice_quota", "detail": "Why."}
    effect = shown.effects[0]
    assert (effect.subject, effect.metric, effect.at_least) == (
        f"{CELL}/{LLM}", "down_prbs", 35.0)
    assert (effect.before, effect.seen, effect.met, effect.at_most) == (4.0, None, None, None)


def test_a_handover_names_both_cells() -> None:
    shown = DecisionModel.of(DecisionView(
        5, 990.0, HandOver(UE, CELL, OTHER, "It has room.", "llm"), DecisionState.SENT), CLOCK)
    assert (shown.kind, shown.cell, shown.target) == ("hand_over", str(CELL), str(OTHER))
    assert (shown.ues, shown.flows, shown.changes) == ([str(UE)], [], [])


def test_subjects_are_written_as_in_their_own_lists() -> None:
    for subject, text in ((CELL, "gnb/00066c000"), (UE, "gnb/du:3"),
                          ((CELL, LLM), "gnb/00066c000/1-000005")):
        assert subject_of(Expectation(subject, Metric.UP_KBPS, 1.0)) == text
