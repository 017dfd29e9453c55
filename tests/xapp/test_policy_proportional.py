"""What the default strategy asks for."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from tests.xapp.policy_networks import LIMITS, LLM, NOW, WEB, after, cell, flow, network, slice_, ue
from xapp.decisions import SetQuotas
from xapp.limits import Limits
from xapp.observations import Flow, Quota
from xapp.placing import Group, View
from xapp.policy import decide
from xapp.policy_proportional import Proportional
from xapp.slice_policy import SlicePolicy

ROWS = SlicePolicy("rows", row_bytes=4096)
PLAIN = SlicePolicy("plain")


def wanted(*groups: tuple[SlicePolicy, list[Flow], list[Flow]], minimum: int = 0,
           up_prbs: float = 5.0, prbs: int | None = 100, **slices: float) -> int:
    where = cell(slice_(LLM, Quota(minimum), up_kbps=100 * up_prbs, up_prbs=up_prbs, **slices),
                 prbs=prbs, up_kbps=10_000, up_prbs=100 if slices else 0)
    view = View(where, tuple(Group(policy, LLM, believed, doubted)
                             for policy, believed, doubted in groups), network([where]), NOW)
    return Proportional().wants(view, LIMITS)[LLM].minimum


def test_demand_and_headroom() -> None:
    assert wanted((ROWS, [flow()], [])) == 9  # 6.6 %, and a third more
    assert wanted((ROWS, [flow(), flow("b")], [])) == 13  # their rows seldom meet


def test_low_use_says_nothing_about_bursts() -> None:
    assert wanted((PLAIN, [flow()], [])) == LIMITS.first_guess
    assert wanted((PLAIN, [flow()], []), up_prbs=50.0) == 65


def test_doubt_asks_for_what_there_is() -> None:
    assert wanted((ROWS, [], [flow()]), minimum=33) == 33
    assert wanted((ROWS, [], [flow()])) == 0


def test_two_policies_in_one_slice_add_up() -> None:
    other = SlicePolicy("other", row_bytes=8192, priority=4)
    assert wanted((ROWS, [flow()], []), (other, [flow("b")], [])) == 27
    assert wanted((ROWS, [flow()], []), (other, [], [flow("b")]), minimum=50) == 9


def test_what_is_presumed_moves_no_guarantee_that_was_measured() -> None:
    assert wanted((ROWS, [flow()], []), up_prbs=0.0) == 6  # 150 kbit/s a percent, presumed
    for minimum in (4, 20):
        assert wanted((ROWS, [flow()], []), minimum=minimum, up_prbs=0.0) == minimum


def test_what_is_in_force_is_kept_once_for_all_policies() -> None:
    other = SlicePolicy("other", row_bytes=4096)
    two: tuple[tuple[SlicePolicy, list[Flow], list[Flow]], ...] = (
        (ROWS, [flow()], []), (other, [flow("b")], []))
    assert wanted(*two, minimum=20, up_prbs=0.0) == 20
    assert wanted((other, [], [flow("b")]), (ROWS, [flow()], []), minimum=50) == 9


def test_nothing_is_lowered_while_packets_wait() -> None:
    assert wanted((ROWS, [flow()], []), minimum=40, up_delay_ms=51.0) == 40
    assert wanted((ROWS, [flow()], []), minimum=5, up_delay_ms=51.0) == 13


def test_a_pause_or_the_cells_mean_lowers_nothing() -> None:
    assert wanted((ROWS, [flow()], []), minimum=40, up_prbs=0.1, up_delay_ms=1.0) == 40
    assert wanted((ROWS, [flow()], []), minimum=4, up_prbs=0.1, up_delay_ms=1.0) == 9


@pytest.mark.parametrize(("delay", "minimum"), [(45.0, 36), (25.0, 20), (1.0, 9)])
def test_a_guarantee_is_not_lowered_to_where_packets_would_wait(
    delay: float, minimum: int
) -> None:
    assert wanted((ROWS, [flow()], []), minimum=40, up_delay_ms=delay) == minimum


def test_what_was_just_raised_is_not_lowered() -> None:
    for age, minimum in ((19.0, 40), (20.0, 9)):
        where = cell(slice_(LLM, Quota(40), NOW - age, up_kbps=500, up_prbs=5))
        view = View(where, (Group(ROWS, LLM, [flow()], []),), network([where]), NOW)
        assert Proportional().wants(view, LIMITS)[LLM].minimum == minimum


# A phone at the edge of a full cell, half seconds apart, as its base station reported it: kbit/s,
# whole percents of PRBs and ms of delay up; in between is a pause, then the next prompt.
AT_THE_EDGE = [(39, 1, 75.2), (116, 2, 24.8), (108, 3, 28.7), (108, 2, 26.4), (118, 3, 24.2),
               (99, 3, 31.4), (52, 1, 24.0), (217, 4, 69.5), (107, 3, 27.1), (87, 2, 26.3),
               (60, 1, 25.0), (16, 1, 19.0), (0, 0, None), (147, 4, 40.5), (97, 2, 25.7)]


def test_guarantees_do_not_swing_at_the_cells_edge() -> None:
    """They went to and fro between 12 and 4 % there: by the cell's mean it seemed enough."""
    policy = SlicePolicy("chat", inter_token_ms=40, floors={WEB: 10})
    limits = Limits(air_share=0.7, headroom=1.3, grant_ms=20.0, floor=0, base=LIMITS.base)
    quota, since, had = Quota(), 0.0, []
    for place, (kbps, prbs, delay) in enumerate(AT_THE_EDGE * 3):
        now = NOW + 6.5 * place
        own = slice_(LLM, quota, since, at=now, up_kbps=kbps, up_prbs=prbs,
                     **({} if delay is None else {"up_delay_ms": delay}),
                     prbs_over=0.5 if prbs else 0.0)
        where = cell(own, slice_(WEB, Quota(10), at=now), at=now, up_kbps=8200, up_prbs=100)
        seen = replace(network([where], [flow(at=now, step_bytes=552.0, steps_per_second=20.0)],
                               [ue()], now, now))
        decided = [one for one in decide(seen, [policy], limits, now)
                   if isinstance(one, SetQuotas)]
        found = after(seen, decided, now).cells[where.key].slices[LLM].quota
        assert found is not None
        quota, since = found, now if decided else since
        had.append(quota.minimum)
    assert min(had) >= 20, had  # from here on tokens were as quick as in an empty cell
    assert sum(one != before for one, before in pairwise(had)) <= len(had) / 4, had
