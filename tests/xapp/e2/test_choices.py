"""A choice at every place in an octet, and at the end of the bytes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xapp.e2.aper import Chosen, bit_number, choice, integer, null, sequence_of
from xapp.e2.choices import MOST_ADDED
from xapp.errors import ProtocolError


def many(count: int, extensible: bool = False, added: int = 0) -> Any:
    """A choice of so many numbers of other widths."""
    alternatives = [(f"a{number}", bit_number(number + 1)) for number in range(count)]
    later = [(f"b{number}", bit_number(number + 1)) for number in range(added)]
    return choice(*alternatives, extensible=extensible, added=later)


@given(st.integers(2, 12), st.integers(0, MOST_ADDED), st.data())
def test_any_alternative_of_any_number(count: int, added: int, data: st.DataObject) -> None:
    codec = sequence_of(many(count, bool(added), added), 0, 7)
    names = [f"a{number}" for number in range(count)] + [f"b{number}" for number in range(added)]
    value = tuple(data.draw(st.lists(st.sampled_from(names).map(
        lambda name: Chosen(name, 1)), max_size=7)))
    assert codec.decode(codec.encode(value)) == value


def test_numbers_that_no_alternative_has() -> None:
    with pytest.raises(ProtocolError, match="above"):
        many(3).decode(b"\xc0")
    with pytest.raises(ProtocolError, match="above"):
        many(5, extensible=True).decode(b"\x70")


def test_a_choice_of_one_has_no_bits() -> None:
    assert choice(("only", integer(0, 255))).encode(5) == b"\5"
    assert choice(("only", integer(0, 255)), extensible=True).encode(5) == b"\0\5"


def test_nothings_are_told_apart_by_their_values() -> None:
    codec = choice(("off", null("off")), ("number", integer(0, 3)), ("gone", null(None)))
    for value in ("off", 2, None):
        assert codec.decode(codec.encode(value)) == value


def test_a_choice_that_is_cut_short() -> None:
    for codec in (many(12), many(12, True, 2)):
        with pytest.raises(ProtocolError, match="too early"):
            codec.decode(b"")


def test_more_added_alternatives_than_have_the_short_form() -> None:
    with pytest.raises(TypeError, match="65 added"):
        many(2, True, MOST_ADDED + 1)
