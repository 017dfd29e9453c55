"""What is expected of a decision, and how it is explained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.xapp.policy_networks import CELL, LIMITS, LLM, NOW, WEB, cell, flow, slice_
from xapp.decisions import Expectation, Metric
from xapp.demand import Demand
from xapp.effect_watch import Verdict, alive, judge, look, watch
from xapp.effects import NOBODY, UNKNOWN, Evidence, evidence, expectations, why
from xapp.held_before import FULL, Before
from xapp.observations import Cell, Load, Observations, Quota, Slice, Snssai, Ue, UeKey
from xapp.placing import Group
from xapp.slice_policy import SlicePolicy

GROUP = Group(SlicePolicy("chat"), LLM, [flow()])
RAISED = {LLM: Quota(30), WEB: Quota(5)}


def expected(where: Cell, group: Group = GROUP,
             quotas: Mapping[Snssai, Quota] | None = None) -> list[Expectation]:
    return list(expectations(where, [group], quotas or RAISED, LIMITS, NOW))


def full(*slices: Slice, up: float = 99.0, down: float = 99.0) -> Cell:
    return cell(*slices, up_prbs=up, down_prbs=down)


def llm(quota: Quota | None = None, **values: float) -> Slice:
    return slice_(LLM, quota, 0.0, **values)


def slow(pace: float = 2.0) -> Group:
    """Flows that are slower than ten tokens a second: each row has 4,096 bytes."""
    return Group(SlicePolicy("chat"), LLM, [flow(steps_per_second=pace, step_bytes=4096.0)])


def test_a_held_slice_waits_less_or_gets_more_in_the_direction_in_which_it_is_held() -> None:
    where = full(llm(up_delay_ms=10, down_delay_ms=400, down_prbs=4, up_prbs=4), slice_(WEB))
    assert expected(where) == [Expectation(
        (CELL, LLM), Metric.DOWN_DELAY_MS, 3.0, at_most=320.0, under=FULL, reports=2,
        instead=(Expectation((CELL, LLM), Metric.DOWN_PRBS, 3.0, at_least=17.0),))]
    uplink = full(llm(up_delay_ms=400, down_delay_ms=10, up_prbs=4), slice_(WEB))
    assert [one.metric for one in expected(uplink)] == [Metric.UP_DELAY_MS]


def test_a_wait_must_become_shorter_beside_the_others_and_little_too_long_is_no_proof() -> None:
    where = full(llm(up_delay_ms=400, up_prbs=4), slice_(WEB, None, 0.0, up_delay_ms=640))
    (found,) = expected(where)
    assert (found.at_most, found.beside, found.needed) == (320.0, 0.5, True)
    budget = 50.0
    (barely,) = [one for one in expected(full(llm(up_delay_ms=budget * 1.2, up_prbs=4), slice_(
        WEB, None, 0.0, up_delay_ms=60))) if one.metric is Metric.UP_DELAY_MS]
    assert barely.at_most == pytest.approx(48)
    assert (barely.beside, barely.needed) == (0.8, False)


def test_a_burst_of_its_own_is_no_hold_and_one_report_is_none_yet() -> None:
    loads = [Load(NOW - 2 + second, up_delay_ms=wait, up_prbs=4.0)
             for second, wait in enumerate((20.0, 30.0, 400.0))]

    def of(*recent: Load) -> list[Metric]:
        held = replace(llm(up_delay_ms=400, up_prbs=4), recent=recent)
        return [one.metric for one in expected(full(held, slice_(WEB)))]

    assert of(*loads) == of(loads[2]) == [alive(CELL, 3.0).metric]
    assert of(loads[2], loads[2]) == [Metric.UP_DELAY_MS]


def waits(own: float, other: float, **more: float) -> Cell:
    return full(llm(up_delay_ms=own, up_prbs=2, up_kbps=300),
                slice_(WEB, None, 0.0, up_delay_ms=other, **more))


def said(where: Cell, before: Before = UNKNOWN, quota: Quota = RAISED[LLM],
         ues: Mapping[UeKey, Ue] = NOBODY) -> Evidence:
    return evidence(where, GROUP, {LLM: quota, WEB: Quota(5)}, LIMITS, NOW, ues, before)


HELD_BEFORE = Before({Metric.UP_DELAY_MS: [(300.0, 300.0), (280.0, 310.0)]})
NOT_HELD_BEFORE = Before({Metric.UP_DELAY_MS: [(10.0, 300.0), (12.0, 310.0)]})


@pytest.mark.parametrize(("where", "before", "found"), [
    (waits(10, 300), HELD_BEFORE, Evidence.HAS),
    (waits(10, 300), NOT_HELD_BEFORE, Evidence.FAIR),  # a fair scheduler gave it that before
    (waits(10, 300), UNKNOWN, Evidence.FAIR),
    (waits(10, 300), Before({Metric.UP_DELAY_MS: [(300.0, 300.0)]}), Evidence.FAIR),  # one report
    (waits(40, 45), HELD_BEFORE, Evidence.FAIR),  # the load fell, and all wait less
    (waits(300, 300), HELD_BEFORE, Evidence.HELD)])
def test_under_load_only_what_would_not_be_so_without_it_proves_a_guarantee(
        where: Cell, before: Before, found: Evidence) -> None:
    assert said(where, before) is found


@pytest.mark.parametrize(("used", "dedicated", "then", "found"), [
    (70.0, 30, (), Evidence.HAS),  # schedulers leave less than that of a full cell
    (79.0, 30, (), Evidence.FAIR), (90.0, 10, (), Evidence.FAIR),
    (90.0, 10, (99.0, 98.0), Evidence.HAS), (90.0, 10, (90.0, 91.0), Evidence.FAIR)])
def test_what_others_leave_while_they_wait_proves_what_is_never_lent(
        used: float, dedicated: int, then: tuple[float, ...], found: Evidence) -> None:
    where = waits(10, 300, up_prbs=used)
    before = Before(others={Metric.UP_PRBS: list(then)})
    assert said(where, before, Quota(30, 100, dedicated)) is found


def test_what_others_leave_by_their_own_cap_proves_nothing() -> None:
    where = waits(10, 300, up_prbs=70.0)
    web = replace(where.slices[WEB], quota=Quota(5, 70))
    capped = replace(where, slices={**where.slices, WEB: web})
    assert said(where, quota=Quota(30, 100, 30)) is Evidence.HAS
    assert said(capped, quota=Quota(30, 100, 30)) is Evidence.FAIR


@pytest.mark.parametrize(("own", "other", "found"), [
    (50.0, 20.0, Evidence.HAS), (30.0, 28.0, Evidence.FAIR), (10.0, 40.0, Evidence.FAIR)])
def test_more_than_an_equal_share_for_each_ue_proves_it(
        own: float, other: float, found: Evidence) -> None:
    ues = {UeKey("gnb", name): Ue(UeKey("gnb", name), CELL, snssai, Load(NOW, up_prbs=used))
           for name, snssai, used in (("a", LLM, own), ("b", WEB, other), ("c", WEB, other))}
    assert said(waits(10, 300), ues=ues) is found


def test_a_slow_flow_must_get_nearer_to_what_it_would_send_or_is_guaranteed() -> None:
    # 10 rows of 4,096 bytes a second are 328 kbit/s, of 25 kbit/s for each percent 13.1 %.
    where = full(llm(up_kbps=50, up_prbs=2), slice_(WEB))
    (found,) = expected(where, slow())
    assert (found.metric, found.needed) == (Metric.UP_PRBS, True)
    assert found.at_least == pytest.approx(2 + (13.1 - 2) / 2, abs=0.01)
    (capped,) = expected(where, slow(), {LLM: Quota(8), WEB: Quota(5)})
    assert capped.at_least == pytest.approx(5.0)


def test_what_a_flow_wants_is_not_known_then_more_proves_and_no_more_does_not() -> None:
    where = full(llm(up_kbps=50, up_prbs=4), slice_(WEB))
    found = expected(where)
    assert [(one.metric, one.needed, one.under) for one in found] == [
        (Metric.UP_PRBS, False, FULL), (Metric.DOWN_PRBS, True, None)]
    assert found[1] == alive(CELL, 3.0)


@pytest.mark.parametrize("where", [
    full(llm(up_delay_ms=400, up_prbs=4, up_kbps=50), slice_(WEB), up=40),  # nobody is in its way
    full(llm(up_delay_ms=10, up_prbs=4, up_kbps=50), slice_(WEB)),  # it waits for nothing
    full(llm(up_delay_ms=400, up_prbs=35, up_kbps=50), slice_(WEB))])  # it has what it is due
def test_a_slice_that_has_what_it_wants_can_show_nothing_new(where: Cell) -> None:
    found = expected(where)
    assert found == [alive(CELL, 3.0)]


def test_a_slice_that_is_held_by_its_own_cap_is_held_in_a_cell_with_room() -> None:
    where = full(llm(Quota(0, 10), up_delay_ms=400, up_prbs=9), slice_(WEB), up=50)
    (found,) = expected(where)
    assert (found.metric, found.under) == (Metric.UP_DELAY_MS, None)


loads = st.fixed_dictionaries({}, optional={
    name: st.floats(0, 100) for name in ("up_prbs", "down_prbs")} | {
    name: st.floats(0, 1e5) for name in ("up_kbps", "down_kbps")} | {
    name: st.floats(0, 2000) for name in ("up_delay_ms", "down_delay_ms")})


@given(loads, loads, st.integers(1, 90), st.integers(5, 100), st.floats(0, 20),
       st.booleans())
def test_whatever_is_needed_is_either_kept_or_missing_before(
        own: dict[str, Any], all_: dict[str, Any], minimum: int, cap: int, pace: float,
        paced: bool) -> None:
    """So that an acknowledgement without effect is never confirmed, and a slice that has all it
    wants never makes a control fail."""
    where = cell(llm(**own), slice_(WEB, None, 0.0, **all_), **all_)
    group = slow(pace) if paced else GROUP
    quotas = {LLM: Quota(minimum), WEB: Quota(5, cap)}
    observations = Observations(NOW, {where.key: where})
    watched = watch(tuple(expected(where, group, quotas)), {}, observations, NOW, 0.0, 4.0)
    later = replace(observations, now=NOW + 5, cells={where.key: replace(
        where, load=replace(where.load, at=NOW + 5), slices={
            key: replace(one, load=replace(one.load, at=NOW + 5))
            for key, one in where.slices.items()})})
    # The node acknowledged and did nothing: every figure is as it was.
    verdict = judge(look(watched, later), later, NOW + 5)
    assert verdict is not Verdict.SEEN
    assert verdict in (Verdict.UNPROVEN, Verdict.NOT_SEEN, Verdict.NOT_VISIBLE)
    if not any(one.new and one.expected.needed for one in watched.effects):
        assert verdict is Verdict.UNPROVEN or not all_  # of the cell, nothing is reported
    for one in watched.effects:  # nothing is asked for that a direction does not report
        assert one.before is not None or one.expected == alive(CELL, 3.0)


@given(st.floats(1, 30), st.floats(100, 2000), st.integers(35, 90), st.booleans())
def test_a_held_slice_tells_a_control_that_worked_from_one_that_did_not(
        used: float, delay: float, minimum: int, up: bool) -> None:
    way = "up" if up else "down"

    def there(at: float, prbs: float, waits: float) -> Observations:
        load = Load(at, **{f"{way}_prbs": prbs, f"{way}_delay_ms": waits})
        all_ = Load(at, **{f"{way}_prbs": 99.0})
        return Observations(at, {CELL: Cell(CELL, 100, all_, {
            LLM: Slice(LLM, None, 0.0, load), WEB: Slice(WEB, None, 0.0, all_)})})

    before = there(NOW, used, delay)
    found = expected(before.cells[CELL], GROUP, {LLM: Quota(minimum), WEB: Quota(5)})
    watched = watch(tuple(found), {}, before, NOW, 0.0, 4.0)
    for prbs, waits, verdict in (
            (used, delay, Verdict.NOT_SEEN), (float(minimum), delay, Verdict.SEEN),
            (used, 20.0, Verdict.SEEN), (used + 1.0, delay * 0.95, Verdict.NOT_SEEN)):
        first, after = there(NOW + 4, prbs, waits), there(NOW + 5, prbs, waits)
        assert judge(look(look(watched, first), after), after, NOW + 5) is verdict


def test_of_what_nobody_reports_only_that_the_cell_is_there() -> None:
    assert expected(cell(slice_(LLM), slice_(WEB))) == [alive(CELL, 3.0)]
    old = Slice(LLM, None, 0.0, Load(NOW - 60, up_delay_ms=5))
    assert expected(cell(old, slice_(WEB))) == []


def test_nothing_is_expected_of_who_gets_no_more() -> None:
    same = cell(slice_(LLM, Quota(30), 0.0, up_delay_ms=10), slice_(WEB))
    assert expected(same) == []
    doubted = Group(SlicePolicy("chat"), LLM, [], [flow()])
    assert expected(cell(slice_(LLM, None, 0.0, up_delay_ms=10), slice_(WEB)), doubted) == []


@pytest.mark.parametrize("ways", [("down_prbs",), ("up_prbs",), ("up_prbs", "down_prbs")])
def test_a_cap_shows_in_what_is_used_in_each_direction(ways: tuple[str, ...]) -> None:
    used: dict[str, Any] = dict.fromkeys(ways, 90.0)
    where = cell(slice_(LLM), slice_(WEB, None, 0.0, **used))
    assert expected(where, quotas={LLM: Quota(30), WEB: Quota(5, 70)}) == [
        Expectation((CELL, WEB), Metric(way), 3.0, at_most=75.0) for way in ways]


def test_a_cap_is_exceeded_only_by_more_than_rounded_figures_may_be_wrong_by() -> None:
    web = replace(slice_(WEB, down_prbs=60), load=Load(NOW, down_prbs=60.0, prbs_over=7.0))
    where = full(llm(down_prbs=30), web)
    (found,) = [one for one in expected(where, quotas={LLM: Quota(30), WEB: Quota(5, 50)})
                if one.subject == (CELL, WEB)]
    assert found.at_most == 50 + 5 + 7


def test_where_others_are_capped_the_cell_may_empty_by_that() -> None:
    where = full(llm(Quota(30), up_delay_ms=400, up_prbs=4), slice_(WEB, None, 0.0, up_prbs=95))
    found = expected(where, quotas={LLM: Quota(30), WEB: Quota(5, 70)})
    assert [(one.metric, one.under) for one in found] == [
        (Metric.UP_DELAY_MS, None), (Metric.UP_PRBS, None)]


def test_the_reason_is_a_sentence() -> None:
    where = cell(slice_(LLM), slice_(WEB))
    demand = Demand(9.0, 900.0, "they need 900 kbit/s", True)
    text = why(where, GROUP, Quota(30), Quota(10), demand)
    assert text == (
        "The guarantee of slice 1-000001 in gnb/000000001 rises from 10 to 30 % for 1 flow "
        "(llm_split) with a target of 100 ms a token: they need 900 kbit/s; packets wait longer "
        "than that allows")
    assert "falls from 40 to 30 %" in why(where, GROUP, Quota(30), Quota(40), demand)
    assert "stays at 30 %" in why(where, GROUP, Quota(30), Quota(30), demand)
    doubted = Group(SlicePolicy("chat"), LLM, [], [flow()])
    assert "not labelled with confidence" in why(where, doubted, Quota(30), Quota(30), demand)
