"""Limits that contradict themselves are no limits."""

from __future__ import annotations

from typing import Any

import pytest

from tests.xapp.policy_networks import CELL, LLM
from xapp.errors import ConfigurationError
from xapp.limits import Limits
from xapp.observations import Quota


@pytest.mark.parametrize("values", [
    {"most_guaranteed": 101}, {"most_guaranteed": 0}, {"floor": 95}, {"floor": -1},
    {"first_guess": 91}, {"smallest_step": 0}, {"smallest_step": 60}, {"largest_step": 101},
    {"doubt": 0.8}, {"confidence": 1.1}, {"dedicated": 2.0}, {"air_share": 0.0},
    {"headroom": 0.9}, {"growth": 1.7}, {"peak": 0.5}, {"cap_above": 0.9}, {"hold": 0.0},
    {"stale": -1.0},
    {"most_changes": 0}, {"kbps_per_prb": 0.0}, {"abandon": 1.0},
    {"grant_ms": -1.0}, {"grant_ms": 1001.0}, {"lower_after": -1.0}])
def test_what_cannot_be_meant(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="contradict"):
        Limits(**values)


def test_the_pause_keeps_both_the_hold_and_the_rate() -> None:
    assert Limits(hold=5.0, most_changes=10).pause == 6.0
    assert Limits(hold=9.0, most_changes=10).pause == 9.0


def test_what_was_found() -> None:
    limits = Limits(base={(CELL, LLM): Quota(3)})
    assert limits.of(CELL, LLM) == Quota(3)
    assert Limits().of(CELL, LLM) is None
