"""Constructed types: sequences that grow, choices, lists, open types and types in themselves."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.xapp.e2.hostile import assault, flips, truncations
from xapp.e2.aper import (
    Chosen,
    Codec,
    boolean,
    choice,
    converted,
    field,
    integer,
    null,
    octet_string,
    open_type,
    recursive,
    sequence,
    sequence_of,
    wrapped,
)
from xapp.e2.bits import MOST_ELEMENTS
from xapp.errors import ProtocolError


@dataclass(frozen=True, slots=True)
class Point:
    x: int
    y: int | None = None
    z: int = 7


@dataclass(frozen=True, slots=True)
class Later:
    x: int
    y: int | None = None
    colour: int | None = None
    name: bytes | None = None


@dataclass(frozen=True, slots=True)
class Tree:
    value: int
    children: tuple[Any, ...]


BYTE = integer(0, 255)
POINT = sequence(Point, field("x", BYTE), field("y", BYTE, optional=True),
                 field("z", BYTE, default=7), extensible=True)
LATER = sequence(Later, field("x", BYTE), field("y", BYTE, optional=True), extensible=True,
                 additions=(field("colour", BYTE, optional=True),
                            field("name", octet_string(), optional=True)))


@pytest.mark.parametrize(("value", "encoded"), [
    (Point(5), "0005"), (Point(5, 6), "400506"), (Point(5, 6, 8), "60050608")])
def test_sequences(value: Point, encoded: str) -> None:
    assert POINT.encode(value).hex() == encoded
    assert POINT.decode(bytes.fromhex(encoded)) == value


@pytest.mark.parametrize(("value", "encoded"), [
    (Later(1), "0001"),
    # marker set, no y; x; one addition in a small length of 7 bits, which is there; open type
    (Later(1, colour=9), "8001" "01" "0109"),
    (Later(1, 2, None, b"ab"), "c00102" "02" "80" "03026162"),
    (Later(1, None, 3, b""), "8001" "03" "80" "0103" "0100")])
def test_sequences_that_grew(value: Later, encoded: str) -> None:
    assert LATER.encode(value).hex() == encoded
    assert LATER.decode(bytes.fromhex(encoded)) == value


def test_what_a_later_version_added_is_skipped() -> None:
    encoded = LATER.encode(Later(1, 2, 3, b"later"))
    assert POINT_WITHOUT_DEFAULT.decode(encoded) == Bare(1, 2)
    follows = sequence_of(POINT_WITHOUT_DEFAULT, 2, 2)
    both = sequence_of(LATER, 2, 2).encode((Later(1, 2, 3, b"later"), Later(4)))
    assert follows.decode(both) == (Bare(1, 2), Bare(4))
    assert wrapped(BYTE).decode(bytes.fromhex("8005" "06" "80" "0105")) == 5


@dataclass(frozen=True, slots=True)
class Bare:
    x: int
    y: int | None = None


POINT_WITHOUT_DEFAULT = sequence(Bare, field("x", BYTE), field("y", BYTE, optional=True),
                                 extensible=True)


def test_too_many_additions_are_refused() -> None:
    with pytest.raises(ProtocolError, match="additions"):
        POINT_WITHOUT_DEFAULT.decode(bytes.fromhex("8001" "8050" + "00" * 20))


def test_a_sequence_without_options_has_no_preamble() -> None:
    pair = sequence(Bare, field("x", BYTE), field("y", BYTE))
    assert pair.encode(Bare(1, 2)).hex() == "0102"
    assert pair.decode(b"\1\2") == Bare(1, 2)


def test_a_class_that_does_not_fit_is_found_at_once() -> None:
    with pytest.raises(TypeError, match="no plain dataclass"):
        sequence(Bare, field("x", BYTE))


def test_values_are_as_good_as_made_by_their_class() -> None:
    made = POINT.decode(b"\0\5")
    assert type(made) is Point
    assert made == Point(5)
    assert hash(made) == hash(Point(5))
    with pytest.raises(AttributeError):
        made.x = 6  # type: ignore[misc]  # it is frozen, which is the point


def test_choices_by_type_and_by_name() -> None:
    one = choice(("number", BYTE), ("octets", octet_string()), ("flag", boolean()))
    assert [one.encode(value).hex() for value in (5, b"ab", True)] == ["0005", "40026162", "a0"]
    assert one.decode(b"\xa0") is True
    twins = choice(("low", BYTE), ("high", integer(1, 256)), ("other", boolean()))
    assert twins.encode(Chosen("high", 1)).hex() == "4000"
    assert twins.decode(bytes.fromhex("4000")) == Chosen("high", 1)
    assert twins.decode(twins.encode(True)) is True
    for value in (5, Chosen("middle", 5), "text"):
        with pytest.raises(ProtocolError, match="none of"):
            twins.encode(value)
    with pytest.raises(ProtocolError, match="above"):
        twins.decode(b"\xc0")


def test_choices_that_grew() -> None:
    grown = choice(("number", BYTE), extensible=True, added=(("octets", octet_string()),))
    assert grown.encode(5).hex() == "0005"
    assert grown.encode(b"ab").hex() == "8003026162"
    assert grown.decode(bytes.fromhex("8003026162")) == b"ab"
    with pytest.raises(ProtocolError, match="not known"):
        choice(("number", BYTE), extensible=True).decode(grown.encode(b"ab"))


def test_an_added_alternative_fills_its_open_type() -> None:
    grown = choice(("number", BYTE), extensible=True, added=(("octets", octet_string()),))
    with pytest.raises(ProtocolError, match="after its end"):
        grown.decode(bytes.fromhex("800402616263"))


def test_open_types() -> None:
    inner = open_type(sequence_of(BYTE, 1, 300))
    assert inner.encode((1, 2)).hex() == "0400010102"
    assert inner.decode(bytes.fromhex("0400010102")) == (1, 2)
    assert octet_string().decode(inner.encode((1, 2))).hex() == "00010102"
    assert open_type(null()).encode(None).hex() == "0100"
    large = open_type(octet_string())
    assert large.decode(large.encode(bytes(40000))) == bytes(40000)


@pytest.mark.parametrize(("low", "high", "value", "encoded"), [
    (2, 2, (1, 2), "0102"), (1, 4, (1,), "0001"), (1, 256, (1, 2), "010102"),
    (1, 65535, (1,), "000001"), (1, 2**31 - 1, (1,), "0101"), (0, None, (), "00"),
    (0, 255, (), "00")])
def test_lists(low: int, high: int | None, value: tuple[int, ...], encoded: str) -> None:
    codec = sequence_of(BYTE, low, high)
    assert codec.encode(value).hex() == encoded
    assert codec.decode(bytes.fromhex(encoded)) == value


def test_lists_out_of_bounds_are_refused() -> None:
    with pytest.raises(ProtocolError):
        sequence_of(BYTE, 1, 4).encode(())
    with pytest.raises(ProtocolError, match="least"):
        sequence_of(BYTE, 1).encode(())
    with pytest.raises(ProtocolError, match="least"):
        sequence_of(BYTE, 1).decode(b"\0")
    grown = sequence_of(BYTE, 1, 2, extensible=True)
    assert grown.decode(grown.encode((1, 2, 3))) == (1, 2, 3)


def test_elements_of_nothing_are_counted_too() -> None:
    nothings = sequence_of(sequence_of(null(), 0, 65535), 0, 65535)
    assert nothings.decode(nothings.encode(((None,) * 5000,))) == ((None,) * 5000,)
    with pytest.raises(ProtocolError, match=str(MOST_ELEMENTS)):
        nothings.decode(b"\xff" * 100)
    inside = sequence_of(open_type(sequence_of(null(), 0, 65535)), 0, 65535)
    with pytest.raises(ProtocolError, match="elements"):
        inside.decode(inside.encode(((None,) * 5000, (None,) * 5000)))


def test_types_in_themselves_have_an_end() -> None:
    def build(inner: Codec[Any]) -> Codec[Tree]:
        return sequence(Tree, field("value", BYTE), field("children", sequence_of(inner, 0, 3)))

    tree = recursive(build, Tree, 4)
    deepest = Tree(1, (Tree(2, (Tree(3, (Tree(4, ()),)),)),))
    assert tree.decode(tree.encode(deepest)) == deepest
    with pytest.raises(ProtocolError, match="4 levels of Tree"):
        tree.encode(Tree(0, (deepest,)))
    with pytest.raises(ProtocolError, match="levels"):
        tree.decode(b"\1\x40" * 10)


def test_converted_types() -> None:
    text = converted(octet_string(), str, bytes.decode, str.encode)
    assert text.decode(text.encode("ä")) == "ä"


@settings(max_examples=50)
@given(st.builds(Later, st.integers(0, 255), st.none() | st.integers(0, 255),
                 st.none() | st.integers(0, 255), st.none() | st.binary(max_size=300)))
def test_any_sequence_survives_and_any_damage_is_refused(value: Later) -> None:
    data = LATER.encode(value)
    assert LATER.decode(data) == value
    assault(LATER.decode, itertools.chain(truncations(data), flips(data, 200)))


@given(st.binary(max_size=100))
def test_no_bytes_do_anything_else(data: bytes) -> None:
    for codec in (POINT, LATER):
        assault(codec.decode, iter([data]))
