"""JSON of a peer, read strictly: capped, without doubled keys, every value of the type expected.

It knows no message; `xapp.e2.ccc` has those.
"""

from __future__ import annotations

import json
from typing import Any

from xapp.e2.bits import refused

MOST_OCTETS = 64 * 1024  # a definition of 64 cells has half of it
MOST_ITEMS = 64  # of any list (E2SM-CCC bounds them so)
_to_json = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode

Fields = dict[str, Any]


def dump(value: Fields) -> bytes:
    return _to_json(value).encode()


def load(data: bytes) -> Fields:
    """The object that `data` is, or ProtocolError."""
    if len(data) > MOST_OCTETS:
        raise refused(f"JSON of {len(data)} octets")
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise refused(f"no JSON: {type(error).__name__}") from None
    if not isinstance(value, dict):
        raise refused("JSON that is no object")
    return value


def _once(pairs: list[tuple[str, Any]]) -> Fields:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise refused("JSON with a doubled key")
    return fields


def _no_number(name: str) -> Any:
    raise refused(f"JSON with {name}")


def inner(fields: Fields, *path: str) -> Fields:
    """The object at a path of keys."""
    for key in path:
        value = fields.get(key)
        if not isinstance(value, dict):
            raise refused(f"JSON without an object {key}")
        fields = value
    return fields


def text(fields: Fields, key: str, most: int = 1000) -> str:
    value = fields.get(key)
    if not isinstance(value, str) or len(value) > most or not value.isprintable():
        raise refused(f"JSON without a text {key}")
    return value


def number(fields: Fields, key: str, low: int, high: int) -> int:
    value = fields.get(key)
    if type(value) is not int or not low <= value <= high:
        raise refused(f"JSON without a number {key} from {low} to {high}")
    return value


def items(fields: Fields, key: str, needed: bool = True) -> list[Fields]:
    """The objects of a list; none where it may be left out."""
    value = fields.get(key, None if needed else [])
    if (not isinstance(value, list) or len(value) > MOST_ITEMS
            or not all(isinstance(one, dict) for one in value)):
        raise refused(f"JSON without a list {key} of at most {MOST_ITEMS} objects")
    return value
