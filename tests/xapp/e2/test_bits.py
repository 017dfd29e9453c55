"""Primitives of aligned PER: X.691's forms by hand, and their inverses."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xapp.e2.bits import FRAGMENT, MOST_ELEMENTS, Reader, Writer, refused, width_of
from xapp.errors import ProtocolError


def written(*calls: Callable[[Writer], None]) -> str:
    writer = Writer()
    for call in calls:
        call(writer)
    return writer.finish().hex()


@pytest.mark.parametrize(("low", "high", "value", "encoded"), [
    (5, 5, 5, "00"),  # one possible value: no bits, and a message has one octet at least
    (0, 1, 1, "80"), (0, 7, 5, "a0"), (1, 255, 255, "fe"),  # bit fields
    (0, 255, 5, "05"), (1, 256, 256, "ff"),  # one whole octet
    (0, 256, 5, "0005"), (1, 65536, 65536, "ffff"),  # two
    (0, 65536, 5, "0005"), (0, 65536, 65536, "80010000"),  # size 1 to 3 in two bits, then octets
    (0, 2**32 - 1, 0, "0000"), (0, 2**32 - 1, 256, "400100"), (0, 2**32 - 1, 2**32 - 1,
                                                              "c0ffffffff"),
    (0, 2**40 - 1, 2**40 - 1, "80ffffffffff"),  # size 1 to 5 in three bits
])
def test_constrained_numbers(low: int, high: int, value: int, encoded: str) -> None:
    assert written(lambda writer: writer.constrained(value, low, high)) == encoded
    assert Reader(bytes.fromhex(encoded)).constrained(low, high) == value


@pytest.mark.parametrize(("value", "encoded"), [
    (0, "0100"), (127, "017f"), (128, "020080"), (-1, "01ff"), (-128, "0180"), (-129, "02ff7f"),
    (2**31, "050080000000")])
def test_unconstrained_numbers(value: int, encoded: str) -> None:
    assert written(lambda writer: writer.unconstrained(value)) == encoded
    assert Reader(bytes.fromhex(encoded)).unconstrained() == value


@pytest.mark.parametrize(("value", "encoded"), [(3, "0100"), (4, "0101"), (258, "01ff"),
                                                (259, "020100")])
def test_semi_constrained_numbers(value: int, encoded: str) -> None:
    assert written(lambda writer: writer.semi_constrained(value, 3)) == encoded
    assert Reader(bytes.fromhex(encoded)).semi_constrained(3) == value


@pytest.mark.parametrize(("value", "encoded"), [(0, "00"), (63, "7e"), (64, "800140"),
                                                (300, "8002012c")])
def test_normally_small_numbers(value: int, encoded: str) -> None:
    assert written(lambda writer: writer.small(value)) == encoded
    assert Reader(bytes.fromhex(encoded)).small() == value


@pytest.mark.parametrize(("value", "encoded"), [(1, "00"), (64, "7e"), (65, "8041"),
                                                (200, "8080c8")])
def test_normally_small_lengths(value: int, encoded: str) -> None:
    assert written(lambda writer: writer.small_length(value)) == encoded
    assert Reader(bytes.fromhex(encoded)).small_length() == value


@pytest.mark.parametrize(("value", "encoded"), [(0, "00"), (127, "7f"), (128, "8080"),
                                                (16383, "bfff")])
def test_lengths(value: int, encoded: str) -> None:
    assert written(lambda writer: writer.length(value)) == encoded
    assert Reader(bytes.fromhex(encoded)).length() == value


@pytest.mark.parametrize(("size", "heads"), [
    (127, {0: "7f"}), (128, {0: "8080"}), (FRAGMENT - 1, {0: "bfff"}),
    (FRAGMENT, {0: "c1", FRAGMENT + 1: "00"}),
    (5 * FRAGMENT + 3, {0: "c4", 4 * FRAGMENT + 1: "c1", 5 * FRAGMENT + 2: "03"})])
def test_long_octets_come_in_pieces(size: int, heads: dict[int, str]) -> None:
    data = bytes(place % 251 for place in range(size))
    writer = Writer()
    writer.long_octets(data)
    encoded = writer.finish()
    for place, head in heads.items():
        assert encoded[place:place + len(head) // 2].hex() == head
    reader = Reader(encoded)
    assert reader.long_octets() == data
    assert reader.position == reader.end


def test_what_has_no_known_form() -> None:
    for encoded in ("c0", "c5", "ff"):
        with pytest.raises(ProtocolError, match="no known form"):
            Reader(bytes.fromhex(encoded)).piece()
    with pytest.raises(ProtocolError, match="in pieces"):
        Reader(b"\xc1").length()
    with pytest.raises(ProtocolError, match="octets"):
        Reader(b"\x00").unconstrained()
    with pytest.raises(ProtocolError, match="octets"):
        Reader(b"\x11" + bytes(17)).unconstrained()
    with pytest.raises(ProtocolError, match="above"):
        Reader(b"\xf0").constrained(0, 10)


def test_the_end_is_never_passed() -> None:
    reads: list[Callable[[Reader], object]] = [
        lambda reader: reader.bits(9), lambda reader: reader.octets(2),
        lambda reader: reader.constrained(0, 300), lambda reader: reader.long_octets()]
    for read in reads:
        with pytest.raises(IndexError):
            read(Reader(b"\x7f"))
    with pytest.raises(IndexError):
        Reader(b"").piece()


def test_promised_elements_are_counted() -> None:
    reader = Reader(b"")
    reader.spend(MOST_ELEMENTS)
    with pytest.raises(ProtocolError, match="elements"):
        reader.spend(1)


def test_numbers_out_of_bounds_are_not_written() -> None:
    writes: list[Callable[[Writer], None]] = [
        lambda writer: writer.constrained(11, 0, 10), lambda writer: writer.constrained(-1, 0, 10),
        lambda writer: writer.semi_constrained(2, 3), lambda writer: writer.unconstrained(2**128),
        lambda writer: writer.length(FRAGMENT)]
    for write in writes:
        with pytest.raises(ProtocolError):
            write(Writer())


def test_an_error_says_what_and_what_to_do() -> None:
    error = refused("a test")
    assert error.problem == "No E2 message: a test."
    assert "versions" in error.remedy


def test_widths() -> None:
    assert [width_of(span) for span in (1, 2, 3, 4, 255, 256, 257)] == [0, 1, 2, 2, 8, 8, 9]


@given(st.lists(st.one_of(
    st.tuples(st.just("bits"), st.integers(0, 2**20 - 1)),
    st.tuples(st.just("octets"), st.binary(max_size=9)),
    st.tuples(st.just("number"), st.integers(-(2**80), 2**80)),
    st.tuples(st.just("align"), st.none()))))
def test_any_mix_comes_out_as_it_went_in(steps: list[tuple[str, int | bytes | None]]) -> None:
    writer = Writer()
    for kind, value in steps:
        if kind == "bits" and isinstance(value, int):
            writer.bits(value, 20)
        elif kind == "number" and isinstance(value, int):
            writer.unconstrained(value)
        elif isinstance(value, bytes):
            writer.octets(value)
        else:
            writer.align()
    reader = Reader(writer.finish())
    for kind, value in steps:
        if kind == "bits":
            assert reader.bits(20) == value
        elif kind == "number":
            assert reader.unconstrained() == value
        elif isinstance(value, bytes):
            assert reader.octets(len(value)) == value
        else:
            reader.align()
    assert reader.end - reader.position < 8 or reader.end == 8
