"""Decisions: what they can name, and that what they expect is something that is reported."""

from __future__ import annotations

import dataclasses

import pytest

from xapp.decisions import (
    Decision,
    Expectation,
    HandOver,
    MapFlows,
    Metric,
    Scope,
    SetQuotas,
    cell_of,
)
from xapp.e2.profiles import Scope as ProfileScope
from xapp.observations import CellKey, Load, Quota, Snssai, UeKey

CELL, OTHER = CellKey("gnb", "00066c000"), CellKey("gnb", "00066c001")


def test_what_can_be_expected_is_reported() -> None:
    reported = {one.name for one in dataclasses.fields(Load)}
    assert {one.value for one in Metric} <= reported


def test_scopes_are_those_of_profiles() -> None:
    assert {one.value for one in Scope} == {one.value for one in ProfileScope}


@pytest.mark.parametrize("decision", [
    SetQuotas(CELL, {Snssai(1): Quota(5)}, "why", "llm"),
    HandOver(UeKey("gnb", "amf:3"), CELL, OTHER, "why", "llm"),
    MapFlows(CELL, Snssai(1), (), (), "why", "llm")])
def test_a_decision_is_frozen_and_expects_nothing_unless_it_says_so(decision: Decision) -> None:
    assert decision.expected == ()
    with pytest.raises(dataclasses.FrozenInstanceError):
        decision.reason = "another"  # type: ignore[misc]  # it is frozen


def test_each_acts_in_one_cell() -> None:
    assert cell_of(SetQuotas(CELL, {}, "why", "llm")) == CELL
    assert cell_of(HandOver(UeKey("gnb", "amf:3"), CELL, OTHER, "why", "llm")) == CELL
    assert cell_of(MapFlows(OTHER, Snssai(1), (), (), "why", "llm")) == OTHER


def test_an_expectation_has_no_bound_that_it_does_not_name() -> None:
    one = Expectation(CELL, Metric.UP_KBPS, 3.0, at_least=5.0)
    assert (one.at_least, one.at_most) == (5.0, None)
