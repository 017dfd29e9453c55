"""What the default strategy asks for."""

from __future__ import annotations

from tests.xapp.policy_networks import LIMITS, LLM, NOW, cell, flow, network, slice_
from xapp.observations import Flow, Quota
from xapp.placing import Group, View
from xapp.policy_proportional import Proportional
from xapp.slice_policy import SlicePolicy

ROWS = SlicePolicy("rows", row_bytes=4096)
PLAIN = SlicePolicy("plain")


def wanted(*groups: tuple[SlicePolicy, list[Flow], list[Flow]], minimum: int = 0,
           up_prbs: float = 5.0, prbs: int | None = 100) -> int:
    where = cell(slice_(LLM, Quota(minimum), up_kbps=100 * up_prbs, up_prbs=up_prbs), prbs=prbs)
    view = View(where, tuple(Group(policy, LLM, believed, doubted)
                             for policy, believed, doubted in groups), network([where]), NOW)
    return Proportional().wants(view, LIMITS)[LLM].minimum


def test_demand_and_headroom() -> None:
    assert wanted((ROWS, [flow()], [])) == 9  # 6.6 %, and a third more
    assert wanted((ROWS, [flow(), flow("b")], [])) == 18


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
