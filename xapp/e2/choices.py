"""CHOICE in aligned PER (X.691 23): which alternative, and its value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from xapp.e2.bits import Reader, Writer, refused, width_of
from xapp.e2.codec import Codec, Read, inside, open_type

Alternative = tuple[str, Codec[Any]]
MOST_ADDED = 64  # whose numbers have the short form; no type has a third of it


@dataclass(frozen=True, slots=True)
class Chosen:
    """A CHOICE's value where its Python type does not tell which alternative it is."""

    name: str
    value: Any


def choice(
    *alternatives: Alternative, extensible: bool = False, added: Sequence[Alternative] = (),
    kind: type = object,
) -> Codec[Any]:
    """CHOICE of named alternatives; `added` are those after the extension marker."""
    every = [*alternatives, *added]
    kinds = [codec.kind for _, codec in every]
    clear = [kinds.count(one) == 1 and one is not object for one in kinds]
    extensible = extensible or bool(added)
    if len(added) > MOST_ADDED:
        raise TypeError(f"a choice of {len(added)} added alternatives")
    name = "choice of " + ", ".join(name for name, _ in every)
    reads = [codec.read if own else _named(name, codec.read)
             for (name, codec), own in zip(every, clear, strict=True)]
    return Codec(kind, _reader(reads[:len(alternatives)], reads[len(alternatives):], extensible),
                 _writer(alternatives, added, kinds, clear, extensible), name)


def _reader(root: list[Read], added: list[Read], extensible: bool) -> Read:
    """Reads the marker and the alternative's number at once, then its value."""
    number_width = width_of(len(root))
    width = extensible + number_width
    known = root + [_refuse] * ((1 << number_width) - len(root))
    if extensible:
        # With the marker set, the other bits begin the added alternative's number: they are read
        # again. It has seven bits at least, so none are missing that a short message could lack.
        known += [_added_reader(added, number_width)] * (1 << number_width)
    mask = (1 << width) - 1

    def read(reader: Reader) -> Any:
        position = reader.position
        reader.position = after = position + width
        if after > reader.end:
            raise IndexError
        return known[int.from_bytes(reader.data[position >> 3:(after + 7) >> 3]) >> (-after & 7)
                     & mask](reader)

    return read if width else root[0]


def _refuse(reader: Reader) -> Any:
    raise refused("a number above those of a choice's alternatives")


def _added_reader(reads: list[Read], back: int) -> Read:
    def read(reader: Reader) -> Any:
        reader.position -= back
        index = reader.small()
        if index >= len(reads):
            raise refused(f"an added alternative {index} of a choice, which is not known")
        return inside(reader, reads[index])

    return read


def _named(name: str, read: Read) -> Read:
    return lambda reader: Chosen(name, read(reader))


def _writer(
    root: Sequence[Alternative], added: Sequence[Alternative], kinds: list[type],
    clear: list[bool], extensible: bool,
) -> Any:
    """Finds the alternative by the value's type, or by its name, and writes both."""
    width = extensible + width_of(len(root))
    heads = [(head, width) for head in range(len(root))]
    # An added one: the marker, and a normally small number in seven bits.
    heads += [(1 << 7 | number, 8) for number in range(len(added))]
    writes = [codec.write for _, codec in root] + [open_type(codec).write for _, codec in added]
    names = [name for name, _ in (*root, *added)]
    by_kind = {kind: (*heads[index], writes[index])
               for index, kind in enumerate(kinds) if clear[index]}
    by_name = {name: (*heads[index], writes[index], clear[index])
               for index, name in enumerate(names)}

    def write(writer: Writer, value: Any) -> None:
        found = by_kind.get(type(value))
        if found is not None:
            head, size, write_value = found
        else:
            named = by_name.get(value.name) if type(value) is Chosen else None
            if named is None:
                raise refused(f"{value!r} is none of {', '.join(names)}")
            head, size, write_value, whole = named
            if not whole:
                value = value.value
        writer.pending = writer.pending << size | head
        writer.width += size
        write_value(writer, value)

    return write
