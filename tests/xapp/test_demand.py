"""What flows need: from rows, from rates, from use; and what is not known is not 0."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.xapp.policy_networks import LIMITS, LLM, NOW, cell, flow, load, slice_
from xapp.demand import (
    Demand,
    estimate,
    fresh,
    kbps_per_percent,
    own_kbps,
    row_ms,
    up_kbps,
    waiting,
    wanted_kbps,
)
from xapp.observations import Flow, Slice
from xapp.slice_policy import SlicePolicy

PLAIN = SlicePolicy("chat", inter_token_ms=100)
ROWS = SlicePolicy("chat", inter_token_ms=100, row_bytes=4096)
USED = slice_(LLM, None, 0.0, up_kbps=500, up_prbs=5, down_kbps=1000, down_prbs=4)


def needed(flows: list[Flow], policy: SlicePolicy = PLAIN, part: Slice | None = USED,
           **of_cell: Any) -> Demand:
    return estimate(cell(**of_cell), part, flows, policy, LIMITS, NOW)


def test_a_row_has_to_be_over_within_its_share_of_the_target() -> None:
    assert up_kbps([flow()], ROWS, LIMITS) == 4096 * 8 / 50
    assert up_kbps([flow(step_bytes=1000.0)], ROWS, LIMITS) == 160  # what a tap saw goes first
    fast = flow(step_bytes=1000.0, steps_per_second=100.0)
    assert up_kbps([fast], ROWS, LIMITS) == 800  # faster than the target asks for


def test_rows_of_several_do_not_all_come_at_once() -> None:
    mean, peak = 4096 * 8 / 100, 4096 * 8 / 50
    assert up_kbps([flow(), flow("b")], ROWS, LIMITS) == pytest.approx(mean + peak)
    small = flow("b", step_bytes=1000.0)
    assert up_kbps([flow(), small], ROWS, LIMITS) == pytest.approx(80 + peak)
    many = up_kbps([flow(str(one)) for one in range(10)], ROWS, LIMITS)
    assert many == pytest.approx(9 * mean + peak)


def test_a_prompt_comes_at_once() -> None:
    policy = SlicePolicy("chat", inter_token_ms=100, first_token_ms=500, row_bytes=4096,
                         prompt_rows=64)
    assert up_kbps([flow()], policy, LIMITS) == 4096 * 64 * 8 / 250
    assert up_kbps([flow(), flow("b")], policy, LIMITS) == 4096 * 64 * 8 / 250


def test_rates_serve_where_rows_are_not_known() -> None:
    assert up_kbps([flow(up_bytes_per_second=1000.0)], PLAIN, LIMITS) == 24  # peaks are higher
    assert up_kbps([flow()], PLAIN, LIMITS) is None
    # One of which nothing is known is taken to be like the other.
    assert up_kbps([flow(up_bytes_per_second=1000.0), flow("b")], PLAIN, LIMITS) == 32


def test_what_slow_flows_would_send_at_their_target() -> None:
    chat = SlicePolicy("chat")  # ten tokens a second
    slow, fast = (flow(steps_per_second=pace, step_bytes=1250.0) for pace in (2.0, 20.0))
    assert wanted_kbps([slow], chat) == pytest.approx(100)
    assert wanted_kbps([slow, fast], chat) == pytest.approx(300)
    assert wanted_kbps([fast], chat) is None  # it has what it wants
    assert wanted_kbps([slow, flow(step_bytes=1250.0)], chat) is None
    assert wanted_kbps([flow(steps_per_second=2.0)], SlicePolicy("chat", row_bytes=None)) is None
    assert wanted_kbps([], chat) is None


def test_the_direction_that_needs_more_counts() -> None:
    up = needed([flow()], ROWS)
    assert up.percent == pytest.approx(6.5536)
    assert up.reckoned
    down = needed([flow(down_bytes_per_second=1e6)], ROWS)
    assert down.percent == pytest.approx(96)  # 24 Mbit/s at 250 kbit/s a percent


def test_use_serves_where_nothing_else_is_known() -> None:
    demand = needed([flow()])
    assert (demand.percent, demand.reckoned, demand.kbps) == (5, False, None)


def test_what_is_not_known_is_not_nothing() -> None:
    for part in (None, slice_(LLM), Slice(LLM, None, 0.0, load(NOW - 60, up_prbs=50))):
        assert needed([flow()], part=part, prbs=None).percent is None
    # Nobody knows what a PRB carries.
    assert needed([flow()], ROWS, None, prbs=None).percent is None


def test_what_a_percent_carries() -> None:
    assert kbps_per_percent(cell(), USED.load, True, LIMITS, NOW) == 100
    whole = cell(up_kbps=9000, up_prbs=90)
    assert kbps_per_percent(whole, None, True, LIMITS, NOW) == 100
    little = load(up_kbps=5, up_prbs=1)
    assert kbps_per_percent(whole, little, True, LIMITS, NOW) == 100  # too little to tell
    assert kbps_per_percent(cell(prbs=100), None, True, LIMITS, NOW) == 150
    assert kbps_per_percent(cell(prbs=None), None, True, LIMITS, NOW) is None


def test_what_a_percent_carries_of_ones_own_is_the_least_that_reports_allow() -> None:
    assert own_kbps(load(up_kbps=60, up_prbs=1), True, 110) == 60
    rounded = load(up_kbps=60, up_prbs=1, prbs_over=0.5)  # 0.5 to 1.5 %
    assert own_kbps(rounded, True, 110) == 40
    assert own_kbps(load(up_kbps=60, up_prbs=0, prbs_over=0.5), True, 110) is None
    # A few small packets in a pause are no rows; so much of the cell says enough all the same.
    assert own_kbps(load(up_kbps=15, up_prbs=2), True, 110) is None
    assert own_kbps(load(up_kbps=36, up_prbs=1), True, 110) == 36  # of a flow that is held
    assert own_kbps(load(up_kbps=16, up_prbs=4), True, 110) == 4
    assert own_kbps(rounded, True, None) is None
    assert own_kbps(rounded, False, 110) is None
    assert own_kbps(None, True, 110) is None


def test_a_ue_at_the_edge_does_not_have_the_cells_mean() -> None:
    rows = flow(step_bytes=552.0)  # 44 kbit/s, with ten tokens a second
    crowd = {"up_kbps": 8200, "up_prbs": 100}
    own = slice_(LLM, None, 0.0, up_kbps=24, up_prbs=1, prbs_over=0.5)
    at_edge = needed([rows], PLAIN, own, **crowd)
    assert at_edge.percent == pytest.approx(552 * 8 / 50 / 16)
    assert not at_edge.borrowed
    pause = needed([rows], PLAIN, slice_(LLM, None, 0.0, up_kbps=5, up_prbs=0), **crowd)
    assert pause.percent == pytest.approx(552 * 8 / 50 / 82)
    assert pause.borrowed
    assert not pause.presumed
    ended = needed([rows, flow("b", step_bytes=552.0)], PLAIN, own, **crowd)
    assert not ended.borrowed  # one of two sends rows
    unreported = needed([rows], PLAIN, None, **crowd)  # it is all that there will ever be
    assert not unreported.borrowed


def test_a_row_has_what_its_grant_leaves_of_the_time() -> None:
    granted = replace(LIMITS, grant_ms=30.0)
    assert row_ms(ROWS, LIMITS) == 50
    assert row_ms(ROWS, granted) == 20
    assert up_kbps([flow()], ROWS, granted) == 4096 * 8 / 20
    assert row_ms(ROWS, replace(LIMITS, grant_ms=60.0)) == 10  # a target that cannot be met
    policy = replace(ROWS, first_token_ms=500)
    assert up_kbps([flow()], policy, granted) == pytest.approx(4096 * 64 * 8 / 220)


@pytest.mark.parametrize(("delays", "waits"), [
    ({}, False), ({"up_delay_ms": 50}, False), ({"up_delay_ms": 51}, True),
    ({"down_delay_ms": 60, "up_delay_ms": 1}, True)])
def test_who_waits(delays: dict[str, float], waits: bool) -> None:
    assert waiting(load(**delays), PLAIN, LIMITS) is waits


@pytest.mark.parametrize(("age", "good"), [(0, True), (3, True), (3.1, False), (-0.5, True),
                                           (-2, False), (float("inf"), False)])
def test_what_is_fresh(age: float, good: bool) -> None:
    assert fresh(load(NOW - age), LIMITS, NOW) is good


amounts = st.none() | st.floats(0, 1e7)


@given(st.lists(st.tuples(amounts, amounts, amounts, amounts), max_size=5), st.floats(1, 1000),
       st.none() | st.integers(1, 10**6))
def test_a_demand_is_none_or_a_number_from_0(
    flows: list[tuple[float | None, ...]], target: float, row: int | None
) -> None:
    some = [flow(str(number), up_bytes_per_second=up, down_bytes_per_second=down,
                 steps_per_second=steps, step_bytes=size)
            for number, (up, down, steps, size) in enumerate(flows)]
    demand = needed(some, SlicePolicy("x", inter_token_ms=target, row_bytes=row))
    assert demand.percent is None or 0 <= demand.percent < float("inf")
