"""Floors, shares, steps, and the way back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.xapp.policy_networks import CELL, IOT, LLM, OTHER, WEB, cell, slice_
from xapp.limits import FREE, Limits
from xapp.observations import Quota, Snssai
from xapp.sharing import Want, differs, floors, in_force, is_capped, resting, shared, stepped
from xapp.slice_policy import Reach, SlicePolicy

PLAIN = cell(slice_(LLM), slice_(WEB), slice_(IOT))


def test_floors_are_the_policies_or_what_was_found_or_the_limits() -> None:
    limits = Limits(floor=5, base={(CELL, WEB): Quota(20), (CELL, LLM): Quota(2)})
    policy = SlicePolicy("p", floors={IOT: 30, Snssai(9): 50})
    assert floors(PLAIN, [policy], limits) == {LLM: 5, WEB: 20, IOT: 30}
    lower = SlicePolicy("q", floors={WEB: 10})  # an operator may promise less than was found
    assert floors(PLAIN, [policy, lower], limits) == {LLM: 5, WEB: 10, IOT: 30}
    elsewhere = SlicePolicy("r", floors={WEB: 60}, reach=Reach(frozenset({OTHER})))
    assert floors(PLAIN, [elsewhere], limits) == {LLM: 5, WEB: 20, IOT: 5}


def test_the_limits_floor_shrinks_where_it_does_not_fit() -> None:
    many = cell(*(slice_(Snssai(1, number)) for number in range(40)))
    kept = floors(many, [], Limits(floor=5, most_guaranteed=90))
    assert kept is not None
    assert set(kept.values()) == {2}


def test_promises_that_cannot_be_kept() -> None:
    both = [SlicePolicy("p", floors={WEB: 60}), SlicePolicy("q", floors={IOT: 40})]
    assert floors(PLAIN, both, Limits()) is None
    found = Limits(base={(CELL, WEB): Quota(60), (CELL, IOT): Quota(35)})
    assert floors(PLAIN, [], found) == {LLM: 0, WEB: 60, IOT: 35}  # as it was: nothing to give
    assert shared({LLM: Want(50)}, {LLM: 0, WEB: 60, IOT: 35}, PLAIN, found) == {LLM: 0}


def test_the_rest_is_shared_by_priority_then_by_want() -> None:
    kept, limits = {LLM: 5, WEB: 5, IOT: 10}, Limits()
    assert shared({LLM: Want(40)}, kept, PLAIN, limits) == {LLM: 40}
    assert shared({LLM: Want(95), WEB: Want(50)}, kept, PLAIN, limits) == {LLM: 51, WEB: 28}
    assert shared({LLM: Want(60), WEB: Want(50, priority=1)}, kept, PLAIN, limits) == {
        LLM: 30, WEB: 50}
    capped = Limits(base={(CELL, LLM): Quota(0, 30)})
    assert shared({LLM: Want(60)}, kept, PLAIN, capped) == {LLM: 30}


@pytest.mark.parametrize(("now", "due", "after"), [
    (0, 2, 0), (0, 3, 3), (0, 80, 50), (40, 42, 40), (40, 24, 40), (40, 23, 23), (90, 5, 40),
    (4, 2, 4), (6, 3, 3)])
def test_steps_are_neither_small_nor_large(now: int, due: int, after: int) -> None:
    where = cell(slice_(LLM, Quota(now)))
    assert stepped({LLM: Want(due)}, {LLM: due}, {LLM: 0}, where, Limits()) == {LLM: after}


def test_what_was_given_once_makes_room() -> None:
    where = cell(slice_(LLM, Quota(50)), slice_(WEB, Quota(0)), slice_(IOT))
    kept = {LLM: 0, WEB: 0, IOT: 30}
    wants = {LLM: Want(40), WEB: Want(40)}
    due = shared(wants, kept, where, Limits())
    assert stepped(wants, due, kept, where, Limits()) == {LLM: 30, WEB: 30}


percents = st.integers(0, 100)


@given(st.dictionaries(st.sampled_from([LLM, WEB, IOT]), st.tuples(percents, st.integers(0, 2)),
                       min_size=1), st.tuples(*[st.integers(0, 30)] * 3), st.integers(50, 100))
def test_shares_fit_and_floors_hold(
    wanted: dict[Snssai, tuple[int, int]], least: tuple[int, int, int], most: int
) -> None:
    limits = Limits(most_guaranteed=most)
    kept = dict(zip((LLM, WEB, IOT), least, strict=True))
    wants = {snssai: Want(*values) for snssai, values in wanted.items()}
    due = shared(wants, kept, PLAIN, limits)
    total = sum((kept | due).values())
    assert total <= max(most, sum(kept.values()))
    for snssai, minimum in due.items():
        assert kept[snssai] <= minimum <= max(wants[snssai].minimum, kept[snssai])


def test_what_is_in_force() -> None:
    limits = Limits(base={(CELL, LLM): Quota(7)})
    assert in_force(cell(slice_(LLM, Quota(9))), LLM, limits) == Quota(9)
    assert in_force(PLAIN, LLM, limits) == Quota(7)
    assert in_force(PLAIN, WEB, limits) == FREE


def test_what_is_worth_changing() -> None:
    where = cell(slice_(LLM, Quota(30)), slice_(WEB, Quota(5)))
    kept = {LLM: 5, WEB: 5}

    def changes(llm: Quota, web: Quota) -> bool:
        return differs(where, {LLM: llm, WEB: web}, [LLM], kept, Limits())

    assert not changes(Quota(30), Quota(5))
    assert not changes(Quota(30), Quota(5, 98))
    assert changes(Quota(31), Quota(5))
    assert changes(Quota(30), Quota(5, 70))
    floorless = cell(slice_(LLM, Quota(30)), slice_(WEB, Quota(1)))
    assert differs(floorless, {LLM: Quota(30), WEB: Quota(5)}, [LLM], kept, Limits())
    for web, lowered in ((7, False), (8, True)):  # a floor that holds no more, by a step
        above = cell(slice_(LLM, Quota(30)), slice_(WEB, Quota(web)))
        assert differs(above, {LLM: Quota(30), WEB: Quota(5)}, [LLM], kept, Limits()) is lowered
    least = cell(slice_(LLM, Quota(30)), slice_(WEB, Quota(6)))  # as far as it goes down
    assert not differs(least, {LLM: Quota(30), WEB: Quota(5)}, [LLM], kept,
                       Limits(smallest_step=1))
    too_much = cell(slice_(LLM, Quota(30)), slice_(WEB, Quota(90)))
    assert differs(too_much, {LLM: Quota(30), WEB: Quota(90)}, [LLM], kept, Limits())


def test_who_is_capped() -> None:
    limits = Limits(base={(CELL, WEB): Quota(0, 60)})
    assert not is_capped(cell(slice_(LLM), slice_(WEB, Quota(0, 60))), [LLM], limits)
    assert is_capped(cell(slice_(LLM), slice_(WEB, Quota(0, 50))), [LLM], limits)
    assert not is_capped(cell(slice_(LLM, Quota(0, 5)), slice_(WEB)), [LLM], limits)


def test_the_way_back() -> None:
    limits = Limits(base={(CELL, LLM): Quota(), (CELL, WEB): Quota(10, 60, 5)})
    raised = cell(slice_(LLM, Quota(40)), slice_(WEB, Quota(5, 50)), slice_(IOT, Quota(7)))
    assert resting(raised, {}, limits) == {LLM: FREE, WEB: Quota(10, 60, 5), IOT: Quota(7)}
    assert resting(raised, {WEB: 70}, limits) == {
        LLM: FREE, WEB: Quota(70, 70, 5), IOT: Quota(7)}
    there = cell(slice_(LLM, FREE), slice_(WEB, Quota(10, 60, 5)), slice_(IOT, Quota(7)))
    assert resting(there, {}, limits) is None
    assert resting(cell(slice_(LLM), slice_(WEB)), {}, limits) is None  # never touched


@pytest.mark.parametrize("left", [
    Quota(10, 100, 10),  # OpenAirInterface dedicates what it guarantees
    Quota(11, 100, 0), Quota(10, 100, 0)])
def test_what_a_base_station_cannot_do_without_is_not_asked_away_for_ever(left: Quota) -> None:
    limits = Limits(base={(CELL, LLM): Quota(10)})
    assert resting(cell(slice_(LLM, left)), {}, limits) is None
    for more in (Quota(13, 100, 13), Quota(10, 90), Quota(9), Quota(10, 100, 4)):
        assert resting(cell(slice_(LLM, more)), {}, limits) == {LLM: Quota(10)}
