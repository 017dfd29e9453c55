"""Forms out of schemas, and policies out of forms."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema.validators import Draft202012Validator

from xapp.a1_types import SLICE_SCHEMA, STEERING_SCHEMA
from xapp.console_forms import MAX_FIELDS, MAX_NUMBER, FieldKind, body_of, fields_of
from xapp.errors import PolicyError


def test_our_policy_type_as_a_form() -> None:
    fields = {field.name: field for field in fields_of(SLICE_SCHEMA)}
    assert fields["targets.inter_token_ms"].kind is FieldKind.NUMBER
    assert fields["targets.inter_token_ms"].minimum == 1
    assert fields["traffic.labels"].kind is FieldKind.LIST
    assert fields["handover.allowed"].kind is FieldKind.SWITCH
    assert fields["floors"].kind is FieldKind.JSON
    assert fields["floors"].example == '{"1": 20}'
    assert not any(field.required for field in fields.values())


def test_what_must_be_filled_in_comes_first() -> None:
    (threshold,) = fields_of(STEERING_SCHEMA)
    assert threshold.required
    with pytest.raises(PolicyError, match="threshold is empty"):
        body_of([threshold], {})
    assert body_of([threshold], {"threshold": 7}) == {"threshold": 7}
    order = fields_of({"properties": {"a": {"type": "string"}, "b": {"type": "string"}},
                       "required": ["b"]})
    assert [field.name for field in order] == ["b", "a"]


def test_a_form_filled_in_is_a_policy_of_its_schema() -> None:
    body = body_of(fields_of(SLICE_SCHEMA), {
        "targets.inter_token_ms": 80.0, "traffic.labels": "llm_split, llm_chat,", "priority": 3,
        "floors": '{"1": 20}', "scope.slices": "1-000001", "handover.allowed": False,
        "strategy": "  ", "targets.first_token_ms": None})
    assert body == {
        "targets": {"inter_token_ms": 80.0}, "priority": 3, "floors": {"1": 20},
        "traffic": {"labels": ["llm_split", "llm_chat"]}, "scope": {"slices": ["1-000001"]},
        "handover": {"allowed": False}}
    Draft202012Validator(dict(SLICE_SCHEMA)).validate(body)


def test_every_example_keeps_to_its_schema() -> None:
    fields = [field for field in fields_of(SLICE_SCHEMA) if field.kind is FieldKind.JSON]
    assert fields
    for field in fields:
        Draft202012Validator(dict(SLICE_SCHEMA)).validate(
            body_of([field], {field.name: field.example}))


def test_json_that_is_none_is_told_with_an_example() -> None:
    fields = fields_of(SLICE_SCHEMA)
    for text in ("{", "1: 20", "[" * 100_000):
        with pytest.raises(PolicyError, match=r'floors is no JSON.*\{"1": 20\}'):
            body_of(fields, {"floors": text})


@pytest.mark.parametrize(("part", "kind"), [
    ({"enum": ["a", "b"]}, FieldKind.CHOICE), ({"enum": [1, 2]}, FieldKind.JSON),
    ({"type": "integer"}, FieldKind.INTEGER), ({"type": ["integer", "null"]}, FieldKind.JSON),
    ({"type": "array", "items": {"type": "integer"}}, FieldKind.JSON),
    ({"type": "object"}, FieldKind.JSON), ({}, FieldKind.JSON),
    ({"$ref": "#/$defs/share"}, FieldKind.NUMBER), ({"$ref": "#/none"}, FieldKind.JSON),
    ({"$ref": "http://elsewhere/x"}, FieldKind.JSON)])
def test_kinds(part: dict[str, Any], kind: FieldKind) -> None:
    schema = {"properties": {"x": part}, "$defs": {"share": {"type": "number"}}}
    assert [field.kind for field in fields_of(schema)] == [kind]


def test_defaults_are_filled_in_as_they_are_written() -> None:
    fields = {field.name: field.default for field in fields_of({"properties": {
        "a": {"type": "object", "default": {"x": 1}}, "n": {"type": "integer", "default": 4},
        "l": {"type": "array", "items": {"type": "string"}, "default": ["p", "q"]}}})}
    assert fields == {"a": '{"x": 1}', "n": 4, "l": "p, q"}


def test_a_schema_of_any_size_gives_a_form_of_bounded_size() -> None:
    assert len(fields_of({"properties": {str(n): {} for n in range(1000)}})) == MAX_FIELDS


def schemas() -> st.SearchStrategy[dict[str, Any]]:
    """Much that is no schema, and often of the words that schemas are made of."""
    kinds = st.sampled_from(["array", "object", "integer", "number", "string", "boolean"])
    words = ["type", "properties", "enum", "items", "required", "$ref", "propertyNames", "pattern",
             "additionalProperties", "minimum", "maximum", "default", "description", "x"]

    def deeper(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        part = st.dictionaries(st.sampled_from(words), inner, max_size=5)
        return st.lists(inner, max_size=3) | part | st.builds(
            lambda kind, more: {**more, "type": kind}, kinds, part)

    anything = st.recursive(st.none() | st.booleans() | st.integers() | st.floats()
                            | st.text(max_size=5) | kinds | st.just("#/properties/x"),
                            deeper, max_leaves=15)
    part = st.dictionaries(st.sampled_from(words), anything, max_size=5)
    return st.builds(lambda whole, inner: {**whole, "properties": inner}, part,
                     st.dictionaries(st.sampled_from(words), part | anything, max_size=3))


@given(schemas())
def test_no_schema_breaks_the_page(schema: dict[str, Any]) -> None:
    fields = fields_of(schema)
    body_of([field for field in fields if not field.required], {})
    for field in fields:
        for bound in (field.minimum, field.maximum):
            assert bound is None or abs(bound) <= MAX_NUMBER
        low, high = field.minimum, field.maximum
        assert low is None or high is None or low <= high
        if field.kind is FieldKind.JSON:
            json.loads(field.example)
        elif field.default is not None:
            assert isinstance(field.default, (str, bool, int, float))


@pytest.mark.parametrize(("part", "default"), [
    ({"type": "integer", "default": 7, "minimum": 8}, None),
    ({"type": "integer", "default": 7, "maximum": 7}, 7),
    ({"type": "integer", "default": "7"}, None),
    ({"type": "integer", "default": 7.5}, None),
    ({"type": "integer", "default": 10**30}, None),
    ({"type": "integer", "default": True}, None),
    ({"type": "number", "default": float("nan")}, None),
    ({"type": "number", "default": 3, "minimum": 9, "maximum": 1}, 3),
    ({"type": "number", "default": 7.5}, 7.5),
    ({"type": "boolean", "default": 1}, None),
    ({"type": "boolean", "default": True}, True),
    ({"type": "string", "default": ["a"]}, None),
    ({"enum": ["a", "b"], "default": "c"}, None),
    ({"enum": ["a", "b"], "default": "b"}, "b"),
    ({"type": "array", "items": {"type": "string"}, "default": "ab"}, None),
])
def test_a_default_that_its_field_could_not_show_is_none(part: dict[str, Any],
                                                         default: object) -> None:
    field, = fields_of({"properties": {"x": part}})
    assert field.default == default


def test_an_example_of_a_schema_without_end_ends() -> None:
    part: dict[str, Any] = {"type": "object"}
    for _ in range(500):
        part = {"type": "object", "properties": {"a": part}}
    field, = fields_of({"properties": {"x": {"type": "array", "items": part}}})
    assert json.loads(field.example)
