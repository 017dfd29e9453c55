"""What a SEQUENCE remembers of the sets of fields that it met, and the classes it makes."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import pytest

from xapp.e2.aper import field, integer, sequence
from xapp.e2.sequences import MOST_PLANS

NAMES = tuple(f"field_{number}" for number in range(12))
Wide: Any = dataclasses.make_dataclass(
    "Wide", [(name, int | None, dataclasses.field(default=None)) for name in NAMES], frozen=True,
    slots=True)
WIDE: Any = sequence(Wide, *(field(name, integer(0, 255), optional=True) for name in NAMES))


@dataclass(frozen=True, slots=True)
class Turned:
    """Its fields stand in another order than they are written."""

    last: int
    first: int
    middle: int | None = None


def test_more_sets_of_fields_than_are_remembered() -> None:
    assert 2 ** len(NAMES) > MOST_PLANS
    for mask in range(0, 2 ** len(NAMES), 7):
        value = Wide(*(number if mask >> number & 1 else None for number in range(len(NAMES))))
        assert WIDE.decode(WIDE.encode(value)) == value


def test_fields_in_another_order_than_the_class_has_them() -> None:
    codec = sequence(Turned, field("first", integer(0, 255)),
                     field("middle", integer(0, 255), optional=True),
                     field("last", integer(0, 255)))
    assert codec.encode(Turned(last=3, first=1, middle=2)).hex() == "80010203"
    assert codec.decode(bytes.fromhex("80010203")) == Turned(3, 1, 2)


def test_no_class_with_a_life_of_its_own() -> None:
    @dataclass(frozen=True, slots=True)
    class Checking:
        x: int

        def __post_init__(self) -> None:
            assert self.x

    with pytest.raises(TypeError, match="no plain dataclass"):
        sequence(Checking, field("x", integer(0, 1)))
