"""A policy and limits in the xApp's words are read as it does, and nothing is said by two words."""

from __future__ import annotations

from typing import Any

import pytest

from testbed.loop.own_policy import POLICY_NAME, elsewhere, read
from testbed.loop.settings import LLM
from xapp.errors import XappError
from xapp.observations import Quota, Snssai


def test_both_are_the_xapps_own() -> None:
    quotas = {"strategy": "static", "quotas": {LLM: {"minimum": 30, "maximum": 60}}, "priority": 3}
    policy, limits = read(quotas, {"hold": 8})
    assert (policy.name, policy.strategy, policy.priority) == (POLICY_NAME, "static", 3)
    assert policy.quotas == {Snssai.parse(LLM): Quota(30, 60, 0)}
    assert limits.hold == 8.0


@pytest.mark.parametrize(("policy", "limits", "said"), [
    ({"strategy": "static"}, {}, "a static policy needs quotas"),
    ({"floors": {"1": 50}}, {"most_guaranteed": 40}, "40 % may be guaranteed"),
    ({"floors": {"one": 5}}, {}, "one"), ({}, {"hold": "long"}, r"limits\.hold is a number")])
def test_what_the_xapp_would_not_take_is_refused(
        policy: dict[str, Any], limits: dict[str, Any], said: str) -> None:
    with pytest.raises(XappError, match=said) as caught:
        read(policy, limits)
    assert caught.value.remedy


def test_what_has_a_word_of_its_own_is_pointed_to_it() -> None:
    own = {"floors": "floor"}
    assert elsewhere("policy", {"strategy": "static"}, own) is None
    assert elsewhere("policy", {"strategy": "static", "floors": {}}, own) == (
        "`policy.floors` is said by a setting of its own.", "Give `floor` beside `policy`.")
