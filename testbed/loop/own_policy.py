"""What the xApp is to want and where its bounds are, in the words of its own file.

    wrong = elsewhere("policy", {"floors": {"1": 20}}, {"floors": "floor"})
    policy, limits = read({"inter_token_ms": 50}, {"hold": 10})

A policy is an entry of its `policies`, and limits are its `limits`. What an experiment has a word
of its own for is said by that word alone. It decides nothing, and knows no cell.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from testbed.loop.own_cell import Words

if TYPE_CHECKING:
    from xapp.limits import Limits
    from xapp.slice_policy import SlicePolicy

POLICY_NAME = "llm"


def elsewhere(place: str, given: Words, own: Mapping[str, str]) -> tuple[str, str] | None:
    """What is wrong and the remedy, where something has another word; `own` has those."""
    for name in given:
        if name in own:
            return (f"`{place}.{name}` is said by a setting of its own.",
                    f"Give `{own[name]}` beside `{place}`.")
    return None


def read(policy: Words, limits: Words) -> tuple[SlicePolicy, Limits]:
    """Both, if the xApp takes them: an error names the setting and what it contradicts."""
    from xapp.config_reading import build
    from xapp.limits import Limits
    from xapp.policy import STRATEGIES
    from xapp.slice_policy import SlicePolicy, check_all

    found = build(SlicePolicy, {"name": POLICY_NAME, **policy}, "policy")
    bounds = build(Limits, limits, "limits")
    check_all([found], bounds, STRATEGIES)
    return found, bounds
