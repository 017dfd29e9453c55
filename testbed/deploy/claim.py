"""One file's statement about one topic, and the forms that values are compared in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from xapp.observations import Snssai

UNREADABLE = "unreadable"


@dataclass(frozen=True)
class Claim:
    """It says so."""

    topic: str
    value: Any  # None: it says nothing
    file: str
    key: str


def number(value: Any) -> int | None:
    """A whole number in decimal or with 0x."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int):
        return value
    text = str(value).strip()
    try:
        return int(text, 16) if text.lower().startswith("0x") else int(text)
    except ValueError:
        return None


def snssai(sst: Any, sd: int | None, has_sd: bool) -> Snssai | None:
    """A slice, or None where a part of it cannot be read."""
    kind = number(sst)
    if kind is None or not 0 <= kind <= 255 or (has_sd and (sd is None or not 0 <= sd < 1 << 24)):
        return None
    return Snssai(kind, sd)


def sorted_slices(found: Iterable[Snssai | None]) -> tuple[str, ...]:
    """In one order, whatever the file's."""
    return tuple(sorted(UNREADABLE if one is None else str(one) for one in found))
