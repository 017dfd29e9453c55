"""ASN.1 types in aligned PER (X.691), compiled once into closures.

A SEQUENCE is a frozen dataclass and its fields in their order; a CHOICE the types that it chooses
from; a SEQUENCE OF reads as a tuple. A type is used alone (`encode`, `decode`) or in others:

    @dataclass(frozen=True, slots=True)
    class Snssai:
        sst: int
        sd: bytes | None = None

    SNSSAI = sequence(Snssai, field("sst", integer(0, 255)),
                      field("sd", octet_string(3, 3), optional=True), extensible=True)
    SNSSAI.decode(SNSSAI.encode(Snssai(1, b"\\0\\0\\5")))

- `field(name, codec, optional=..., default=...)`: absent optional fields are None, and fields with
  a default are left out where they equal it. `additions=(field(...), ...)` come after the marker
  `...`; unknown ones are skipped, known ones are None where they are missing.
- `choice(("name", codec), ..., extensible=..., added=(("name", codec), ...))`: its value is the
  alternative's own where no other alternative has values of that Python type, and
  `Chosen(name, value)` where others have. A NULL can be told apart by `null(some_value)`.
- `sequence_of(codec, low, high)`: `high=None` has no upper bound. Elements that take long to read
  have a `cost` above 1: so many of them are let through less (`bits.MOST_ELEMENTS`).
- `open_type(codec)`: a length and the encoding of a whole value; `octet_string()` reads and writes
  the same bytes without a look inside.
- `wrapped(codec)`: an extensible SEQUENCE of one field; its value is the field's own.
- `recursive(lambda inner: ..., kind, levels)`: a type that holds itself, at most so many levels.

Any bytes give a value or one ProtocolError; a value that is out of bounds gives ProtocolError when
it is encoded. Inside other types, `read(reader)` and `write(writer, value)` do the work; a reader
at its end raises IndexError, of which `decode` makes ProtocolError.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from xapp.e2.bits import Reader, Writer, refused
from xapp.e2.choices import Chosen, choice
from xapp.e2.codec import Codec, open_type
from xapp.e2.primitives import (
    boolean,
    enumerated,
    integer,
    integer_from,
    null,
    real,
    sized,
    unconstrained_integer,
)
from xapp.e2.sequences import Field, additions_reader, field, sequence
from xapp.e2.strings import (
    BitString,
    bit_number,
    bit_string,
    octet_number,
    octet_string,
    printable_string,
)

__all__ = ["BitString", "Chosen", "Codec", "Field", "bit_number", "bit_string", "boolean", "choice",
           "converted", "enumerated", "field", "integer", "integer_from", "null", "octet_number",
           "octet_string", "open_type", "printable_string", "real", "recursive", "sequence",
           "sequence_of", "unconstrained_integer", "wrapped"]

T = TypeVar("T")


def wrapped(codec: Codec[T]) -> Codec[T]:
    """SEQUENCE { one field, ... } whose value is that field's."""
    read_inner, write_inner = codec.read, codec.write
    read_additions = additions_reader(0, ())

    def read(reader: Reader) -> T:
        position = reader.position
        reader.position = position + 1
        extended = reader.data[position >> 3] >> (~position & 7) & 1
        value = read_inner(reader)
        if extended:
            read_additions(reader, [])
        return value

    def write(writer: Writer, value: T) -> None:
        writer.bits(0, 1)
        write_inner(writer, value)

    return Codec(codec.kind, read, write, codec.name)


def sequence_of(
    codec: Codec[T], low: int = 0, high: int | None = None, extensible: bool = False,
    cost: int = 1,
) -> Codec[tuple[T, ...]]:
    """SEQUENCE (SIZE (low..high)) OF the codec's type; `cost` is what an element counts."""
    read_size, write_size, general = sized(low, high, extensible)
    read_one, write_one = codec.read, codec.write

    def read(reader: Reader) -> tuple[Any, ...]:
        size = read_size(reader)
        if size < 0:
            size = reader.length()  # pieces would have more elements than are let through
            if general and size < low:
                raise refused(f"{size} elements where {low} are the least")
        reader.budget -= size * cost
        if reader.budget < 0:
            reader.spend(0)
        return tuple([read_one(reader) for _ in range(size)])

    def write(writer: Writer, value: Sequence[Any]) -> None:
        size = len(value)
        if general and size < low:
            raise refused(f"{size} elements where {low} are the least")
        if not write_size(writer, size):
            writer.length(size)
        for one in value:
            write_one(writer, one)

    return Codec(tuple, read, write, f"list of {codec.name}")


def recursive(
    build: Callable[[Codec[Any]], Codec[T]], kind: type[T], levels: int
) -> Codec[T]:
    """A type that holds itself, `levels` deep at most; `build` makes it of what it holds."""

    def too_deep(*_: Any) -> Any:
        raise refused(f"more than {levels} levels of {kind.__name__}")

    codec: Codec[T] = Codec(kind, too_deep, too_deep)
    for _ in range(levels):
        codec = build(codec)
    return codec


def converted(
    codec: Codec[Any], kind: type[T], load: Callable[[Any], T], save: Callable[[T], Any]
) -> Codec[T]:
    """The same bytes for another Python type: `load` of what is read, `save` before writing."""
    read, write = codec.read, codec.write
    return Codec(kind, lambda reader: load(read(reader)),
                 lambda writer, value: write(writer, save(value)))
