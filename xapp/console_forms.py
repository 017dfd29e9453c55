"""A form out of a policy type's JSON schema, and a policy out of what was filled in.

Numbers, words, choices, switches and lists of words get a field of their own, those within an
object too; what is deeper is written as JSON. What is left empty is left out. It knows no widgets,
and does not judge a policy: the xApp does, with the schema and its limits. What a schema says amiss
counts as not said.
"""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xapp.errors import PolicyError

MAX_FIELDS = 60
MAX_DEPTH = 8  # of an example
MAX_NUMBER = 2**53  # beyond it a browser's numbers have gaps
MAX_PATTERN = 200  # characters of a pattern that an example is tried on
KEYS = ("name", "1", "20")  # of an object's example: the first that its schema takes
Schema = Mapping[str, Any]


class FieldKind(enum.Enum):
    INTEGER = "integer"
    NUMBER = "number"
    WORDS = "string"
    SWITCH = "boolean"
    CHOICE = "enum"
    LIST = "array"  # of words, with commas between them
    JSON = "json"


@dataclass(frozen=True)
class Field:
    """One field of a form."""

    path: tuple[str, ...]  # where its value stands in the policy
    kind: FieldKind
    required: bool
    help: str
    default: Any = None
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    example: str = ""

    @property
    def name(self) -> str:
        return ".".join(self.path)


def fields_of(schema: Schema) -> tuple[Field, ...]:
    """The fields of a type's `create_schema`, those that must be filled in first."""
    fields = _fields(schema, schema, (), True)
    return tuple(sorted(fields[:MAX_FIELDS], key=lambda field: not field.required))


def body_of(fields: Sequence[Field], values: Mapping[str, Any]) -> dict[str, Any]:
    """The policy; PolicyError where a field cannot be read or is missing."""
    body: dict[str, Any] = {}
    for field in fields:
        value = values.get(field.name)
        if value is None or (isinstance(value, str) and not value.strip()):
            if field.required:
                raise PolicyError(f"{field.name} is empty.", "Fill it in; it is needed.")
            continue
        place = body
        for step in field.path[:-1]:
            place = place.setdefault(step, {})
        place[field.path[-1]] = _read(field, value)
    return body


def _read(field: Field, value: Any) -> Any:
    if field.kind is FieldKind.LIST:
        return [part.strip() for part in value.split(",") if part.strip()]
    if field.kind is not FieldKind.JSON:
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise PolicyError(f"{field.name} is no JSON: {error}.",
                          f"Write it like {field.example or '{}'}.") from error


def _fields(whole: Schema, part: Schema, path: tuple[str, ...], needed: bool) -> list[Field]:
    properties, found = part.get("properties"), []
    if not isinstance(properties, dict):
        return []
    named = part.get("required")
    required = named if isinstance(named, list) else []
    for name, inner in properties.items():
        if not isinstance(inner, dict):
            continue
        inner, here = _resolved(whole, inner), (*path, name)
        below = [] if len(here) > 1 else _fields(whole, inner, here, needed and name in required)
        found += below or [_field(here, inner, needed and name in required)]
    return found


def _resolved(schema: Schema, part: Schema) -> Schema:
    """`part`, or what it refers to within the schema."""
    reference = part.get("$ref")
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return part
    found: Any = schema
    for step in reference[2:].split("/"):
        found = found.get(step) if isinstance(found, dict) else None
    return {**found, **part} if isinstance(found, dict) else part


def _field(path: tuple[str, ...], part: Schema, required: bool) -> Field:
    kind = _kind(part)
    return Field(path, kind, required, _help(part, kind), _default(part, kind), *_bounds(part),
                 tuple(part["enum"]) if kind is FieldKind.CHOICE else (),
                 json.dumps(_example(part)) if kind is FieldKind.JSON else "")


def _number(value: object) -> float | None:
    """None for what is none, and for one that a page cannot count up from."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if abs(value) <= MAX_NUMBER else None


def _bounds(part: Schema) -> tuple[float | None, float | None]:
    low, high = _number(part.get("minimum")), _number(part.get("maximum"))
    return (low, high) if low is None or high is None or low <= high else (None, None)


def _default(part: Schema, kind: FieldKind) -> Any:
    """As its field shows it; None where it could not be its field's value."""
    default = part.get("default")
    if kind is FieldKind.JSON:
        return None if default is None else json.dumps(default)
    if kind is FieldKind.LIST:
        listed = default if isinstance(default, list) else []
        words = [one for one in listed if isinstance(one, str)]
        return ", ".join(words) if words == default else None
    if kind in (FieldKind.INTEGER, FieldKind.NUMBER):
        number, (low, high) = _number(default), _bounds(part)
        if number is None or (kind is FieldKind.INTEGER and not isinstance(number, int)):
            return None
        within = (low is None or low <= number) and (high is None or number <= high)
        return number if within else None
    if kind is FieldKind.CHOICE:
        return default if default in part["enum"] else None
    return default if isinstance(default, bool if kind is FieldKind.SWITCH else str) else None


def _kind(part: Schema) -> FieldKind:
    choices = part.get("enum")
    if isinstance(choices, list) and choices and all(isinstance(one, str) for one in choices):
        return FieldKind.CHOICE
    if part.get("type") == "array":
        items = part.get("items")
        words = isinstance(items, dict) and items.get("type") == "string"
        return FieldKind.LIST if words else FieldKind.JSON
    for kind in (FieldKind.INTEGER, FieldKind.NUMBER, FieldKind.WORDS, FieldKind.SWITCH):
        if part.get("type") == kind.value and "enum" not in part:
            return kind
    return FieldKind.JSON


def _help(part: Schema, kind: FieldKind) -> str:
    said = str(part.get("description", ""))
    low, high = _bounds(part)
    if low is not None or high is not None:
        bounds = [*([] if low is None else [f"from {low:g}"]),
                  *([] if high is None else [f"to {high:g}"])]
        said = f"{said} ({' '.join(bounds)})".strip()
    return f"{said} Commas between them.".strip() if kind is FieldKind.LIST else said


def _example(part: object, depth: int = 0) -> Any:
    """Something of the shape that `part` asks for."""
    if not isinstance(part, dict) or depth > MAX_DEPTH:
        return "word"
    if part.get("type") == "array":
        return [_example(part.get("items"), depth + 1)]
    if part.get("type") == "object":
        inner = part.get("properties")
        if isinstance(inner, dict):
            return {name: _example(one, depth + 1) for name, one in inner.items()}
        return {_key(part): _example(part.get("additionalProperties"), depth + 1)}
    if part.get("type") in ("integer", "number"):
        low, high = _bounds(part)
        return max(0 if low is None else low, 20 if high is None else min(20, high))
    return True if part.get("type") == "boolean" else "word"


def _key(part: Schema) -> str:
    names = part.get("propertyNames")
    pattern = names.get("pattern") if isinstance(names, dict) else None
    if not isinstance(pattern, str) or len(pattern) > MAX_PATTERN:
        return KEYS[0]
    try:
        return next((key for key in KEYS if re.search(pattern, key)), KEYS[0])
    except re.error:  # a pattern of another dialect: it is an example only
        return KEYS[0]
