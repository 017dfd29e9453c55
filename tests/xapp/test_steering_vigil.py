"""A vigil: only load counts, a row of proof proves, contradiction or silence under load refutes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.xapp.steering_scene import CELL
from xapp.effects import Evidence
from xapp.steering_types import SteeringConfig
from xapp.steering_vigil import Finding, Vigil

CONFIG = SteeringConfig()


def run(*said: Evidence) -> list[Finding]:
    """One look a second."""
    vigil = Vigil(CELL, None, {})
    return [vigil.weigh(one, float(second), CONFIG) for second, one in enumerate(said)]


def test_a_calm_cell_decides_nothing() -> None:
    assert set(run(*[Evidence.NO_LOAD] * 1000)) == {Finding.OPEN}


def test_proof_under_load_proves_and_a_moment_of_it_does_not() -> None:
    assert run(*[Evidence.HAS] * 3)[-1] is Finding.PROVEN
    assert set(run(*[Evidence.HAS, Evidence.NO_LOAD] * 10)) == {Finding.OPEN}


def test_what_may_be_so_in_any_case_neither_proves_nor_refutes() -> None:
    assert set(run(*[Evidence.FAIR] * 1000)) == {Finding.OPEN}
    assert set(run(*[Evidence.HAS, Evidence.FAIR] * 10)) == {Finding.OPEN}
    assert set(run(*[Evidence.HELD, Evidence.FAIR] * 5)) == {Finding.OPEN}


def test_who_is_held_for_some_seconds_refutes() -> None:
    found = run(*[Evidence.HELD] * 5)
    assert found == [Finding.OPEN] * 4 + [Finding.REFUTED]


@given(st.lists(st.sampled_from([Evidence.HIDDEN, Evidence.NO_LOAD]), max_size=60))
def test_what_nothing_shows_stands_for_so_many_seconds_of_load_and_no_more(
        said: list[Evidence]) -> None:
    found = run(*said)
    load = said[1:].count(Evidence.HIDDEN)  # the first look begins it
    assert (Finding.NEVER_SHOWN in found) is (load >= CONFIG.unproven_seconds)


def test_a_long_gap_between_looks_is_no_watching() -> None:
    vigil = Vigil(CELL, None, {})
    vigil.weigh(Evidence.HELD, 0.0, CONFIG)
    assert vigil.weigh(Evidence.HELD, 500.0, CONFIG) is Finding.OPEN
