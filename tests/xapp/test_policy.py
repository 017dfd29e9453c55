"""Decisions: what holds for every network, and what single networks must lead to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classifier.labels import UNKNOWN
from tests.xapp.policy_networks import (
    CELL,
    IOT,
    LIMITS,
    LLM,
    NOW,
    OTHER,
    WEB,
    after,
    cell,
    flow,
    later,
    limits,
    network,
    networks,
    policies,
    slice_,
    ue,
)
from xapp.decisions import Decision, HandOver, Metric, SetQuotas, cell_of
from xapp.effect_watch import alive
from xapp.limits import FREE, Limits
from xapp.observations import CellKey, Observations, Quota, Snssai
from xapp.placing import View
from xapp.policy import STRATEGIES, decide, standing
from xapp.sharing import Want, floors
from xapp.slice_policy import SlicePolicy, check_all

POLICY = SlicePolicy("chat", inter_token_ms=100, row_bytes=4096, floors={WEB: 20})


def quotas_of(decisions: Sequence[Decision]) -> list[SetQuotas]:
    return [one for one in decisions if isinstance(one, SetQuotas)]


def only(decisions: Sequence[Decision]) -> SetQuotas:
    assert len(decisions) == 1
    assert isinstance(decisions[0], SetQuotas)
    return decisions[0]


def busy(up_delay_ms: float | None = None) -> Observations:
    """An LLM slice beside one that takes all it can get."""
    waits = {} if up_delay_ms is None else {"up_delay_ms": up_delay_ms}
    return network([cell(slice_(LLM, None, 0.0, up_kbps=500, up_prbs=5, **waits),
                         slice_(WEB, down_kbps=50_000, down_prbs=90), up_kbps=9_000, up_prbs=90)],
                   [flow()], [ue()])


def with_room(since: float, held: Quota | None = None, up_delay_ms: float = 1.0) -> Observations:
    """An LLM slice in a cell that has room since then."""
    where = cell(slice_(LLM, held, up_kbps=500, up_prbs=5, up_delay_ms=up_delay_ms),
                 slice_(WEB, None if held is None else Quota(20)), up_kbps=2_000, up_prbs=20)
    return network([replace(where, roomy_since=since)], [flow()], [ue()])


def test_nothing_is_guaranteed_while_there_is_room() -> None:
    assert decide(with_room(NOW - 1), [POLICY], LIMITS, NOW) == []
    assert "has room" in standing(with_room(NOW - 1), [POLICY], LIMITS, NOW)["chat"]
    # Packets that wait all the same are reason enough.
    assert only(decide(with_room(NOW - 1, up_delay_ms=200), [POLICY], LIMITS, NOW)).flows


def test_a_guarantee_is_given_up_once_there_has_been_room_for_a_time() -> None:
    held = Quota(12)
    assert decide(with_room(NOW - LIMITS.release + 1, held), [POLICY], LIMITS, NOW) == []
    back = only(decide(with_room(NOW - LIMITS.release, held), [POLICY], LIMITS, NOW))
    assert back.quotas[LLM] == Quota()
    assert "has room" in back.reason
    # It is never raised meanwhile, however much would be due.
    assert decide(with_room(NOW - 1, Quota(6)), [POLICY], LIMITS, NOW) == []
    given = replace(POLICY, strategy="static", quotas={LLM: held})
    assert decide(with_room(NOW - 100, held), [given], LIMITS, NOW) == []  # static is static


@settings(max_examples=250)
@given(networks(), policies(), limits())
def test_what_every_decision_keeps_to(
    observations: Observations, wanted: list[SlicePolicy], bounds: Limits
) -> None:
    decisions = decide(observations, wanted, bounds, NOW)
    for one in decisions:
        assert one.reason.endswith(".")
        where = observations.cells[cell_of(one)]
        ages = [NOW - where.load.at, *(NOW - part.load.at for part in where.slices.values())]
        assert min(ages) <= bounds.stale
    for changed in quotas_of(decisions):
        within_bounds(changed, observations, wanted, bounds)
    # Nothing is remembered, and what was decided once is not decided again.
    assert decide(observations, wanted, bounds, NOW) == decisions
    again = decide(after(observations, decisions, NOW), wanted, bounds, NOW)
    done = {one.cell for one in quotas_of(decisions)}
    assert not [one for one in quotas_of(again) if one.cell in done]
    assert decide(later(observations, NOW), wanted, bounds, NOW + bounds.stale + 2) == []


def within_bounds(
    one: SetQuotas, observations: Observations, wanted: list[SlicePolicy], bounds: Limits
) -> None:
    where = observations.cells[one.cell]
    kept = floors(where, wanted, bounds)
    assert kept is not None
    assert set(one.quotas) <= set(where.slices)
    assert sum(quota.minimum for quota in one.quotas.values()) <= 100
    for snssai, quota in one.quotas.items():
        assert 0 <= quota.dedicated <= quota.minimum <= quota.maximum <= 100
        if one.flows:  # no way back to what was there before
            assert quota.minimum >= kept[snssai]
            assert quota.maximum >= kept[snssai]


@settings(max_examples=120)
@given(networks(), policies(), limits())
def test_constant_input_leads_to_rest(
    observations: Observations, wanted: list[SlicePolicy], bounds: Limits
) -> None:
    observations = later(observations, NOW)
    when, silent, turns = NOW, 0, 0
    while silent < 4:
        turns += 1
        assert turns <= 25  # a few steps, a cap, and a move of each of up to four UEs
        decisions = decide(observations, wanted, bounds, when)
        silent = 0 if decisions else silent + 1
        when += bounds.pause
        observations = later(after(observations, decisions, when - bounds.pause), when)


@settings(max_examples=80)
@given(st.floats(50, 50_000), st.floats(200, 60_000), st.booleans(), st.floats(1, 80))
def test_a_load_that_answers_to_quotas_leads_to_rest(
    demand: float, capacity: float, known: bool, others: float
) -> None:
    """The slice gets what it asks for within its guarantee, or what others leave."""
    policy = replace(POLICY, row_bytes=None)
    observations, when, changes = busy(), NOW, []
    for turn in range(60):
        quota = observations.cells[CELL].slices[LLM].quota or FREE
        share = max(quota.minimum, 100 - others) / 100
        got = min(demand, share * capacity)
        waits = 500.0 if demand > share * capacity else 5.0
        observations = later(network(
            [cell(replace(slice_(LLM, up_kbps=got, up_prbs=100 * got / capacity,
                                 up_delay_ms=waits), quota=quota,
                          since=observations.cells[CELL].slices[LLM].since),
                  replace(slice_(WEB, down_prbs=others),
                          quota=observations.cells[CELL].slices[WEB].quota))],
            [flow(up_bytes_per_second=demand * 125 / 3 if known else None)], [ue()]), when)
        decisions = decide(observations, [policy], LIMITS, when)
        if decisions:
            changes.append(turn)
        observations = after(observations, decisions, when)
        when += 1.0
    assert len(changes) <= 8
    assert not changes or changes[-1] < 50 + LIMITS.pause


@settings(max_examples=150)
@given(st.floats(0.1, 100), st.floats(1, 5), st.integers(0, 80), st.floats(1, 100_000))
def test_more_demand_is_never_guaranteed_less(
    steps: float, factor: float, minimum: int, row: float
) -> None:
    def guaranteed(rate: float) -> int:
        where = cell(slice_(LLM, Quota(minimum), up_kbps=500, up_prbs=5), slice_(WEB, Quota(20)))
        seen = network([where], [flow(step_bytes=row, steps_per_second=rate)], [ue()])
        found = quotas_of(decide(seen, [POLICY], LIMITS, NOW))
        return found[0].quotas[LLM].minimum if found else minimum

    assert guaranteed(steps) <= guaranteed(steps * factor)


@settings(max_examples=100)
@given(networks(), policies(), limits())
def test_unknown_flows_raise_nothing(
    observations: Observations, wanted: list[SlicePolicy], bounds: Limits
) -> None:
    unknown = replace(observations, flows={
        key: replace(one, label=UNKNOWN) for key, one in observations.flows.items()})
    for one in quotas_of(decide(unknown, wanted, bounds, NOW)):
        for snssai, quota in one.quotas.items():
            before = observations.cells[one.cell].slices[snssai].quota
            found = bounds.of(one.cell, snssai) or FREE
            kept = floors(observations.cells[one.cell], wanted, bounds) or {}
            assert quota.minimum <= max((before or FREE).minimum, found.minimum,
                                        kept.get(snssai, 0),
                                        *(p.floors.get(snssai, 0) for p in wanted), 0)


def test_an_llm_flow_gets_a_guarantee_and_others_keep_their_floor() -> None:
    decided = only(decide(busy(), [POLICY], LIMITS, NOW))
    # 4,096 bytes within 50 ms are 655 kbit/s; one percent carries 100 kbit/s up.
    assert decided.quotas[LLM].minimum == 9
    assert decided.quotas[WEB] == Quota(20, 100)
    assert decided.flows == ("a",)
    assert [one.ue for one in decided.ues] == ["du:1"]
    assert "655 kbit/s" in decided.reason
    assert decided.policy == "chat"


def test_a_floor_that_is_lowered_is_lowered_while_the_flows_are_there() -> None:
    higher = SlicePolicy("a1/20981/floor", labels=frozenset(), floors={WEB: 40})
    seen = busy()
    done = later(after(seen, decide(seen, [POLICY, higher], LIMITS, NOW), NOW), NOW + 30)
    assert done.cells[CELL].slices[WEB].quota == Quota(40)
    decided = only(decide(done, [POLICY], LIMITS, NOW + 30))
    assert decided.quotas[WEB] == Quota(20)
    assert decided.quotas[LLM] == done.cells[CELL].slices[LLM].quota
    assert f"slice {WEB} is promised no more than 20 % any more" in decided.reason
    lowered = later(after(done, [decided], NOW + 30), NOW + 60)
    assert decide(lowered, [POLICY], LIMITS, NOW + 60) == []


def test_what_is_expected_is_what_the_node_reports() -> None:
    decided = only(decide(busy(up_delay_ms=20), [POLICY], LIMITS, NOW))
    assert decided.expected == (alive(CELL, LIMITS.settle),)  # it waits for nothing
    late = only(decide(busy(up_delay_ms=200), [POLICY], LIMITS, NOW))
    assert [(one.metric, one.at_most) for one in late.expected] == [(Metric.UP_DELAY_MS, 160)]
    assert late.quotas[LLM].minimum == 13  # half as much again
    unknown = only(decide(busy(), [POLICY], LIMITS, NOW)).expected
    assert [(one.metric, one.needed) for one in unknown] == [
        (Metric.UP_PRBS, False), (Metric.DOWN_PRBS, True)]


def test_once_the_flows_are_gone_slices_get_back_what_they_had() -> None:
    base = {**LIMITS.base, (CELL, WEB): Quota(10, 60)}
    steady = replace(LIMITS, base=base)
    seen = network([cell(slice_(LLM, Quota(40)), slice_(WEB, Quota(20, 60)))], [])
    decided = only(decide(seen, [SlicePolicy("chat")], steady, NOW))
    assert decided.quotas == {LLM: Quota(), WEB: Quota(10, 60)}
    assert decided.expected == ()
    lingers = network([cell(slice_(LLM, Quota(9)), slice_(WEB, Quota(20, 60)))],
                      [flow(at=NOW - 14)])
    assert decide(lingers, [POLICY], steady, NOW) == []


def test_what_was_never_known_is_not_put_back() -> None:
    seen = network([cell(slice_(LLM, Quota(40)), slice_(WEB, Quota(20, 60)))], [])
    assert decide(seen, [POLICY], Limits(), NOW) == []


def test_a_silent_tap_changes_nothing_until_it_is_given_up() -> None:
    where = cell(slice_(LLM, Quota(40)), slice_(WEB, Quota(20)))
    for silence, changes in ((4.0, 1), (6.0, 0), (299.0, 0), (301.0, 1)):
        seen = network([where], [], tap_heard=NOW - silence)
        assert len(decide(seen, [POLICY], LIMITS, NOW)) == changes
    assert "tap" in standing(network([where], [flow()], tap_heard=NOW - 6), [POLICY], LIMITS,
                             NOW)["chat"]


@pytest.mark.parametrize(("confidence", "minimum"), [(0.95, 9), (0.6, 30), (0.3, 0)])
def test_doubt_keeps_what_is_in_force(confidence: float, minimum: int) -> None:
    seen = network([cell(slice_(LLM, Quota(30), up_kbps=500, up_prbs=5), slice_(WEB, Quota(20)))],
                   [flow(confidence=confidence)], [ue()])
    decisions = decide(seen, [POLICY], LIMITS, NOW)
    found = quotas_of(decisions)[0].quotas[LLM].minimum if decisions else 30
    assert found == minimum


def test_doubt_alone_raises_nothing() -> None:
    seen = network([cell(slice_(LLM), slice_(WEB))], [flow(confidence=0.6)], [ue()])
    assert decide(seen, [POLICY], LIMITS, NOW) == []


def test_a_flow_that_becomes_unknown_keeps_its_slice_raised() -> None:
    where = cell(slice_(LLM, Quota(30), since=NOW - 15), slice_(WEB, Quota(20), since=NOW - 15))
    assert decide(network([where], [flow(label=UNKNOWN)]), [POLICY], LIMITS, NOW) == []
    newer = flow(label=UNKNOWN, since=NOW - 10)
    assert len(decide(network([where], [newer]), [POLICY], LIMITS, NOW)) == 1


def test_where_nothing_tells_a_first_guess_is_made() -> None:
    policy = replace(POLICY, row_bytes=None)
    seen = network([cell(slice_(LLM), slice_(WEB), prbs=None)], [flow()], [ue()])
    assert only(decide(seen, [policy], LIMITS, NOW)).quotas[LLM].minimum == LIMITS.first_guess
    assert decide(network([cell(slice_(LLM, Quota(40)), slice_(WEB, Quota(20)), prbs=None)],
                          [flow()]), [policy], LIMITS, NOW) == []


def test_others_are_capped_only_where_a_guarantee_was_not_enough() -> None:
    first = only(decide(busy(up_delay_ms=200), [POLICY], LIMITS, NOW))
    assert first.quotas[WEB].maximum == 100
    then = later(after(busy(up_delay_ms=200), [first], NOW), NOW + 20)
    second = only(decide(then, [POLICY], LIMITS, NOW + 20))
    assert second.quotas[LLM] == first.quotas[LLM]
    assert second.quotas[WEB] == Quota(20, 87)
    assert "capped" in second.reason
    assert any(one.metric is Metric.DOWN_PRBS and one.at_most == 92 for one in second.expected)
    rest = later(after(then, [second], NOW + 20), NOW + 40)
    assert decide(rest, [POLICY], LIMITS, NOW + 40) == []
    calm = replace(rest, cells=busy(up_delay_ms=5).cells)
    calm = later(after(calm, [second], NOW + 20), NOW + 40)
    assert decide(calm, [POLICY], LIMITS, NOW + 40) == []  # the cap stays, or it would swing


def test_others_are_not_capped_for_a_prompts_wait() -> None:
    """With a budget of 40 ms: over it a guarantee is made, but only from 60 on it costs others."""
    first = only(decide(busy(up_delay_ms=55), [POLICY], LIMITS, NOW))
    then = later(after(busy(up_delay_ms=55), [first], NOW), NOW + 20)
    assert decide(then, [POLICY], LIMITS, NOW + 20) == []
    strict = replace(LIMITS, cap_above=1.0)
    assert only(decide(then, [POLICY], strict, NOW + 20)).quotas[WEB].maximum < 100


def crowded(neighbours: tuple[tuple[CellKey, float], ...]) -> Observations:
    """A cell whose LLM slice needs more than there is, beside another."""
    full = cell(slice_(LLM, Quota(70), up_kbps=500, up_prbs=5), slice_(WEB, Quota(20)),
                up_kbps=9_000, up_prbs=90)
    beside = cell(slice_(LLM, Quota()), slice_(WEB, Quota(20)), key=OTHER, up_kbps=500, up_prbs=5)
    flows = [flow(name, ue=one.key, step_bytes=31_250.0) for name, one in
             (("a", ue("du:1")), ("b", ue("du:2")))]
    return network([full, beside], flows, [ue("du:1", neighbours=neighbours), ue("du:2")])


def test_a_ue_is_moved_where_its_cell_cannot_help() -> None:
    seen = crowded(((OTHER, -80.0),))
    decisions = decide(seen, [POLICY], LIMITS, NOW)
    assert len(decisions) == 1
    move = decisions[0]
    assert isinstance(move, HandOver)
    assert (move.source, move.target, move.ue.ue) == (CELL, OTHER, "du:1")
    assert "70 %" in move.reason
    moved = later(after(seen, decisions, NOW), NOW + 60)
    assert not any(isinstance(one, HandOver) for one in decide(moved, [POLICY], LIMITS, NOW + 60))


@pytest.mark.parametrize("change", ["weak", "unknown", "forbidden", "gain"])
def test_a_ue_stays_where_no_other_cell_can_help(change: str) -> None:
    rsrp = -120.0 if change == "weak" else -80.0
    seen = crowded(((OTHER, rsrp),))
    policy = replace(POLICY, handover=change != "forbidden",
                     handover_gain=300 if change == "gain" else 10)
    if change == "unknown":
        seen = replace(seen, cells={CELL: seen.cells[CELL]})
    assert decide(seen, [policy], LIMITS, NOW) == []


def test_a_static_policy_gives_its_quotas_while_flows_are_there() -> None:
    policy = SlicePolicy("fixed", "static", quotas={LLM: Quota(40, 80, 10), IOT: Quota(5, 10)},
                         floors={WEB: 30})
    seen = network([cell(slice_(LLM), slice_(WEB), slice_(IOT))], [flow()], [ue()])
    decided = only(decide(seen, [policy], LIMITS, NOW))
    assert decided.quotas == {LLM: Quota(40, 80, 10), WEB: Quota(30), IOT: Quota(5, 10)}
    done = later(after(seen, [decided], NOW), NOW + 30)
    assert decide(done, [policy], LIMITS, NOW + 30) == []
    assert standing(done, [policy], LIMITS, NOW + 30) == {"fixed": ""}
    gone = replace(done, flows={})
    back = only(decide(gone, [policy], LIMITS, NOW + 30))
    assert back.quotas == {LLM: FREE, WEB: Quota(30), IOT: FREE}


def test_the_higher_priority_gets_its_share_first() -> None:
    first = SlicePolicy("first", row_bytes=31_250, priority=5, floors={IOT: 20})
    second = SlicePolicy("second", row_bytes=31_250, labels=frozenset({"gaming"}))
    seen = network([cell(slice_(LLM, up_kbps=500, up_prbs=5), slice_(WEB, up_kbps=500, up_prbs=5),
                         slice_(IOT))],
                   [flow(), flow("b", label="gaming", slice=WEB)], [ue()])
    decided = only(decide(seen, [first, second], replace(LIMITS, largest_step=100), NOW))
    assert decided.quotas[LLM].minimum == 65  # 5 Mbit/s at 100 kbit/s a percent, and headroom
    assert decided.quotas[WEB].minimum == 90 - 20 - 65
    assert decided.quotas[IOT].minimum == 20


def test_floors_that_do_not_fit_stop_everything() -> None:
    two = [replace(POLICY, floors={WEB: 60}), replace(POLICY, name="b", floors={IOT: 60})]
    check_all(two, LIMITS, STRATEGIES)
    seen = network([cell(slice_(LLM), slice_(WEB), slice_(IOT))], [flow()], [ue()])
    assert decide(seen, two, LIMITS, NOW) == []
    assert "floors" in standing(seen, two, LIMITS, NOW)["chat"]


def test_a_policy_stands_when_its_quotas_are_in_force() -> None:
    assert "no flow" in standing(network([cell(slice_(LLM))]), [POLICY], LIMITS, NOW)["chat"]
    seen = busy()
    assert "in force yet" in standing(seen, [POLICY], LIMITS, NOW)["chat"]
    done = after(seen, decide(seen, [POLICY], LIMITS, NOW), NOW)
    assert standing(done, [POLICY], LIMITS, NOW) == {"chat": ""}
    assert "can be given" in standing(crowded(()), [POLICY], LIMITS, NOW)["chat"]


def test_a_strategy_of_any_wishes_stays_within_the_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    class Greedy:
        name = "greedy"

        def wants(self, view: View, limits: Limits) -> dict[Snssai, Want]:
            return {LLM: Want(1000, maximum=5000, dedicated=900, exact=True), Snssai(9): Want(3)}

    monkeypatch.setitem(STRATEGIES, "greedy", Greedy())
    decided = only(decide(busy(), [replace(POLICY, strategy="greedy")], LIMITS, NOW))
    assert decided.quotas == {LLM: Quota(70, 100, 70), WEB: Quota(20)}


def test_more_than_the_rate_allows_waits() -> None:
    assert LIMITS.pause == 6.0
    for age, changes in ((5.0, 0), (6.5, 1)):
        seen = network([cell(slice_(LLM, Quota(0), since=NOW - age, up_kbps=500, up_prbs=5),
                             slice_(WEB))], [flow()], [ue()])
        assert len(decide(seen, [POLICY], LIMITS, NOW)) == changes
