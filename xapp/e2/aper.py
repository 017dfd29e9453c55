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
- `sequence_of(codec, low, high)`: `high=None` has no upper bound.
- `open_type(codec)`: a length and the encoding of a whole value; `octet_string()` reads and writes
  the same bytes without a look inside.
- `wrapped(codec)`: an extensible SEQUENCE of one field; its value is the field's own.
- `recursive(lambda inner: ..., kind, levels)`: a type that holds itself, at most so many levels.

Any bytes give a value or one ProtocolError; a value that is out of bounds gives ProtocolError when
it is encoded. Inside other types, `read(reader)` and `write(writer, value)` do the work; a reader
at its end raises IndexError, of which `decode` makes ProtocolError.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, TypeVar

from xapp.e2.bits import Reader, Writer, refused
from xapp.e2.codec import Codec, Read, Write, check_end
from xapp.e2.primitives import (
    boolean,
    enumerated,
    integer,
    integer_from,
    null,
    real,
    sized,
    unconstrained_integer,
    whole,
)
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
MOST_PLANS = 256  # sets of present fields that a SEQUENCE remembers; a stranger may send any set
MOST_ADDITIONS = 64  # fields after a marker: no type has a third of it


@dataclass(frozen=True, slots=True)
class Field:
    """A part of a SEQUENCE."""

    name: str
    codec: Codec[Any]
    optional: bool
    default: Any


@dataclass(frozen=True, slots=True)
class Chosen:
    """A CHOICE's value where its Python type does not tell which alternative it is."""

    name: str
    value: Any


def field(name: str, codec: Codec[Any], optional: bool = False, default: Any = None) -> Field:
    """The attribute `name` of a dataclass, and its type."""
    return Field(name, codec, optional or default is not None, default)


def sequence(
    cls: type[T], *fields: Field, extensible: bool = False, additions: Sequence[Field] = ()
) -> Codec[T]:
    """SEQUENCE: `fields` in their order, which are attributes of the dataclass `cls`."""
    read_additions = _additions_reader(len(fields), additions)
    names = [one.name for one in (*fields, *additions)]
    read_root = _root_reader(cls, fields, names, extensible or bool(additions), read_additions)
    return Codec(cls, read_root, _sequence_writer(fields, extensible, additions), cls.__name__)


def _root_reader(
    cls: type[T], fields: Sequence[Field], names: Sequence[str], extensible: bool,
    read_additions: Callable[[Reader, list[Any]], None],
) -> Read:
    """Reads `fields` and what follows them; `names` are theirs and those of the additions."""
    added = len(names) - len(fields)
    choosers = sum(one.optional for one in fields)
    width = choosers + extensible
    make = _maker(cls, names)
    reads = [one.codec.read for one in fields]
    if not width:
        return lambda reader: make([read(reader) for read in reads])
    plans: dict[int, tuple[list[Any], list[tuple[int, Read]], bool]] = {}
    mask = (1 << width) - 1

    def plan(preamble: int) -> tuple[list[Any], list[tuple[int, Read]], bool]:
        """What to read where these fields are present, and the values of those that are not."""
        steps, left = [], choosers
        for index, one in enumerate(fields):
            left -= one.optional
            if not one.optional or preamble >> left & 1:
                steps.append((index, one.codec.read))
        found = ([one.default for one in fields] + [None] * added, steps,
                 extensible and bool(preamble >> choosers))
        if len(plans) < MOST_PLANS:
            plans[preamble] = found
        return found

    def read(reader: Reader) -> Any:
        position = reader.position
        reader.position = after = position + width
        if after > reader.end:
            raise IndexError
        preamble = (int.from_bytes(reader.data[position >> 3:(after + 7) >> 3]) >> (-after & 7)
                    & mask)
        blank, steps, extended = plans.get(preamble) or plan(preamble)
        values = blank.copy()
        for index, step in steps:
            values[index] = step(reader)
        if extended:
            read_additions(reader, values)
        return make(values)

    return read


def _maker(cls: type[T], names: Sequence[str]) -> Callable[[Sequence[Any]], T]:
    """Makes a `cls` of the values of `names`, in half the time that a frozen class takes.

    A frozen dataclass sets each field by a call that goes around its own guard. So a twin with the
    same slots is made and filled, and then becomes a `cls`.
    """
    own = {one.name for one in dataclasses.fields(cls)}  # type: ignore[arg-type]  # a dataclass
    if own != set(names) or hasattr(cls, "__post_init__"):
        raise TypeError(f"{cls.__name__} is no plain dataclass of {', '.join(names)}")
    twin: Any = dataclasses.make_dataclass(cls.__name__, names, slots=True)

    def make(values: Sequence[Any]) -> T:
        made = twin(*values)
        made.__class__ = cls
        return made  # type: ignore[no-any-return]  # it is a `cls` since the line before

    return make


def _additions_reader(
    start: int, additions: Sequence[Field]
) -> Callable[[Reader, list[Any]], None]:
    """Reads what comes after the marker into the values from `start` on; skips what is unknown."""
    codecs = [open_type(one.codec) for one in additions]

    def read(reader: Reader, values: list[Any]) -> None:
        count = reader.small_length()
        if count > MOST_ADDITIONS:
            raise refused(f"{count} additions to a sequence")
        present = reader.bits(count)
        for index in range(count):
            if not present >> (count - 1 - index) & 1:
                continue
            if index < len(codecs):
                values[start + index] = codecs[index].read(reader)
            else:
                reader.long_octets()

    return read


