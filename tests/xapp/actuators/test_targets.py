"""Targets and values have a text form that survives a restart."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.xapp.steering_scene import CELL
from tests.xapp.test_flow_ends import ENDS
from xapp.actuators.targets import (
    FlowTarget,
    PlaceTarget,
    RuleTarget,
    SliceTarget,
    Target,
    UeTarget,
    Value,
    node_of,
    read_target,
    read_value,
    target_document,
    value_document,
)
from xapp.errors import StoreError
from xapp.observations import CellKey, Quota, Snssai, UeKey

SNSSAI = st.builds(Snssai, st.integers(0, 255), st.none() | st.integers(0, 0xFFFFFE))
UE = st.builds(UeKey, st.just(CELL.node), st.sampled_from(["du:1", "amf:99"]))
TARGET = st.one_of(
    st.builds(SliceTarget, st.just(CELL), SNSSAI), st.builds(UeTarget, UE, st.just(CELL)),
    st.builds(FlowTarget, UE, st.integers(0, 63), st.just(CELL)),
    st.builds(PlaceTarget, UE, st.just(CELL)),
    st.builds(RuleTarget, UE, ENDS, SNSSAI, st.just(CELL)))
PERCENT = st.integers(0, 100)
VALUE = st.one_of(st.builds(Quota, PERCENT, PERCENT, PERCENT), st.integers(1, 32), st.just(CELL),
                  SNSSAI)


@given(TARGET, VALUE)
def test_documents_are_read_back(target: Target, value: Value) -> None:
    again = read_target(json.loads(json.dumps(target_document(target))))
    assert again == target
    assert str(again) == str(target)
    assert again.cell == target.cell
    assert node_of(again) == CELL.node
    assert read_value(json.loads(json.dumps(value_document(value)))) == value


def test_a_ue_is_the_same_in_whatever_cell() -> None:
    key = UeKey("a", "du:1")
    assert UeTarget(key, CellKey("a", "1")) == UeTarget(key, CellKey("a", "2"))


@pytest.mark.parametrize("document", [{}, {"kind": "moon", "node": "a", "cell": ""},
                                      {"kind": "flow", "node": "a", "cell": "", "ue": "du:1"}])
def test_a_document_that_is_none_is_told(document: dict[str, Any]) -> None:
    with pytest.raises(StoreError):
        read_target(document)
    with pytest.raises(StoreError):
        read_value({"moon": 1})
