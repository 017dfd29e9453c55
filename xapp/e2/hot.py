"""Shortcuts on the way of every report: lists of names that repeat, and records of values.

They give and take the same values and bytes as the types that they stand before, in less time; a
place where the shortcut does not hold goes the long way.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ldexp
from typing import Any, TypeVar

from xapp.e2.bits import Reader, Writer, refused
from xapp.e2.codec import Codec, Write

T = TypeVar("T")
# Lists that are remembered for each of the eight places in an octet where one may begin: a report
# has one, and a few subscriptions are alive at a time.
MOST_REMEMBERED = 4
LONGEST_REMEMBERED = 4096  # octets
LARGEST_NUMBER = 2**32 - 1  # of a measurement's whole ones
# A real number: the choice's bits, its length, what it is (above zero, base 2, an exponent of one
# octet), the exponent, and up to seven octets, as a Python float has them.
REAL, REAL_MASK, PLAIN_BINARY = 0x20, 0xE0, 0x80
LONGEST_REAL = 9


def remembered(codec: Codec[T]) -> Codec[T]:
    """The same type, for values that come again and again.

    What bits say depends on nothing but them and where in an octet they begin. So where the same
    bits stand as were read before, the value is the one that was read; it counts as one element.
    """
    read_slowly = codec.read
    memories: list[list[tuple[int, int, bytes, int, int, T]]] = [[] for _ in range(8)]

    def read(reader: Reader) -> T:
        begin = reader.position
        data = reader.data
        first = begin >> 3
        head_mask = 0xFF >> (begin & 7)
        memory = memories[begin & 7]
        for width, head, middle, tail_mask, tail, value in memory:
            last = (begin + width - 1) >> 3
            if (data[first + 1:last] == middle and not (data[first] ^ head) & head_mask
                    and not (data[last] ^ tail) & tail_mask):
                reader.position = begin + width
                reader.spend(1)
                return value
        value = read_slowly(reader)
        width = reader.position - begin
        if width >= 8 and width <= LONGEST_REMEMBERED * 8:
            last = (begin + width - 1) >> 3
            tail_mask = 0xFF << (-(begin + width) & 7) & 0xFF
            memory.insert(0, (width, data[first], data[first + 1:last], tail_mask, data[last],
                              value))
            del memory[MOST_REMEMBERED:]
        return value

    return Codec(codec.kind, read, _remembering_writer(codec.write), codec.name)


def _remembering_writer(write_slowly: Write) -> Write:
    """Writes the bits again where the very same value was written from such a place before."""
    memories: list[list[tuple[Any, int, int]]] = [[] for _ in range(8)]

    def write(writer: Writer, value: Any) -> None:
        memory = memories[writer.width & 7]
        for known, bits, width in memory:
            if known is value:
                writer.pending = writer.pending << width | bits
                writer.width += width
                return
        inner = Writer()
        inner.width = phase = writer.width & 7
        write_slowly(inner, value)
        bits = int.from_bytes(inner.done) << inner.width | inner.pending
        width = len(inner.done) * 8 + inner.width - phase
        writer.pending = writer.pending << width | bits
        writer.width += width
        if width <= LONGEST_REMEMBERED * 8 and type(value) is tuple:  # a list may change
            memory.insert(0, (value, bits, width))
            del memory[MOST_REMEMBERED:]

    return write


def measurement_records(codec: Codec[tuple[Any, ...]], one: Codec[Any]) -> Codec[tuple[Any, ...]]:
    """SEQUENCE OF MeasurementRecordItem; numbers that begin an octet are read at once.

    A whole one is one octet with the marker's bit, two bits of choice and two of length, then up
    to four octets. After it, and after a real one, the next one begins an octet again.
    """
    read_one = one.read

    def read(reader: Reader) -> tuple[Any, ...]:
        count = reader.length()
        if not count:
            raise refused("a record without values")
        reader.spend(count)
        data, position = reader.data, reader.position
        values: list[Any] = []
        for _ in range(count):
            if not position & 7 and (first := data[start := position >> 3]) < 0x20:
                end = start + 2 + (first >> 3)
                values.append(int.from_bytes(data[start + 1:end]))
                position = end << 3
            elif (not position & 7 and first & REAL_MASK == REAL
                  and 2 < (length := data[start + 1]) <= LONGEST_REAL
                  and data[start + 2] == PLAIN_BINARY):
                end = start + 2 + length
                values.append(ldexp(int.from_bytes(data[start + 4:end]),
                                    (data[start + 3] ^ 0x80) - 0x80))
                position = end << 3
            else:
                reader.position = position
                values.append(read_one(reader))
                position = reader.position
        if position > reader.end:  # a number's octets were cut short
            raise IndexError
        reader.position = position
        return tuple(values)

    return Codec(tuple, read, _records_writer(codec.write, one.write), codec.name)


def _records_writer(write_slowly: Write, write_one: Write) -> Write:
    def write(writer: Writer, values: Sequence[Any]) -> None:
        if not values:
            write_slowly(writer, values)
            return
        writer.length(len(values))
        for value in values:
            if type(value) is int and not writer.width and 0 <= value <= LARGEST_NUMBER:
                size = (value.bit_length() + 7) >> 3 or 1
                writer.done += (size - 1 << 3 + 8 * size | value).to_bytes(size + 1)
            else:
                write_one(writer, value)

    return write
