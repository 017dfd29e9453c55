"""ASN.1's simple types in aligned PER: numbers, flags, enumerations; `strings` has the others.

Each function compiles a type, with its bounds, into a `Codec`. Bounds that a later version of a
specification may widen are `extensible`.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Sequence
from typing import Any

from xapp.e2.bits import Reader, Writer, refused, width_of
from xapp.e2.codec import Codec, Read, Write

UNBOUNDED_FROM = 65536  # sizes that may reach it have a length of the general form (X.691 11.9.4)


def integer(low: int, high: int, extensible: bool = False) -> Codec[int]:
    """INTEGER (low..high), with `, ...` where extensible."""
    read, write = whole(low, high)
    return Codec(int, *_widened(low, high, read, write) if extensible else (read, write))


def integer_from(low: int) -> Codec[int]:
    """INTEGER (low..MAX)."""
    return Codec(int, lambda reader: reader.semi_constrained(low),
                 lambda writer, value: writer.semi_constrained(value, low))


def unconstrained_integer() -> Codec[int]:
    """INTEGER."""
    def read(reader: Reader) -> int:
        start = (reader.position + 7) >> 3
        if reader.data[start] == 1:  # nearly all are of one octet
            reader.position = (start + 2) << 3
            value = reader.data[start + 1]
            return value - ((value & 0x80) << 1)
        return reader.unconstrained()

    return Codec(int, read, Writer.unconstrained)


def whole(low: int, high: int) -> tuple[Read, Write]:
    """Closures for a number from `low` to `high`: those of few bits need to be fast."""
    span = high - low + 1

    if span == 1:
        return lambda reader: low, _write_narrow(low, high)
    if span <= 255:
        return _narrow(low, span), _write_narrow(low, high)
    if span > 65536:
        return _wide(low, span), _write_wide(low, high)
    if span == 256:
        return _octet(low), _write_octets(low, high, 1)
    return (_two_octets(low) if span == 65536 else lambda reader: reader.constrained(low, high),
            _write_octets(low, high, 2))


def _narrow(low: int, span: int) -> Read:
    width = width_of(span)
    mask = (1 << width) - 1

    def read(reader: Reader) -> int:
        position = reader.position
        reader.position = after = position + width
        if after > reader.end:
            raise IndexError
        offset = (int.from_bytes(reader.data[position >> 3:(after + 7) >> 3]) >> (-after & 7)
                  & mask)
        if offset >= span:
            raise refused(f"a number above {low + span - 1}")
        return low + offset

    def read_bit(reader: Reader) -> int:
        position = reader.position
        reader.position = position + 1
        return low + (reader.data[position >> 3] >> (~position & 7) & 1)

    return read_bit if width == 1 else read


def _write_narrow(low: int, high: int) -> Write:
    width = width_of(high - low + 1)

    def write(writer: Writer, value: int) -> None:
        if not low <= value <= high:
            raise refused(f"{value} is not from {low} to {high}")
        writer.pending = writer.pending << width | value - low
        writer.width += width

    return write


def _write_octets(low: int, high: int, count: int) -> Write:
    def write(writer: Writer, value: int) -> None:
        if not low <= value <= high:
            raise refused(f"{value} is not from {low} to {high}")
        if writer.width:
            writer.align()
        writer.done += (value - low).to_bytes(count)

    return write


def _octet(low: int) -> Read:
    def read(reader: Reader) -> int:
        start = (reader.position + 7) >> 3
        reader.position = (start + 1) << 3
        return low + reader.data[start]

    return read


def _two_octets(low: int) -> Read:
    def read(reader: Reader) -> int:
        start = (reader.position + 7) >> 3
        reader.position = (start + 2) << 3
        data = reader.data
        return low + (data[start] << 8 | data[start + 1])

    return read


def _wide(low: int, span: int) -> Read:
    """A number of many octets: how many there are, in a few bits, and then they."""
    most = (width_of(span) + 7) // 8
    width = width_of(most)
    mask = (1 << width) - 1

    def read(reader: Reader) -> int:
        data = reader.data
        position = reader.position
        after = position + width
        size = 1 + (int.from_bytes(data[position >> 3:(after + 7) >> 3]) >> (-after & 7) & mask)
        if size > most:
            raise refused(f"a number of {size} octets where {most} are the most")
        start = (after + 7) >> 3
        end = start + size
        reader.position = after = end << 3
        if after > reader.end:
            raise IndexError
        offset = int.from_bytes(data[start:end])
        if offset >= span:
            raise refused(f"a number above {low + span - 1}")
        return low + offset

    return read


def _write_wide(low: int, high: int) -> Write:
    """The size in a few bits, what fills their octet, and the number's octets, all at once."""
    width = width_of((width_of(high - low + 1) + 7) // 8)

    def write(writer: Writer, value: int) -> None:
        if not low <= value <= high:
            raise refused(f"{value} is not from {low} to {high}")
        offset = value - low
        size = (offset.bit_length() + 7) >> 3 or 1
        before = writer.width + width
        fill = -before & 7
        head = writer.pending << width | size - 1
        writer.done += (head << fill + 8 * size | offset).to_bytes(((before + fill) >> 3) + size)
        writer.pending = writer.width = 0

    return write


def _widened(low: int, high: int, read: Read, write: Write) -> tuple[Read, Write]:
    """The same with a bit before that says whether the bounds are kept (X.691 13.1)."""

    def read_any(reader: Reader) -> Any:
        position = reader.position
        reader.position = position + 1
        if reader.data[position >> 3] >> (~position & 7) & 1:
            return reader.unconstrained()
        return read(reader)

    def write_any(writer: Writer, value: int) -> None:
        inside = low <= value <= high
        writer.bits(not inside, 1)
        if inside:
            write(writer, value)
        else:
            writer.unconstrained(value)

    return read_any, write_any


def boolean() -> Codec[bool]:
    def write(writer: Writer, value: bool) -> None:
        writer.bits(1 if value else 0, 1)

    return Codec(bool, lambda reader: reader.bits(1) == 1, write)


def null(value: Any = None) -> Codec[Any]:
    """NULL, which reads as `value`: another one for each NULL of a CHOICE."""
    return Codec(type(value), lambda reader: value, lambda writer, given: None)


def enumerated(
    values: type[enum.Enum] | Sequence[Any] | int, extensible: bool = False,
    added: Sequence[Any] = (),
) -> Codec[Any]:
    """ENUMERATED: members of an Enum in their order, or given values, or 0 to a count.

    `added` are the values after the extension marker.
    """
    root = tuple(range(values)) if isinstance(values, int) else tuple(values)
    extra = tuple(added)
    read_index, write_index = whole(0, len(root) - 1)
    places = {value: index for index, value in enumerate(root + extra)}

    def read(reader: Reader) -> Any:
        if extensible and reader.bits(1):
            index = reader.small()
            if index >= len(extra):
                raise refused(f"an added value {index} of an enumeration, which is not known")
            return extra[index]
        return root[read_index(reader)]

    def write(writer: Writer, value: Any) -> None:
        place = places.get(value, -1)
        if place < 0:
            raise refused(f"{value!r} is none of {', '.join(map(str, places))}")
        if extensible:
            writer.bits(place >= len(root), 1)
        if place < len(root):
            write_index(writer, place)
        else:
            writer.small(place - len(root))

    return Codec(type(root[0]), read, write)


def real() -> Codec[float]:
    """REAL: its length, and octets as X.690 8.5 has them, base 2 where we write."""

    def read(reader: Reader) -> float:
        return _real_of(reader.octets(reader.length()))

    def write(writer: Writer, value: float) -> None:
        data = _octets_of(float(value))
        writer.length(len(data))
        writer.octets(data)

    return Codec(float, read, write)


_SPECIAL = {0x40: math.inf, 0x41: -math.inf, 0x42: math.nan, 0x43: -0.0}


def _real_of(data: bytes) -> float:
    if not data:
        return 0.0
    first = data[0]
    if first & 0x80:
        return _binary(data)
    if first in _SPECIAL and len(data) == 1:
        return _SPECIAL[first]
    if 1 <= first <= 3 and len(data) <= 64:
        try:
            return float(data[1:].decode("ascii").replace(",", "."))
        except ValueError:
            pass  # falls to the refusal below
    raise refused("a real number of no known form")


def _binary(data: bytes) -> float:
    first = data[0]
    size, start = (first & 3) + 1, 1
    if size == 4:
        size, start = data[1] if len(data) > 1 else 0, 2
    digits = len(data) - start - size
    if not 0 < size <= 4 or not 0 < digits <= 16 or first & 0x30 == 0x30:
        raise refused("a real number of no known form")
    exponent = int.from_bytes(data[start:start + size], signed=True)
    if first & 0x3C:  # base 8 or 16, or a scale factor
        exponent = exponent * (1, 3, 4)[first >> 4 & 3] + (first >> 2 & 3)
    mantissa = int.from_bytes(data[start + size:])
    try:
        return math.ldexp(-mantissa if first & 0x40 else mantissa, max(-5000, exponent))
    except OverflowError:
        raise refused("a real number beyond all floats") from None


def _octets_of(value: float) -> bytes:
    if value == 0:
        return b"" if math.copysign(1, value) > 0 else b"\x43"
    if not math.isfinite(value):
        return b"\x42" if value != value else b"\x40" if value > 0 else b"\x41"
    numerator, denominator = abs(value).as_integer_ratio()
    exponent = 1 - denominator.bit_length()
    spare = (numerator & -numerator).bit_length() - 1  # the mantissa must be odd (X.690 11.3.1)
    numerator, exponent = numerator >> spare, exponent + spare
    size = 1 if -128 <= exponent <= 127 else 2
    return (bytes(((0x80 | 0x40 * (value < 0) | size - 1),)) + exponent.to_bytes(size, signed=True)
            + numerator.to_bytes((numerator.bit_length() + 7) // 8))


def sized(
    low: int, high: int | None, extensible: bool
) -> tuple[Read, Callable[[Writer, int], bool], bool]:
    """Closures for a size from `low` to `high`, and whether it may come in pieces.

    A reader's gives the size, or -1 where the general form follows; a writer's says whether it
    wrote the size, or the general form has to.
    """
    general = high is None or high >= UNBOUNDED_FROM
    if general or high is None:
        return lambda reader: -1, lambda writer, size: False, True
    read_size, write_size = whole(low, high)

    def read(reader: Reader) -> int:
        return -1 if extensible and reader.bits(1) else read_size(reader)

    def write(writer: Writer, size: int) -> bool:
        inside = low <= size <= high
        if extensible:
            writer.bits(not inside, 1)
        if inside or not extensible:
            write_size(writer, size)
            return True
        return False

    return read_size if not extensible else read, write, False
