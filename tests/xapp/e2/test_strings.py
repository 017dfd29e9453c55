"""Strings of octets, characters and bits, of all kinds of sizes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xapp.e2.aper import (
    BitString,
    bit_number,
    bit_string,
    octet_number,
    octet_string,
    printable_string,
    sequence_of,
)
from xapp.errors import ProtocolError


@pytest.mark.parametrize(("codec", "value", "encoded"), [
    (octet_string(1, 1), b"\5", "05"), (octet_string(3, 3), b"abc", "616263"),
    (octet_string(), b"", "00"), (octet_string(), bytes(128), "8080" + "00" * 128),
    (octet_string(1, 4), b"ab", "406162"), (octet_string(0, 4), b"", "00"),
    (octet_string(0, 4, extensible=True), b"abcdef", "80066162636465" "66"),
])
def test_octets(codec: object, value: bytes, encoded: str) -> None:
    assert codec.encode(value).hex() == encoded  # type: ignore[attr-defined]  # a Codec
    assert codec.decode(bytes.fromhex(encoded)) == value  # type: ignore[attr-defined]  # a Codec


def test_short_octets_begin_at_any_bit_and_longer_ones_do_not() -> None:
    assert sequence_of(octet_string(2, 2), 1, 2).encode((b"\xff\xff",)).hex() == "7fff80"
    assert sequence_of(octet_string(3, 3), 1, 2).encode((b"\xff\xff\xff",)).hex() == "00ffffff"


@pytest.mark.parametrize(("value", "encoded"), [
    ("a", "000061"), ("a" * 150, "4a80" + "61" * 150), ("a" * 151, "808097" + "61" * 151)])
def test_characters(value: str, encoded: str) -> None:
    codec = printable_string(1, 150, extensible=True)
    assert codec.encode(value).hex() == encoded
    assert codec.decode(bytes.fromhex(encoded)) == value


def test_what_cannot_be_printed() -> None:
    codec = printable_string()
    assert codec.decode(codec.encode("RRC_State? 100 %")) == "RRC_State? 100 %"
    for value in ("Zürich", "a\nb", "\x7f"):
        with pytest.raises(ProtocolError, match="printable"):
            codec.encode(value)
    for data in (b"\1\n", b"\1\xe4", b"\1\0"):
        with pytest.raises(ProtocolError, match="printable"):
            codec.decode(data)


@pytest.mark.parametrize(("codec", "value", "encoded"), [
    (bit_string(10, 10), BitString(1, 10), "0040"), (bit_string(20, 20), BitString(1, 20),
                                                     "000010"),
    (bit_string(22, 32), BitString(411, 22), "0000066c"), (bit_string(), BitString(5, 3), "03a0"),
    (bit_string(), BitString(0, 0), "00")])
def test_bits(codec: object, value: BitString, encoded: str) -> None:
    assert codec.encode(value).hex() == encoded  # type: ignore[attr-defined]  # a Codec
    assert codec.decode(bytes.fromhex(encoded)) == value  # type: ignore[attr-defined]  # a Codec


def test_bits_that_are_numbers() -> None:
    assert bit_number(36).encode(0x66C000).hex() == bit_string(36, 36).encode(
        BitString(0x66C000, 36)).hex() == "00066c0000"
    assert octet_number(3).encode(5).hex() == "000005"
    assert octet_number(1).decode(b"\xff") == 255
    for codec, value in ((bit_number(6), 64), (octet_number(1), -1)):
        with pytest.raises(ProtocolError, match="does not fit"):
            codec.encode(value)


def test_sizes_out_of_bounds_are_refused() -> None:
    for codec, value in ((octet_string(3, 3), b"ab"), (octet_string(1, 4), bytes(5)),
                         (octet_string(2, 70000), b"a")):
        with pytest.raises(ProtocolError):
            codec.encode(value)
    with pytest.raises(ProtocolError):
        printable_string(1, 5).encode("")
    with pytest.raises(ProtocolError, match="least"):
        octet_string(2, 70000).decode(b"\1a")
    for bits in (BitString(4, 2), BitString(-1, 3)):
        with pytest.raises(ProtocolError, match="not so many bits"):
            bit_string().encode(bits)
    with pytest.raises(ProtocolError):
        bit_string(22, 32).encode(BitString(0, 21))


@given(st.integers(0, 5), st.integers(0, 400), st.booleans(), st.data())
def test_any_string_of_any_size(low: int, more: int, extensible: bool,
                                data: st.DataObject) -> None:
    high = data.draw(st.sampled_from((low + more, 65535, None)))
    size = data.draw(st.integers(low, min(low + more, high or 400)))
    value = data.draw(st.binary(min_size=size, max_size=size))
    octets = octet_string(low, high, extensible)
    assert octets.decode(octets.encode(value)) == value
    text = printable_string(low, high, extensible)
    assert text.decode(text.encode("x" * size)) == "x" * size
    bits = bit_string(low, high, extensible)
    string = BitString(data.draw(st.integers(0, 2**size - 1)), size)
    assert bits.decode(bits.encode(string)) == string
