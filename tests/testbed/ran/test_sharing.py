"""Sharing: nothing is made up, floors come first, reserves are kept, and the rest is borrowed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.ran.sharing import Claim, divide

AMOUNTS = st.floats(0, 1000, allow_nan=False)
CLAIMS = st.lists(st.builds(Claim, AMOUNTS, AMOUNTS, AMOUNTS, AMOUNTS), max_size=8)
NEAR = 1e-6


@given(AMOUNTS, CLAIMS)
def test_nobody_gets_more_than_there_is_or_than_wanted(total: float, claims: list[Claim]) -> None:
    parts = divide(total, claims)
    assert sum(parts) <= total + NEAR
    for part, claim in zip(parts, claims, strict=True):
        assert -NEAR <= part <= min(claim.wanted, claim.ceiling) + NEAR


@given(AMOUNTS, CLAIMS)
def test_floors_that_fit_are_served_as_far_as_they_are_wanted(
    total: float, claims: list[Claim]
) -> None:
    if sum(max(one.floor, one.reserved) for one in claims) <= total:
        for part, claim in zip(divide(total, claims), claims, strict=True):
            assert part >= min(claim.wanted, claim.ceiling, claim.floor) - NEAR


@given(AMOUNTS, st.lists(AMOUNTS, min_size=1, max_size=8))
def test_nothing_is_left_while_somebody_wants_it(total: float, wanted: list[float]) -> None:
    parts = divide(total, [Claim(one) for one in wanted])
    assert sum(parts) == pytest.approx(min(total, sum(wanted)), abs=NEAR)


def test_without_floors_who_has_more_waiting_gets_more() -> None:
    assert divide(100, [Claim(300), Claim(100)]) == pytest.approx([75, 25])


def test_an_idle_floor_is_lent_and_an_idle_reserve_is_not() -> None:
    assert divide(100, [Claim(0, floor=40), Claim(500)]) == pytest.approx([0, 100])
    assert divide(100, [Claim(0, reserved=40), Claim(500)]) == pytest.approx([0, 60])


def test_a_floor_is_given_back_when_it_is_wanted() -> None:
    assert divide(100, [Claim(40, floor=40), Claim(500)]) == pytest.approx([40, 60])


def test_a_ceiling_holds_even_where_the_rest_is_free() -> None:
    assert divide(100, [Claim(500, ceiling=30)]) == pytest.approx([30])


def test_floors_beyond_the_total_are_cut_in_proportion() -> None:
    assert divide(100, [Claim(500, floor=150), Claim(500, floor=50)]) == pytest.approx([75, 25])
