"""A page of settings says what the dataclasses say."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from tests.docs import settings


class Pace(enum.Enum):
    """How fast."""

    SLOW = "slow"
    FAST = "fast"


@dataclass(frozen=True)
class Inner:
    """What is inside."""

    seconds: float = 1.0  # of a turn


@dataclass(frozen=True)
class Outer:
    """All of it."""

    name: str
    pace: Pace = Pace.SLOW  # a | b
    # Stands above,
    # in two lines.
    inner: Inner = field(default_factory=Inner)
    more: tuple[Inner, ...] = ()
    shares: Mapping[str, int] = field(default_factory=lambda: {"a": 1})  # percent
    limit: int | None = None


def test_comments_are_read_behind_a_field_and_above_it() -> None:
    assert settings.field_comments(Outer) == {
        "pace": "a | b", "inner": "Stands above, in two lines.", "shares": "percent"}


def test_a_file_is_tables_of_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "FILES", (("A file", "About it.", Outer),))
    page = settings.page()
    assert "| `name` | text | **needed** |  |" in page
    assert "| `pace` | one of `slow`, `fast` | `slow` | a \\| b |" in page
    assert "| `inner` | mapping | see below | Stands above, in two lines. |" in page
    assert "| `more` | list of mapping | `[]` |  |" in page
    assert "| `shares` | mapping of text to whole number | `{a: 1}` | percent |" in page
    assert "| `limit` | whole number | none |  |" in page
    assert page.count("| `seconds` | number | `1` | of a turn |") == 1
    assert "### inner\n" in page


def test_every_type_has_words() -> None:
    """No name of a class of ours is left."""
    types = re.findall(r"^\| `\w+` \| ([^|]*) \|", settings.page(), re.MULTILINE)
    assert types
    assert not [one for one in types if re.search(r"\b[A-Z][a-z]+[A-Z]|Config\b", one)
                and "IPv" not in one]