def _sequence_writer(
    fields: Sequence[Field], extensible: bool, additions: Sequence[Field]
) -> Write:
    get = attrgetter(*(one.name for one in fields)) if fields else lambda value: ()
    alone = len(fields) == 1
    parts = [(one.optional, one.default, one.codec.write) for one in fields]
    width = sum(one.optional for one in fields) + (extensible or bool(additions))
    get_added = [(attrgetter(one.name), open_type(one.codec).write) for one in additions]

    def write(writer: Writer, value: Any) -> None:
        values = (get(value),) if alone else get(value)
        added = [(write, get(value)) for get, write in get_added]
        extended = any(one is not None for _, one in added)
        preamble = 1 if extended else 0
        present = []
        for (optional, default, write), one in zip(parts, values, strict=True):
            if optional:
                there = one is not None and one != default
                preamble = preamble << 1 | there
                if not there:
                    continue
            present.append((write, one))
        writer.bits(preamble, width)
        for write, one in present:
            write(writer, one)
        if extended:
            _write_additions(writer, added)

    return write


def _write_additions(writer: Writer, added: list[tuple[Write, Any]]) -> None:
    while added[-1][1] is None:  # the shorter form; a later version's decoder needs no more
        added = added[:-1]
    writer.small_length(len(added))
    for _, value in added:
        writer.bits(value is not None, 1)
    for write, value in added:
        if value is not None:
            write(writer, value)


def wrapped(codec: Codec[T]) -> Codec[T]:
    """SEQUENCE { one field, ... } whose value is that field's."""
    read_inner, write_inner = codec.read, codec.write
    read_additions = _additions_reader(0, ())

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
    codec: Codec[T], low: int = 0, high: int | None = None, extensible: bool = False
) -> Codec[tuple[T, ...]]:
    """SEQUENCE (SIZE (low..high)) OF the codec's type."""
    read_size, write_size, general = sized(low, high, extensible)
    read_one, write_one = codec.read, codec.write

    def read(reader: Reader) -> tuple[Any, ...]:
        size = read_size(reader)
        if size < 0:
            size = reader.length()  # pieces would have more elements than are let through
            if general and size < low:
                raise refused(f"{size} elements where {low} are the least")
        reader.budget -= size
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


Alternative = tuple[str, Codec[Any]]


def choice(
    *alternatives: Alternative, extensible: bool = False, added: Sequence[Alternative] = (),
    kind: type = object,
) -> Codec[Any]:
    """CHOICE of named alternatives; `added` are those after the extension marker."""
    every = [*alternatives, *added]
    kinds = [codec.kind for _, codec in every]
    clear = [kinds.count(one) == 1 and one is not object for one in kinds]
    reads = [codec.read if own else _named(name, codec.read)
             for (name, codec), own in zip(every, clear, strict=True)]
    root = len(alternatives)
    read_index, write_index = whole(0, root - 1)
    extensible = extensible or bool(added)
    by_kind = {one: index for index, one in enumerate(kinds) if clear[index]}
    by_name = {name: index for index, (name, _) in enumerate(every)}
    writes = [codec.write for _, codec in alternatives] + [
        open_type(codec).write for _, codec in added]

    def read(reader: Reader) -> Any:
        if extensible:
            position = reader.position
            reader.position = position + 1
            if reader.data[position >> 3] >> (~position & 7) & 1:
                return _read_added(reader, reads[root:])
        return reads[read_index(reader)](reader)

    def write(writer: Writer, value: Any) -> None:
        index = by_kind.get(type(value), -1)
        if index < 0:
            index = by_name.get(value.name, -1) if type(value) is Chosen else -1
            if index < 0:
                raise refused(f"{value!r} is none of {', '.join(by_name)}")
            if not clear[index]:
                value = value.value
        if extensible:
            writer.bits(index >= root, 1)
        if index < root:
            write_index(writer, index)
        else:
            writer.small(index - root)
        writes[index](writer, value)

    return Codec(kind, read, write, "choice of " + ", ".join(by_name))


def _named(name: str, read: Read) -> Read:
    return lambda reader: Chosen(name, read(reader))


def _read_added(reader: Reader, reads: list[Read]) -> Any:
    index = reader.small()
    if index >= len(reads):
        raise refused(f"an added alternative {index} of a choice, which is not known")
    return _inside(reader, reads[index])


def open_type(codec: Codec[T]) -> Codec[T]:
    """A whole value behind its length."""
    read, write = codec.read, codec.write

    def write_open(writer: Writer, value: T) -> None:
        inner = Writer()
        write(inner, value)
        writer.long_octets(inner.finish())

    return Codec(codec.kind, lambda reader: _inside(reader, read), write_open, codec.name)


def _inside(reader: Reader, read: Read) -> Any:
    inner = Reader(reader.long_octets(), reader.budget)
    value = read(inner)
    check_end(inner)
    reader.budget = inner.budget
    return value


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
