"""What the plain strategy asks for."""

from __future__ import annotations

from tests.xapp.policy_networks import IOT, LIMITS, LLM, NOW, WEB, cell, flow, network, slice_
from xapp.observations import Flow, Quota
from xapp.placing import Group, View
from xapp.policy_static import Static
from xapp.sharing import Want
from xapp.slice_policy import SlicePolicy

LOW = SlicePolicy("low", "static", quotas={LLM: Quota(30, 80, 5), IOT: Quota(5)})
HIGH = SlicePolicy("high", "static", quotas={LLM: Quota(50)}, priority=3)


def view(*groups: tuple[SlicePolicy, list[Flow]], minimum: int = 0) -> View:
    where = cell(slice_(LLM, Quota(minimum)), slice_(WEB))
    return View(where, tuple(Group(policy, LLM, flows, [] if flows else [flow()])
                             for policy, flows in groups), network([where]), NOW)


def test_the_quotas_of_the_policy_for_slices_that_are_there() -> None:
    assert Static().wants(view((LOW, [flow()])), LIMITS) == {
        LLM: Want(30, 0, 80, 5, exact=True)}


def test_the_higher_priority_says_what_a_slice_gets() -> None:
    for order in ((LOW, HIGH), (HIGH, LOW)):
        wants = Static().wants(view(*((policy, [flow()]) for policy in order)), LIMITS)
        assert wants[LLM].minimum == 50


def test_doubt_raises_nothing() -> None:
    assert Static().wants(view((LOW, [])), LIMITS)[LLM].minimum == 0
    assert Static().wants(view((LOW, []), minimum=20), LIMITS)[LLM].minimum == 20
    assert Static().wants(view((LOW, []), minimum=60), LIMITS)[LLM].minimum == 30
