"""The types' schemas are schemas, and what they let through can be converted."""

from __future__ import annotations

import pytest
from jsonschema.validators import Draft202012Validator

from classifier.labels import LLM_SPLIT
from xapp.a1_types import TYPES, PolicyType, instance_name
from xapp.slice_policy import SlicePolicy


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.name)
def test_a_schema_is_one(kind: PolicyType) -> None:
    Draft202012Validator.check_schema(kind.schema)
    assert kind.schema["additionalProperties"] is False  # a typing error is no policy


def test_what_is_left_out_is_as_by_default() -> None:
    kind = TYPES[1]
    policy = kind.convert("p", {"priority": 1})
    plain = SlicePolicy("p")
    assert policy.labels == {LLM_SPLIT}
    for name in ("strategy", "inter_token_ms", "first_token_ms", "row_bytes", "floors", "quotas",
                 "reach", "handover", "handover_gain", "prompt_rows"):
        assert getattr(policy, name) == getattr(plain, name)


def test_names_tell_types_apart() -> None:
    assert instance_name(1, "a") != instance_name(2, "a")
