"""Floors, rates, and actuators that are set aside."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.xapp.steering_scene import CELL, LLM, NODE, REST, Scene
from xapp.actuators.targets import Settings, UeTarget
from xapp.observations import Quota, Snssai, UeKey
from xapp.steering_guard import Aside, Bucket, bad_quotas, below_floor, breaks_floor

QUOTA = st.tuples(st.integers(0, 100), st.integers(0, 100), st.integers(0, 100)).map(
    lambda three: Quota(sorted(three)[1], sorted(three)[2], sorted(three)[0]))


@pytest.mark.parametrize(("rest", "llm", "broken"), [
    (Quota(20, 100, 0), Quota(80, 100, 0), False), (Quota(0, 100, 0), Quota(80, 100, 0), False),
    (Quota(0, 100, 0), Quota(81, 100, 0), True), (Quota(0, 19, 0), Quota(0, 100, 0), True),
    (Quota(20, 20, 0), Quota(0, 100, 0), False)])
def test_a_floor_holds_where_it_is_guaranteed_or_left(
        rest: Quota, llm: Quota, broken: bool) -> None:
    assert (below_floor({REST: rest, LLM: llm}, {REST: 20}) is not None) is broken


@given(st.dictionaries(st.integers(0, 4).map(Snssai), QUOTA, max_size=4), st.integers(0, 50))
def test_a_floor_that_holds_is_left_when_all_others_take_their_guarantees(
        quotas: dict[Snssai, Quota], floor: int) -> None:
    if bad_quotas(quotas) is None and below_floor(quotas, {Snssai(0): floor}) is None:
        own = quotas.get(Snssai(0), Quota())
        others = sum(one.minimum for snssai, one in quotas.items() if snssai != Snssai(0))
        assert max(own.minimum, min(own.maximum, 100 - others)) >= floor


def test_limits_of_all_ues_of_a_slice_are_a_limit_of_the_slice() -> None:
    seen = Scene(ues=(1, 2, 3)).observations()
    limits: Settings = {
        UeTarget(UeKey(NODE, f"du:{one}"), CELL): Quota(0, 10, 0) for one in (2, 3)}
    assert breaks_floor(CELL, limits, {}, {REST: 20}, seen) is None
    assert "20 %" in (breaks_floor(CELL, limits, {}, {REST: 25}, seen) or "")
    assert breaks_floor(CELL, {}, limits, {REST: 25}, seen) is not None  # in force already
    assert breaks_floor(CELL, limits, {}, {LLM: 50}, seen) is None  # whose UE is free


def test_a_bucket_fills_with_time_and_never_over_its_brim() -> None:
    bucket = Bucket(0.5, 2.0, 2.0)
    bucket.take(0.0)
    bucket.take(0.0)
    assert not bucket.ready(1.0)
    assert bucket.when(1.0) == 2.0
    assert bucket.ready(2.0)
    bucket.take(1000.0)
    bucket.take(1000.0)
    assert not bucket.ready(1000.0)


def test_failures_in_a_row_set_an_actuator_aside_on_that_node_only() -> None:
    aside = Aside(2, 10.0)
    assert not aside.failed("a", "rc", 0.0)
    aside.worked("a", "rc")
    assert not aside.failed("a", "rc", 1.0)
    assert aside.failed("a", "rc", 2.0)
    assert aside.is_set("a", "rc", 11.9)
    assert not aside.is_set("b", "rc", 3.0)
    assert not aside.is_set("a", "rc", 12.0)
    aside.failed("a", "rc", 13.0)
    aside.forget("a")
    assert not aside.failed("a", "rc", 14.0)
