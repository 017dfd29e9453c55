"""ASN.1's strings in aligned PER: of bits, octets and characters.

Each function compiles a type, with its bounds, into a `Codec`.
"""

from __future__ import annotations

from dataclasses import dataclass

from xapp.e2.bits import Reader, Writer, refused
from xapp.e2.codec import Codec, Read, Write
from xapp.e2.primitives import UNBOUNDED_FROM, sized


@dataclass(frozen=True, slots=True)
class BitString:
    """`width` bits, the first of them the highest of `value`."""

    value: int
    width: int


def octet_string(low: int = 0, high: int | None = None, extensible: bool = False) -> Codec[bytes]:
    """OCTET STRING (SIZE (low..high))."""
    read, write = _octets(low, high, extensible, 2)
    return Codec(bytes, read, write)


def _octets(low: int, high: int | None, extensible: bool, unaligned: int) -> tuple[Read, Write]:
    """Octets with their size; fixed ones up to `unaligned` begin at any bit (X.691 17.6)."""
    read_size, write_size, _ = sized(low, high, extensible)
    short = low == high and high is not None and high <= unaligned
    general = high is None or high >= UNBOUNDED_FROM

    def read(reader: Reader) -> bytes:
        size = read_size(reader)
        if size < 0:
            data = reader.long_octets()
            if len(data) < low:
                raise refused(f"{len(data)} octets where {low} are the least")
            return data
        if short:
            return reader.bits(size * 8).to_bytes(size)
        return reader.octets(size) if size else b""

    def write(writer: Writer, value: bytes) -> None:
        if general and not low <= len(value) <= (high or len(value)):
            raise refused(f"{len(value)} octets where at least {low} are needed")
        if not write_size(writer, len(value)):
            writer.long_octets(value)
        elif short:
            writer.bits(int.from_bytes(value), len(value) * 8)
        elif value:
            writer.octets(value)

    return read, write


def printable_string(low: int = 0, high: int | None = None, extensible: bool = False) -> Codec[str]:
    """PrintableString (SIZE (low..high)); eight bits a character (X.691 30.5).

    Every printable character of ASCII is let through: base stations put underscores into names.
    """
    read_octets, write_octets = _octets(low, high, extensible, 2)

    def read(reader: Reader) -> str:
        text: str = read_octets(reader).decode("latin-1")
        if not (text.isascii() and text.isprintable()):
            raise refused("a text with other than printable characters")
        return text

    def write(writer: Writer, value: str) -> None:
        if not (value.isascii() and value.isprintable()):
            raise refused(f"{value!r} has other than printable characters")
        write_octets(writer, value.encode("ascii"))

    return Codec(str, read, write)


def bit_string(low: int = 0, high: int | None = None, extensible: bool = False) -> Codec[BitString]:
    """BIT STRING (SIZE (low..high))."""
    read_size, write_size, general = sized(low, high, extensible)
    short = low == high and high is not None and high <= 16

    def read(reader: Reader) -> BitString:
        width = read_size(reader)
        if width < 0:
            width = reader.length()
            if general and width < low:
                raise refused(f"{width} bits where {low} are the least")
        if width and not short:
            reader.align()
        return BitString(reader.bits(width), width)

    def write(writer: Writer, value: BitString) -> None:
        width = value.width
        if value.value < 0 or value.value >> width or (general and width < low):
            raise refused(f"{value} are not so many bits")
        if not write_size(writer, width):
            writer.length(width)
        if width and not short:
            writer.align()
        writer.bits(value.value, width)

    return Codec(BitString, read, write)


def bit_number(width: int) -> Codec[int]:
    """BIT STRING (SIZE (width)) that reads as a number, as cell identities are."""
    return _fixed_number(width, aligned=width > 16)


def octet_number(count: int) -> Codec[int]:
    """OCTET STRING (SIZE (count)) that reads as a number, as parts of an S-NSSAI are."""
    return _fixed_number(count * 8, aligned=count > 2)


def _fixed_number(width: int, aligned: bool) -> Codec[int]:
    def read(reader: Reader) -> int:
        if aligned:
            reader.align()
        return reader.bits(width)

    def write(writer: Writer, value: int) -> None:
        if not 0 <= value < 1 << width:
            raise refused(f"{value} does not fit {width} bits")
        if aligned:
            writer.align()
        writer.bits(value, width)

    return Codec(int, read, write)
