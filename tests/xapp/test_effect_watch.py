"""What counts as an effect: fresh figures, as expected, by the deadline; and what an undo shows."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.xapp.steering_scene import CELL, FREE, LLM, NODE, REST, SHOWN, wish
from xapp.actuators.targets import PlaceTarget, Settings, SliceTarget, UeTarget
from xapp.decisions import Expectation, Metric
from xapp.effect_watch import (
    Verdict,
    Watch,
    alive,
    expectations,
    judge,
    look,
    outcome,
    shows,
    undone,
    watch,
)
from xapp.observations import Cell, CellKey, Load, Observations, Quota, Slice, Ue, UeKey

SETTINGS: Settings = {SliceTarget(CELL, LLM): Quota(70, 100, 0)}


def seen(at: float, prbs: float | None, **ues: str) -> Observations:
    load = Load(at, down_prbs=prbs)
    keys = {UeKey(NODE, name): CellKey(NODE, cell) for name, cell in ues.items()}
    return Observations(at, {CELL: Cell(CELL, 106, load, {LLM: Slice(LLM, None, 0.0, load)})},
                        {key: Ue(key, cell, LLM, load) for key, cell in keys.items()})


def begun(before: float | None = 50.0, stale: float = 0.0) -> Watch:
    return watch((SHOWN,), SETTINGS, seen(9.0, before), 10.0, stale, 4.0)


@pytest.mark.parametrize(("at", "prbs", "now", "verdict"), [
    (11.0, 70.0, 11.0, Verdict.SEEN),
    (11.0, 60.0, 11.0, Verdict.WAITING),
    (11.0, 60.0, 13.0, Verdict.NOT_SEEN),
    (10.0, 70.0, 12.0, Verdict.WAITING),  # from before, or of that very moment
    (10.0, 70.0, 13.0, Verdict.NOT_VISIBLE),
    (11.0, None, 12.0, Verdict.WAITING),  # not known is not 0
    (11.0, None, 13.0, Verdict.NOT_VISIBLE)])
def test_a_verdict_is_of_reports_made_since(
        at: float, prbs: float | None, now: float, verdict: Verdict) -> None:
    observations = seen(at, prbs)
    assert judge(look(begun(), observations), observations, now) is verdict


@pytest.mark.parametrize("before", [65.0, 80.0, None])
def test_what_was_so_before_proves_nothing(before: float | None) -> None:
    watched = look(begun(before), seen(11.0, 80.0))
    assert judge(watched, seen(11.0, 80.0), 11.0) is Verdict.UNPROVEN
    assert not shows(watched)


def carrying(at: float, up_kbps: float | None) -> Observations:
    load = Load(at, up_kbps=up_kbps)
    return Observations(at, {CELL: Cell(CELL, 106, Load(at), {LLM: Slice(LLM, None, 0.0, load)})})


@pytest.mark.parametrize(("before", "after", "verdict"), [
    (None, 19.0, Verdict.SEEN), (0.0, 19.0, Verdict.SEEN), (5.0, 19.0, Verdict.UNPROVEN),
    (None, 0.0, Verdict.NOT_SEEN), (0.0, 0.0, Verdict.NOT_SEEN), (None, None, Verdict.NOT_VISIBLE)])
def test_where_a_slice_must_carry_something_its_silence_is_no_pause(
        before: float | None, after: float | None, verdict: Verdict) -> None:
    """And a slice in which nobody was reported carried nothing before."""
    expected = Expectation((CELL, LLM), Metric.UP_KBPS, 3.0, at_least=1.0, silence=True)
    begun = watch((expected,), {}, carrying(9.0, before), 10.0, 0.0, 4.0)
    observations = carrying(11.0, after)
    assert judge(look(begun, observations), observations, 13.0) is verdict


def busy(at: float, slice_prbs: float | None, cell_prbs: float, delay: float | None = None,
         ) -> Observations:
    load = Load(at, up_prbs=slice_prbs, up_delay_ms=delay)
    return Observations(at, {CELL: Cell(CELL, 106, Load(at, up_prbs=cell_prbs),
                                        {LLM: Slice(LLM, None, 0.0, load)})})


MORE = Expectation((CELL, LLM), Metric.UP_PRBS, 3.0, at_least=20.0)
SOONER = Expectation((CELL, LLM), Metric.UP_DELAY_MS, 3.0, at_most=50.0, under=85.0,
                     instead=(MORE,))


@pytest.mark.parametrize(("prbs", "delay", "use", "verdict"), [
    (10.0, 40.0, 99.0, Verdict.SEEN),
    (25.0, 300.0, 99.0, Verdict.SEEN),  # it has more, though still not enough
    (25.0, None, 99.0, Verdict.SEEN),
    (10.0, 300.0, 99.0, Verdict.NOT_SEEN),
    (10.0, None, 99.0, Verdict.NOT_SEEN),
    (None, None, 99.0, Verdict.NOT_VISIBLE),
    # The others went away by themselves: nothing can be told of the node.
    (10.0, 40.0, 50.0, Verdict.UNPROVEN), (10.0, 300.0, 50.0, Verdict.UNPROVEN)])
def test_uplink_is_judged_by_uplink_under_load_and_by_whichever_figure_shows(
        prbs: float | None, delay: float | None, use: float, verdict: Verdict) -> None:
    watched = watch((SOONER,), SETTINGS, busy(9.0, 10.0, 99.0, 300.0), 10.0, 0.0, 4.0)
    after = busy(13.0, prbs, use, delay)
    watched = look(watched, after)
    assert judge(watched, after, 13.0) is verdict
    assert "or up_prbs at least 20" in outcome(watched)
    assert ("nobody was held" in outcome(watched)) is (verdict is Verdict.UNPROVEN)


SURER = replace(SOONER, instead=(), reports=2)


def test_where_two_reports_in_a_row_have_to_say_so_one_proves_nothing() -> None:
    watched = watch((SURER,), SETTINGS, busy(9.0, 10.0, 99.0, 300.0), 10.0, 0.0, 4.0)
    once = busy(11.0, 10.0, 99.0, 40.0)
    watched = look(look(watched, once), replace(once, now=11.5))  # looked at twice
    assert judge(watched, once, 11.5) is Verdict.WAITING
    assert judge(watched, once, 13.0) is Verdict.UNPROVEN
    for delay, verdict in ((40.0, Verdict.SEEN), (300.0, Verdict.NOT_SEEN)):
        after = busy(12.0, 10.0, 99.0, delay)
        assert judge(look(watched, after), after, 13.0) is verdict
    broken = look(look(watched, busy(11.6, 10.0, 99.0, 300.0)), busy(12.0, 10.0, 99.0, 40.0))
    assert judge(broken, busy(12.0, 10.0, 99.0, 40.0), 13.0) is Verdict.UNPROVEN
    assert "in 2 reports in a row" in outcome(watched)


@pytest.mark.parametrize("of_ue", [False, True])
def test_a_wait_that_fell_with_all_others_is_no_effect(of_ue: bool) -> None:
    keys = UeKey(NODE, "du:1"), UeKey(NODE, "du:2")

    def at(now: float, own: float, other: float | None) -> Observations:
        whole, mine, rest = (Load(now, up_prbs=99.0), Load(now, up_delay_ms=own),
                             Load(now, up_delay_ms=other))
        return Observations(now, {CELL: Cell(CELL, 106, whole, {
            LLM: Slice(LLM, None, 0.0, mine), REST: Slice(REST, None, 0.0, rest)})},
            {keys[0]: Ue(keys[0], CELL, LLM, mine), keys[1]: Ue(keys[1], CELL, REST, rest)})

    one = replace(SURER, subject=keys[0] if of_ue else (CELL, LLM), reports=1, beside=0.8)
    watched = watch((one,), SETTINGS, at(9.0, 60.0, 60.0), 10.0, 0.0, 4.0)
    for own, other, verdict in ((40.0, 42.0, Verdict.UNPROVEN), (40.0, 60.0, Verdict.SEEN),
                                (40.0, None, Verdict.SEEN), (60.0, 300.0, Verdict.NOT_SEEN)):
        after = at(12.0, own, other)
        assert judge(look(watched, after), after, 13.0) is verdict
    assert "0.8 of the longest wait beside it" in outcome(watched)


def test_a_pause_tells_nothing_and_does_not_undo_what_was_seen() -> None:
    def at(now: float, kbps: float, prbs: float) -> Observations:
        load = Load(now, up_prbs=prbs, up_kbps=kbps)
        return Observations(now, {CELL: Cell(CELL, 106, Load(now, up_prbs=99.0), {
            LLM: Slice(LLM, None, 0.0, load)})})

    watched = watch((MORE,), SETTINGS, at(9.0, 500.0, 10.0), 10.0, 0.0, 4.0)
    pause = at(13.0, 0.0, 0.0)
    assert judge(look(watched, pause), pause, 13.0) is Verdict.UNPROVEN
    missed = look(watched, at(12.0, 500.0, 10.0))
    assert judge(look(missed, pause), pause, 13.0) is Verdict.NOT_SEEN


def test_a_load_that_is_away_is_waited_for_until_the_deadline() -> None:
    watched = watch((SOONER,), SETTINGS, busy(9.0, 10.0, 99.0, 300.0), 10.0, 0.0, 4.0)
    away = busy(11.0, 10.0, 20.0, 4.0)
    assert judge(look(watched, away), away, 11.0) is Verdict.WAITING
    back = busy(12.0, 25.0, 99.0, 40.0)
    assert judge(look(look(watched, away), back), back, 12.0) is Verdict.SEEN


def test_a_capped_slice_that_wants_little_by_now_shows_nothing() -> None:
    cap = Expectation((CELL, LLM), Metric.DOWN_PRBS, 3.0, at_most=40.0)
    watched = watch((cap,), SETTINGS, seen(9.0, 90.0), 10.0, 0.0, 4.0)
    for prbs, verdict in ((39.0, Verdict.SEEN), (5.0, Verdict.UNPROVEN), (60.0, Verdict.NOT_SEEN)):
        after = seen(13.0, prbs)
        assert judge(look(watched, after), after, 13.0) is verdict


def test_a_node_that_repeats_old_figures_is_waited_for() -> None:
    watched = begun(stale=2.0)
    assert watched.deadline == 16.0  # three times its refresh, as the policy's 3 s are too few
    early = seen(11.9, 70.0)
    assert judge(look(watched, early), early, 11.9) is Verdict.WAITING
    fresh = seen(12.0, 70.0)
    assert judge(look(watched, fresh), fresh, 12.0) is Verdict.SEEN


def test_the_last_figure_counts_and_not_the_best() -> None:
    watched = look(begun(), seen(11.0, 70.0))
    after = seen(12.0, 40.0)
    assert judge(look(watched, after), after, 12.0) is Verdict.WAITING


def test_an_undo_has_to_show_that_the_effect_is_over() -> None:
    watched = undone(look(begun(), seen(12.0, 70.0)), SETTINGS, 13.0, 4.0)
    still, over = seen(14.0, 70.0), seen(14.0, 50.0)
    assert judge(look(watched, still), still, 17.0) is Verdict.NOT_SEEN
    assert judge(look(watched, over), over, 14.0) is Verdict.SEEN
    assert "no longer at least 65" in outcome(look(watched, still))


@pytest.mark.parametrize("before", [None, 80.0])
def test_an_undo_of_what_was_so_before_only_has_to_be_reported(before: float | None) -> None:
    watched = undone(begun(before), SETTINGS, 13.0, 4.0)
    reported = seen(14.0, 80.0)
    assert judge(look(watched, reported), reported, 14.0) is Verdict.UNPROVEN
    assert not any(one.new for one in begun(before).effects)


def test_a_handover_is_seen_where_the_ue_is_reported_in_its_new_cell() -> None:
    target: Settings = {PlaceTarget(UeKey(NODE, "amf"), CELL): CellKey(NODE, "00019b002")}
    watched = watch((), target, seen(9.0, 1.0), 10.0, 0.0, 4.0)
    for cell, at, now, verdict in (
            ("00019b001", 11.0, 11.0, Verdict.WAITING), ("00019b002", 11.0, 11.0, Verdict.SEEN),
            ("00019b001", 11.0, 14.0, Verdict.NOT_SEEN),
            ("00019b002", 9.0, 14.0, Verdict.NOT_VISIBLE)):
        observations = seen(at, 1.0, amf=cell)
        assert judge(look(watched, observations), observations, now) is verdict


def test_where_a_policy_expects_nothing_the_settings_say_what_must_show() -> None:
    capped = wish({REST: Quota(10, 30, 0)}, expected=())
    settings: Settings = {SliceTarget(CELL, REST): Quota(10, 30, 0)}
    assert expectations(capped, settings, CELL, 4.0) == (
        Expectation((CELL, REST), Metric.DOWN_PRBS, 4.0, at_most=35.0),)
    free: Settings = {SliceTarget(CELL, REST): FREE}
    assert expectations(wish({REST: FREE}, expected=()), free, CELL, 4.0) == (alive(CELL, 4.0),)
    # An actuator that does not limit cannot be expected to.
    assert expectations(capped, free, CELL, 4.0) == (alive(CELL, 4.0),)
    assert expectations(wish(), settings, CELL, 4.0) == (SHOWN,)


def test_a_cap_is_looked_for_in_every_direction_that_is_reported() -> None:
    capped = wish({LLM: Quota(10, 30, 0)}, expected=())
    settings: Settings = {SliceTarget(CELL, LLM): Quota(10, 30, 0)}
    load = Load(9.0, up_prbs=80.0)
    uplink = Observations(9.0, {CELL: Cell(CELL, 106, load, {LLM: Slice(LLM, None, 0.0, load)})})
    assert expectations(capped, settings, CELL, 4.0, uplink) == (
        Expectation((CELL, LLM), Metric.UP_PRBS, 4.0, at_most=35.0),)


@pytest.mark.parametrize(("settings", "kept"), [
    ({SliceTarget(CELL, REST): Quota(0, 30, 0)}, True),
    ({SliceTarget(CELL, REST): Quota(0, 100, 0)}, False),  # it does not cap: OAI's RC
    ({SliceTarget(CELL, LLM): Quota(0, 30, 0)}, False),  # another slice
    ({UeTarget(UeKey(NODE, "du:1"), CELL): Quota(0, 15, 0)}, True)])
def test_a_cap_is_not_expected_of_who_does_not_cap(settings: Settings, kept: bool) -> None:
    cap = Expectation((CELL, REST), Metric.DOWN_PRBS, 3.0, at_most=35.0)
    found = expectations(wish(expected=(SHOWN, cap)), settings, CELL, 4.0)
    assert found == ((SHOWN, cap) if kept else (SHOWN,))


def test_any_figure_shows_that_a_cell_is_there() -> None:
    watched = watch((alive(CELL, 4.0),), {}, seen(9.0, None), 10.0, 0.0, 4.0)
    observations = seen(11.0, None)
    cell = replace(observations.cells[CELL], load=Load(11.0, up_kbps=0.0))
    observations = replace(observations, cells={CELL: cell})
    assert judge(look(watched, observations), observations, 11.0) is Verdict.UNPROVEN
    assert "any figure" in outcome(watched)


@given(st.floats(0, 100), st.floats(0, 100), st.floats(10.001, 20), st.floats(0, 5))
def test_a_verdict_never_comes_of_nothing(
        before: float, prbs: float, now: float, stale: float) -> None:
    watched = begun(before, stale)
    observations = seen(now, prbs)
    verdict = judge(look(watched, observations), observations, now)
    if verdict in (Verdict.SEEN, Verdict.UNPROVEN):
        assert prbs >= 65
        assert (before < 65) is (verdict is Verdict.SEEN)
        assert now >= 10 + stale
    if verdict in (Verdict.NOT_SEEN, Verdict.NOT_VISIBLE):
        assert now >= watched.deadline
