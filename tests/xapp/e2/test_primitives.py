"""Numbers, flags, enumerations and real numbers."""

from __future__ import annotations

import enum
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xapp.e2.aper import (
    boolean,
    enumerated,
    integer,
    integer_from,
    null,
    real,
    unconstrained_integer,
)
from xapp.e2.bits import Reader, Writer
from xapp.errors import ProtocolError

BOUNDS = st.tuples(st.integers(-(2**40), 2**40), st.one_of(
    st.integers(0, 300), st.integers(65000, 66000), st.integers(0, 2**40))).map(
    lambda pair: (pair[0], pair[0] + pair[1]))


class Colour(enum.Enum):
    RED = 1
    GREEN = 2
    BLUE = 3


@given(BOUNDS, st.data())
def test_any_number_within_any_bounds(bounds: tuple[int, int], data: st.DataObject) -> None:
    low, high = bounds
    value = data.draw(st.integers(low, high))
    codec = integer(low, high)
    assert codec.decode(codec.encode(value)) == value
    for outside in (low - 1, high + 1):
        with pytest.raises(ProtocolError, match="is not from"):
            codec.encode(outside)
        wider = integer(low, high, extensible=True)
        assert wider.decode(wider.encode(outside)) == outside
        assert wider.decode(wider.encode(value)) == value


@pytest.mark.parametrize(("low", "high", "data"), [
    (0, 10, "f0"), (0, 300, "ffff"), (0, 100_000, "80ffffff"), (1, 150, "ff")])
def test_numbers_beyond_their_bounds_are_refused(low: int, high: int, data: str) -> None:
    with pytest.raises(ProtocolError, match="above"):
        integer(low, high).decode(bytes.fromhex(data))


def test_the_fast_ways_agree_with_the_plain_one() -> None:
    for low, high in ((0, 1), (3, 9), (0, 255), (0, 65535), (1, 65535), (0, 2**32 - 1),
                      (0, 2**40 - 1)):
        codec = integer(low, high)
        for value in {low, low + 1, (low + high) // 2, high}:
            data = codec.encode(value)
            plain = Writer()
            plain.constrained(value, low, high)
            assert data == plain.finish()
            assert codec.decode(data) == Reader(data).constrained(low, high) == value


@given(st.integers(-(2**100), 2**100), st.integers(0, 2**100))
def test_unbounded_numbers(value: int, above: int) -> None:
    codec = unconstrained_integer()
    assert codec.decode(codec.encode(value)) == value
    floor = integer_from(value)
    assert floor.decode(floor.encode(value + above)) == value + above
    with pytest.raises(ProtocolError, match="below"):
        floor.encode(value - 1)


def test_flags_and_nothing() -> None:
    assert (boolean().encode(True), boolean().encode(False)) == (b"\x80", b"\0")
    assert boolean().decode(b"\x80") is True
    marked = null(Colour.RED)
    assert marked.decode(marked.encode(Colour.RED)) is Colour.RED


def test_enumerations() -> None:
    colours = enumerated(Colour)
    assert [colours.encode(colour).hex() for colour in Colour] == ["00", "40", "80"]
    assert colours.decode(b"\x80") is Colour.BLUE
    with pytest.raises(ProtocolError, match="above"):
        colours.decode(b"\xc0")
    with pytest.raises(ProtocolError, match="none of"):
        colours.encode("red")
    assert enumerated(3).decode(b"\x40") == 1


def test_enumerations_that_grew() -> None:
    grown = enumerated((Colour.RED, Colour.GREEN), extensible=True, added=(Colour.BLUE,))
    assert grown.encode(Colour.BLUE).hex() == "80"
    assert grown.decode(b"\x80") is Colour.BLUE
    older = enumerated((Colour.RED, Colour.GREEN), extensible=True)
    with pytest.raises(ProtocolError, match="not known"):
        older.decode(grown.encode(Colour.BLUE))


@given(st.floats())
def test_any_real_number(value: float) -> None:
    codec = real()
    found = codec.decode(codec.encode(value))
    assert found == value or (math.isnan(found) and math.isnan(value))
    assert math.copysign(1, found) == math.copysign(1, value) or math.isnan(value)


@pytest.mark.parametrize(("encoded", "value"), [
    ("00", 0.0), ("0140", math.inf), ("0141", -math.inf), ("0143", -0.0),  # X.690 8.5.9
    ("03800001", 1.0), ("03c00203", -12.0), ("0380ff01", 0.5), ("0481ff9c01", 2.0**-100),
    ("03900105", 40.0),  # base 8: 5 x 8
    ("03a00103", 48.0),  # base 16: 3 x 16
    ("03840003", 6.0),  # scale factor 1: 3 x 2
    ("0583020001" "01", 2.0),  # the exponent's size is told by an octet of its own
    ("0403312e35", 1.5), ("0401203135", 15.0), ("0502312c3235", 1.25)])  # digits (ISO 6093)
def test_real_numbers_of_every_form(encoded: str, value: float) -> None:
    assert real().decode(bytes.fromhex(encoded)) == value


@pytest.mark.parametrize("encoded", [
    "0144", "0204ff", "0180", "028000", "03b00001", "0483050101", "0402616263", "0401332d2d",
    "03817fff", "0581" "7fff" "0101"])
def test_real_numbers_of_no_form(encoded: str) -> None:
    with pytest.raises(ProtocolError):
        real().decode(bytes.fromhex(encoded))
