"""The outside of an E2AP PDU: its procedure, and a list of numbered information elements.

Elements are octets here. All of it is byte-aligned (X.691 for SEQUENCEs of two enumerations and an
open type), so it is taken apart without the types' closures. Bytes are a stranger's: the number of
elements is capped, and whatever cannot be told apart is one ProtocolError.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from xapp.e2.aper import Codec
from xapp.e2.bits import MOST_ELEMENTS, Reader, Writer, refused
from xapp.e2.codec import MOST_OCTETS, check_end
from xapp.e2.e2ap_types import Criticality, IeProblem, Kind, TypeOfError
from xapp.e2.primitives import sized
from xapp.errors import ProtocolError

MOST_IES = 64  # of a message: none has more than eight
MOST_NOTES = 256  # problems of one message: as many as can be told of
PASSED_OVER = 15  # elements of lists that one costs which is passed over: it takes longer
EXTENDED = 0x80  # first bit of an octet: something of a later version follows
KINDS = {0x00: Kind.INITIATING, 0x20: Kind.SUCCESSFUL, 0x40: Kind.UNSUCCESSFUL}
CRITICALITIES = {0x00: Criticality.REJECT, 0x40: Criticality.IGNORE, 0x80: Criticality.NOTIFY}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RawIe:
    """An information element, not looked into."""

    id: int
    criticality: Criticality
    data: bytes


@dataclass(frozen=True, slots=True)
class Pdu:
    """A message, not looked into."""

    kind: Kind
    procedure: int
    criticality: Criticality
    ies: tuple[RawIe, ...]


class NotingReader(Reader):
    """A reader that notes which parts of a list were passed over."""

    __slots__ = ("notes",)

    def __init__(self, data: bytes, budget: int = MOST_ELEMENTS) -> None:
        super().__init__(data, budget)
        self.notes: list[IeProblem] = []


def parse(data: bytes) -> Pdu:
    """Take a PDU apart, or raise ProtocolError."""
    if len(data) > MOST_OCTETS:
        raise refused(f"a PDU of {len(data)} octets, more than {MOST_OCTETS}")
    try:
        return _parse(bytes(data))
    except IndexError:
        raise refused(f"a PDU that ends too early, after {len(data)} octets") from None


def _parse(data: bytes) -> Pdu:
    kind = KINDS.get(data[0] & 0xE0)
    if kind is None:
        raise refused("a PDU that is no request and no answer")
    criticality = _criticality(data[2])
    outer = Reader(data)
    outer.position = 24
    reader = Reader(outer.long_octets())
    check_end(outer)
    extended = reader.bits(1)
    count = reader.constrained(0, 65535)
    if count > MOST_IES:
        raise refused(f"a PDU of {count} information elements, more than {MOST_IES}")
    ies = tuple([_read_ie(reader) for _ in range(count)])
    if extended:
        _skip_additions(reader)
    check_end(reader)
    return Pdu(kind, data[1], criticality, ies)


def _criticality(octet: int) -> Criticality:
    found = CRITICALITIES.get(octet & 0xC0)
    if found is None:
        raise refused("a criticality of no known kind")
    return found


def _read_ie(reader: Reader) -> RawIe:
    head = reader.octets(3)
    return RawIe(head[0] << 8 | head[1], _criticality(head[2]), reader.long_octets())


def _skip_additions(reader: Reader) -> None:
    """Pass over what a later version put behind the elements."""
    count = reader.small_length()
    if count > MOST_IES:
        raise refused(f"a PDU with {count} additions")
    for _ in range(reader.bits(count).bit_count()):
        reader.long_octets()


def build(pdu: Pdu) -> bytes:
    """The octets of a PDU."""
    inner = Writer()
    inner.octets(bytes((0,)) + len(pdu.ies).to_bytes(2))
    for ie in pdu.ies:
        inner.octets(bytes((ie.id >> 8, ie.id & 0xFF, ie.criticality << 6)))
        inner.long_octets(ie.data)
    outer = Writer()
    outer.octets(bytes((pdu.kind << 5, pdu.procedure, pdu.criticality << 6)))
    outer.long_octets(inner.finish())
    return outer.finish()


def items(id: int, criticality: Criticality, codec: Codec[T], low: int,
          high: int) -> Codec[tuple[T, ...]]:
    """A list of `low` to `high` single containers, each an element `id` that holds a `codec`.

    What is not understood is passed over where its criticality allows it, and noted where the
    reader takes notes.
    """
    read_size, write_size, _ = sized(low, high, False)
    read_value, write_value = codec.read, codec.write
    head = bytes((id >> 8, id & 0xFF, criticality << 6))

    def read_item(reader: Reader, found: list[T]) -> None:
        ie = _read_ie(reader)
        problem = "" if ie.id == id else f"element {ie.id} in a list of elements {id}"
        inner = Reader(ie.data, reader.budget)
        try:
            if not problem:
                found.append(read_value(inner))
                check_end(inner)
                reader.budget = inner.budget
        except IndexError:
            problem = f"element {id} ends too early"
        except ProtocolError as error:
            problem = error.problem
        if problem:
            _pass_over(reader, ie, problem)

    def read(reader: Reader) -> tuple[T, ...]:
        size = read_size(reader)
        reader.spend(size)
        found: list[T] = []
        for _ in range(size):
            read_item(reader, found)
        return tuple(found)

    def write(writer: Writer, values: Sequence[T]) -> None:
        write_size(writer, len(values))
        for value in values:
            inner = Writer()
            write_value(inner, value)
            writer.octets(head)
            writer.long_octets(inner.finish())

    return Codec(tuple, read, write, f"list of {codec.name}")


def _pass_over(reader: Reader, ie: RawIe, problem: str) -> None:
    if ie.criticality is Criticality.REJECT:
        raise refused(problem)
    reader.spend(PASSED_OVER)
    if isinstance(reader, NotingReader) and len(reader.notes) < MOST_NOTES:
        reader.notes.append(IeProblem(ie.criticality, ie.id, TypeOfError.NOT_UNDERSTOOD))


def element_of(codec: Codec[Any], value: Any) -> bytes:
    """The octets of an element's value."""
    writer = Writer()
    codec.write(writer, value)
    return writer.finish()
