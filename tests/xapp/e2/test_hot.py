"""Shortcuts give what the long way gives, whatever is before them in an octet."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.xapp.e2 import e2sm_values as values
from tests.xapp.e2.examples import ASKED
from xapp.e2.aper import Codec, bit_number, integer, octet_string, sequence_of
from xapp.e2.bits import MOST_ELEMENTS, Reader, Writer
from xapp.e2.hot import MOST_REMEMBERED, measurement_records, remembered
from xapp.e2.measurements import MEASUREMENT, MOST_NAMES, VALUE, Measurement
from xapp.errors import ProtocolError

PLAIN_NAMES = sequence_of(MEASUREMENT, 1, MOST_NAMES)
PLAIN_RECORDS = sequence_of(VALUE, 1, 2**31 - 1)
RECORDS = measurement_records(PLAIN_RECORDS, VALUE)


def at(phase: int, codec: Codec[Any], value: Any, after: int = 0xA5) -> bytes:
    """The value's bits from a place in an octet on, and an octet that follows."""
    writer = Writer()
    writer.bits(0, phase)
    codec.write(writer, value)
    writer.bits(after, 8)
    return writer.finish()


def read_at(phase: int, codec: Codec[Any], data: bytes) -> tuple[Any, int]:
    """The value at a place in an octet, and the octet that follows it."""
    reader = Reader(data)
    reader.position = phase
    value = codec.read(reader)
    return value, reader.bits(8)


@given(st.lists(st.tuples(st.integers(0, 7), values.MEASUREMENTS), min_size=1, max_size=8))
def test_what_is_remembered_is_what_is_there(many: list[tuple[int, Any]]) -> None:
    names = remembered(PLAIN_NAMES)
    for _ in range(2):
        for phase, value in many:
            data = at(phase, names, value)
            assert read_at(phase, names, data) == read_at(phase, PLAIN_NAMES, data)


@pytest.mark.parametrize("phase", range(8))
def test_bits_beside_a_remembered_value_do_not_count(phase: int) -> None:
    names = remembered(PLAIN_NAMES)
    for after in (0, 0xFF, 0x5A):
        data = bytearray(at(phase, names, ASKED, after))
        if phase:
            data[0] |= 0xFF << (8 - phase) & 0xFF
        assert read_at(phase, names, bytes(data)) == (ASKED, after)


@pytest.mark.parametrize("phase", range(8))
def test_a_single_bit_makes_another_value(phase: int) -> None:
    small = remembered(sequence_of(bit_number(5), 0, 7))
    plain = sequence_of(bit_number(5), 0, 7)
    value = (1, 2, 3)
    data = at(phase, plain, value)
    for _ in range(2):
        assert read_at(phase, small, data)[0] == value
    for place in range(phase, phase + 18):
        turned = bytearray(data)
        turned[place >> 3] ^= 1 << (~place & 7)
        found: list[Any] = []
        expected: list[Any] = []
        for codec, into in ((small, found), (plain, expected)):
            try:
                into.append(read_at(phase, codec, bytes(turned)))
            except IndexError:
                into.append(None)
        assert found == expected


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 3)), max_size=20),
       st.lists(values.MEASUREMENTS, min_size=4, max_size=4))
def test_what_is_written_again_is_what_was_written(places: list[tuple[int, int]],
                                                   lists: list[Any]) -> None:
    names = remembered(PLAIN_NAMES)
    for phase, place in places:
        assert at(phase, names, lists[place]) == at(phase, PLAIN_NAMES, lists[place])


def test_a_list_that_changed_is_written_anew() -> None:
    names, value = remembered(PLAIN_NAMES), [Measurement("CQI")]
    before = names.encode(value)  # type: ignore[arg-type]  # a list, as callers may have
    value.append(Measurement("RSRP"))
    assert len(names.encode(value)) > len(before)  # type: ignore[arg-type]  # the same


def test_memory_is_bounded_and_the_oldest_goes() -> None:
    names = remembered(PLAIN_NAMES)
    lists = [(Measurement(f"name {number}"),) for number in range(3 * MOST_REMEMBERED)]
    for value in lists * 2:
        assert read_at(0, names, at(0, names, value))[0] == value
    memories = next(cell.cell_contents for cell in names.read.__closure__ or ()
                    if isinstance(cell.cell_contents, list))
    assert max(map(len, memories)) == MOST_REMEMBERED


def test_a_remembered_value_counts_as_one_element() -> None:
    inner = remembered(sequence_of(integer(0, 255), 0, 65535))
    codec = sequence_of(inner, 0, 65535)
    one = tuple(range(250))
    many = (one,) * 200
    assert sum(map(len, many)) > MOST_ELEMENTS
    assert codec.decode(codec.encode(many)) == many
    with pytest.raises(ProtocolError, match=str(MOST_ELEMENTS)):
        codec.decode(codec.encode(tuple((number, *one) for number in range(200))))
    short = (1, 2, 3, 4, 5, 6, 7)
    with pytest.raises(ProtocolError, match=str(MOST_ELEMENTS)):
        codec.decode(codec.encode((short,) * 5000))


def test_a_remembered_value_that_is_cut_short_is_cut_short() -> None:
    names = remembered(PLAIN_NAMES)
    data = names.encode(ASKED)
    assert names.decode(data) == ASKED
    for size in range(len(data)):
        with pytest.raises(ProtocolError):
            names.decode(data[:size])


def test_very_long_values_are_not_remembered() -> None:
    codec = remembered(octet_string())
    for filling in (b"a", b"b"):
        assert codec.decode(codec.encode(filling * 9000)) == filling * 9000


@given(st.integers(0, 7), st.lists(values.VALUE, min_size=1, max_size=20).map(tuple))
def test_records_of_any_values(phase: int, value: Any) -> None:
    data = at(phase, PLAIN_RECORDS, value)
    assert read_at(phase, RECORDS, data) == read_at(phase, PLAIN_RECORDS, data)


@given(st.binary(max_size=60))
def test_records_of_any_bytes(data: bytes) -> None:
    found: list[Any] = []
    for codec in (RECORDS, PLAIN_RECORDS):
        try:
            found.append(codec.decode(data))
        except ProtocolError:
            found.append(None)
    assert found[0] == found[1]
