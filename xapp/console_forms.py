"""A form out of a policy type's JSON schema, and a policy out of what was filled in.

Numbers, words, choices and switches get a field of their own; lists and objects are written as
JSON. What is left empty is left out. It knows no widgets, and does not judge a policy: the xApp
does, with the schema and its limits.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xapp.errors import PolicyError

MAX_FIELDS = 40
Schema = Mapping[str, Any]


class FieldKind(enum.Enum):
    INTEGER = "integer"
    NUMBER = "number"
    WORDS = "string"
    SWITCH = "boolean"
    CHOICE = "enum"
    JSON = "json"


@dataclass(frozen=True)
class Field:
    """One field of a form."""

    name: str
    kind: FieldKind
    required: bool
    help: str
    default: Any = None
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()


def fields_of(schema: Schema) -> tuple[Field, ...]:
    """The fields of a type's `create_schema`, those that must be filled in first."""
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return ()
    required = schema.get("required", ())
    fields = [_field(name, _resolved(schema, part), name in required)
              for name, part in list(properties.items())[:MAX_FIELDS] if isinstance(part, dict)]
    return tuple(sorted(fields, key=lambda field: not field.required))


def body_of(fields: Sequence[Field], values: Mapping[str, Any]) -> dict[str, Any]:
    """The policy; PolicyError where a field cannot be read or is missing."""
    body: dict[str, Any] = {}
    for field in fields:
        value = values.get(field.name)
        if value is None or (isinstance(value, str) and not value.strip()):
            if field.required:
                raise PolicyError(f"{field.name} is empty.", "Fill it in; it is needed.")
            continue
        body[field.name] = _read(field, value) if field.kind is FieldKind.JSON else value
    return body


def _read(field: Field, text: Any) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PolicyError(f"{field.name} is no JSON: {error}.",
                          'Write a list as [1, 2], an object as {"name": 1}.') from error


def _resolved(schema: Schema, part: Schema) -> Schema:
    """`part`, or what it refers to within the schema."""
    reference = part.get("$ref")
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return part
    found: Any = schema
    for step in reference[2:].split("/"):
        found = found.get(step) if isinstance(found, dict) else None
    return {**found, **part} if isinstance(found, dict) else part


def _field(name: str, part: Schema, required: bool) -> Field:
    choices, default = part.get("enum"), part.get("default")
    kind = _kind(part)
    if kind is FieldKind.JSON and default is not None:
        default = json.dumps(default)
    return Field(name, kind, required, _help(part, kind), default,
                 part.get("minimum"), part.get("maximum"),
                 tuple(str(one) for one in choices) if kind is FieldKind.CHOICE and choices else ())


def _kind(part: Schema) -> FieldKind:
    choices = part.get("enum")
    if isinstance(choices, list) and choices and all(isinstance(one, str) for one in choices):
        return FieldKind.CHOICE
    for kind in (FieldKind.INTEGER, FieldKind.NUMBER, FieldKind.WORDS, FieldKind.SWITCH):
        if part.get("type") == kind.value and "enum" not in part:
            return kind
    return FieldKind.JSON


def _help(part: Schema, kind: FieldKind) -> str:
    said = str(part.get("description", ""))
    low, high = part.get("minimum"), part.get("maximum")
    if low is not None or high is not None:
        bounds = [*([] if low is None else [f"from {low:g}"]),
                  *([] if high is None else [f"to {high:g}"])]
        said = f"{said} ({' '.join(bounds)})".strip()
    return f"{said} As JSON.".strip() if kind is FieldKind.JSON else said
