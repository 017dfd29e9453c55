"""SEQUENCE in aligned PER (X.691 19): which optional fields are there, and all fields in order."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, TypeVar

from xapp.e2.bits import Reader, Writer, refused
from xapp.e2.codec import Codec, Read, Write, open_type

T = TypeVar("T")
MOST_PLANS = 256  # sets of present fields that a SEQUENCE remembers; a stranger may send any set
MOST_ADDITIONS = 64  # fields after a marker: no type has a third of it
CHEAP_FIELDS = 4  # that a SEQUENCE of a list may have; with more of them, they count as elements


@dataclass(frozen=True, slots=True)
class Field:
    """A part of a SEQUENCE."""

    name: str
    codec: Codec[Any]
    optional: bool
    default: Any


def field(name: str, codec: Codec[Any], optional: bool = False, default: Any = None) -> Field:
    """The attribute `name` of a dataclass, and its type."""
    return Field(name, codec, optional or default is not None, default)


def sequence(
    cls: type[T], *fields: Field, extensible: bool = False, additions: Sequence[Field] = ()
) -> Codec[T]:
    """SEQUENCE: `fields` in their order, which are attributes of the dataclass `cls`."""
    read_additions = additions_reader(len(fields), additions)
    names = [one.name for one in (*fields, *additions)]
    read_root = _root_reader(cls, fields, names, extensible or bool(additions), read_additions)
    return Codec(cls, read_root, _sequence_writer(fields, extensible, additions), cls.__name__)


Steps = list[tuple[int, Read]]  # where in the values, and how to read it


def _root_reader(
    cls: type[T], fields: Sequence[Field], names: Sequence[str], extensible: bool,
    read_additions: Callable[[Reader, list[Any]], None],
) -> Read:
    """Reads `fields` and what follows them; `names` are theirs and those of the additions."""
    if any(one.optional for one in fields):
        return _reader_of_options(cls, fields, names, extensible, read_additions)
    make = twin(cls, names)
    reads = [one.codec.read for one in fields]
    missing = [None] * (len(names) - len(fields))

    def read_all(reader: Reader) -> Any:
        made = make(*[read(reader) for read in reads])
        made.__class__ = cls
        return made

    def read(reader: Reader) -> Any:
        position = reader.position
        reader.position = position + 1
        extended = reader.data[position >> 3] >> (~position & 7) & 1
        values = [read(reader) for read in reads] + missing
        if extended:
            read_additions(reader, values)
        made = make(*values)
        made.__class__ = cls
        return made

    return read if extensible else read_all


def _reader_of_options(
    cls: type[T], fields: Sequence[Field], names: Sequence[str], extensible: bool,
    read_additions: Callable[[Reader, list[Any]], None],
) -> Read:
    choosers = sum(one.optional for one in fields)
    width = choosers + extensible
    mask = (1 << width) - 1
    make = twin(cls, names)
    plan = _planner(fields, len(names), choosers)
    plans: dict[int, tuple[list[Any], Steps, bool, int]] = {}

    def read(reader: Reader) -> Any:
        position = reader.position
        reader.position = after = position + width
        if after > reader.end:
            raise IndexError
        preamble = (int.from_bytes(reader.data[position >> 3:(after + 7) >> 3]) >> (-after & 7)
                    & mask)
        found = plans.get(preamble)
        if found is None:
            found = plan(preamble)
            if len(plans) < MOST_PLANS:
                plans[preamble] = found
        blank, steps, extended, cost = found
        if cost:
            reader.spend(cost)
        values = blank.copy()
        for index, step in steps:
            values[index] = step(reader)
        if extended:
            read_additions(reader, values)
        made = make(*values)
        made.__class__ = cls
        return made

    return read


def _planner(
    fields: Sequence[Field], count: int, choosers: int
) -> Callable[[int], tuple[list[Any], Steps, bool, int]]:
    """What to read where a preamble says which fields are there, and the others' values.

    Then whether additions follow, and what reading it all counts.
    """

    def plan(preamble: int) -> tuple[list[Any], Steps, bool, int]:
        steps, left = [], choosers
        for index, one in enumerate(fields):
            left -= one.optional
            if not one.optional or preamble >> left & 1:
                steps.append((index, one.codec.read))
        blank = [one.default for one in fields] + [None] * (count - len(fields))
        cost = len(steps) if len(steps) > CHEAP_FIELDS else 0
        return blank, steps, bool(preamble >> choosers), cost

    return plan


def twin(cls: type[T], names: Sequence[str]) -> Any:
    """A class that takes the values of `names`, and whose objects may become a `cls`.

    A frozen dataclass sets each field by a call that goes around its own guard. To make a twin with
    the same slots, and then name it a `cls`, takes half the time.
    """
    own = {one.name for one in dataclasses.fields(cls)}  # type: ignore[arg-type]  # a dataclass
    if own != set(names) or hasattr(cls, "__post_init__"):
        raise TypeError(f"{cls.__name__} is no plain dataclass of {', '.join(names)}")
    return dataclasses.make_dataclass(cls.__name__, names, slots=True)


def additions_reader(
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
    width = sum(one.optional for one in fields) + (extensible or bool(additions))
    write_root = (_writer_of_options(fields, width) if any(one.optional for one in fields)
                  else _writer_of_all(fields, width))
    if not additions:
        return lambda writer, value: write_root(writer, value, 0)
    get_added = [(attrgetter(one.name), open_type(one.codec).write) for one in additions]

    def write(writer: Writer, value: Any) -> None:
        added = [(write, get(value)) for get, write in get_added]
        extended = any(one is not None for _, one in added)
        write_root(writer, value, extended)
        if extended:
            _write_additions(writer, added)

    return write


WriteRoot = Callable[[Writer, Any, int], None]  # the number is 1 where additions follow


def _getter(fields: Sequence[Field]) -> Callable[[Any], Sequence[Any]]:
    """The values of all fields at once."""
    names = [one.name for one in fields]
    if len(names) == 1:
        get = attrgetter(*names)
        return lambda value: (get(value),)
    return attrgetter(*names) if names else lambda value: ()


def _writer_of_all(fields: Sequence[Field], width: int) -> WriteRoot:
    get = _getter(fields)
    writes = [one.codec.write for one in fields]

    def write(writer: Writer, value: Any, extended: int) -> None:
        writer.pending = writer.pending << width | extended
        writer.width += width
        for write_one, one in zip(writes, get(value), strict=True):
            write_one(writer, one)

    return write


def _writer_of_options(fields: Sequence[Field], width: int) -> WriteRoot:
    get = _getter(fields)
    parts = [(one.optional, one.default, one.codec.write) for one in fields]

    def write(writer: Writer, value: Any, extended: int) -> None:
        preamble = extended
        present = []
        for (optional, default, write_one), one in zip(parts, get(value), strict=True):
            if optional:
                if one is None or one == default:
                    preamble <<= 1
                    continue
                preamble = preamble << 1 | 1
            present.append((write_one, one))
        writer.pending = writer.pending << width | preamble
        writer.width += width
        for write_one, one in present:
            write_one(writer, one)

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
