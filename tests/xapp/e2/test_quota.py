"""Shares are checked before anything is sent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from tests.xapp.e2 import e2sm_values as values
from xapp.e2.common import Snssai
from xapp.e2.quota import SliceQuota, check, check_slice
from xapp.errors import PolicyError, ProtocolError

GOOD = SliceQuota(Snssai(1, 5), 40, 80, 10)


@given(values.quotas())
def test_shares_that_can_be_meant(quotas: list[SliceQuota]) -> None:
    check(quotas)


@pytest.mark.parametrize("bad", [
    {"minimum": 81}, {"dedicated": 41}, {"maximum": 101}, {"dedicated": -1}, {"minimum": 5},
    {"slice": Snssai(256)}, {"slice": Snssai(-1)}, {"slice": Snssai(1, 2**24)}])
def test_shares_that_cannot_be_meant(bad: dict[str, Any]) -> None:
    with pytest.raises(PolicyError):
        check([replace(GOOD, **bad)])


def test_shares_that_contradict_one_another() -> None:
    with pytest.raises(PolicyError, match="No slice"):
        check([])
    with pytest.raises(PolicyError, match="two quotas"):
        check([GOOD, replace(GOOD, minimum=20)])
    with pytest.raises(PolicyError, match="add up to 120"):
        check([GOOD, replace(GOOD, slice=Snssai(2), minimum=80)])
    with pytest.raises(ProtocolError, match="no network"):
        check([replace(GOOD, plmn="1")])


def test_what_a_base_station_refuses() -> None:
    check([replace(GOOD, dedicated=1)], least_dedicated=1)
    with pytest.raises(PolicyError, match="less than 1 % dedicated"):
        check([replace(GOOD, dedicated=0)], least_dedicated=1)
    check_slice(Snssai(255, 0xFFFFFF))
