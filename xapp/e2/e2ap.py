"""E2AP: messages to bytes and back, by the rules for what is not understood.

    decode(encode(message)) == message

`read` says of any bytes what they are: the message, or the cause and the problems to answer with
(E2AP's chapter on unknown, unforeseen and erroneous data). `decode` is the short form: the message,
or one ProtocolError that names where. Elements are taken in any order, since nodes differ; an
element that comes twice is an error. `read_indication` is the way for the one message of which
thousands come a second: it goes straight to the few numbers and the service model's octets.

It knows no association and no state.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from xapp.e2.aper import Codec
from xapp.e2.bits import MOST_ELEMENTS, refused
from xapp.e2.codec import check_end
from xapp.e2.e2ap_causes import Cause, ProtocolCause
from xapp.e2.e2ap_container import (
    MOST_NOTES,
    NotingReader,
    Pdu,
    RawIe,
    build,
    element_of,
    parse,
)
from xapp.e2.e2ap_messages import Indication, Message
from xapp.e2.e2ap_tables import BY_CLASS, BY_CODE, Element, MessageType
from xapp.e2.e2ap_types import (
    Criticality,
    Diagnostics,
    IeProblem,
    IndicationType,
    Kind,
    Procedure,
    RequestId,
    TypeOfError,
)
from xapp.errors import ProtocolError

__all__ = ["Reading", "decode", "encode", "parse", "read", "read_indication"]


@dataclass
class Reading:
    """What some bytes are: a message, or what to say of them."""

    pdu: Pdu
    type: MessageType | None = None  # None where nobody knows the procedure
    message: Message | None = None
    cause: Cause | None = None  # why there is no message, or what its sender should hear
    problems: list[IeProblem] = field(default_factory=list)
    where: str = ""  # the first problem, in words
    values: dict[str, Any] = field(default_factory=dict)  # what was understood, by element

    @property
    def name(self) -> str:
        """The message's name, or its numbers."""
        return self.type.cls.__name__ if self.type else (
            f"procedure {self.pdu.procedure} ({self.pdu.kind.name.lower()})")

    @property
    def diagnostics(self) -> Diagnostics:
        """What to tell the sender."""
        request = self.values.get("request")
        return Diagnostics(self.pdu.procedure, self.pdu.kind, self.pdu.criticality,
                           request if isinstance(request, RequestId) else None,
                           tuple(self.problems[:MOST_NOTES]) or None)

    def fail(self, cause: Cause, where: str) -> None:
        """There is no message; the first reason counts."""
        if self.cause is None or self.cause is _NOTIFY:
            self.cause, self.where = cause, where

    def note(self, criticality: Criticality, id: int, kind: TypeOfError, where: str) -> None:
        """An element is missing or not understood."""
        if len(self.problems) < MOST_NOTES:
            self.problems.append(IeProblem(criticality, id, kind))
        if criticality is Criticality.REJECT:
            self.fail(ProtocolCause.ABSTRACT_SYNTAX_ERROR_REJECT, where)
        elif criticality is Criticality.NOTIFY and self.cause is None:
            self.cause, self.where = _NOTIFY, where


_NOTIFY = ProtocolCause.ABSTRACT_SYNTAX_ERROR_IGNORE_AND_NOTIFY


def encode(message: Message) -> bytes:
    """The bytes of a message, or ProtocolError where a part of it is out of bounds."""
    kind = BY_CLASS[type(message)]
    ies = []
    for element in kind.elements:
        value = getattr(message, element.name)
        if value is not None and (value != () or not element.optional):
            ies.append(RawIe(element.id, element.criticality,
                             _encode_element(kind, element, value)))
        elif not element.optional:
            raise refused(f"{kind.cls.__name__} without its {element.name}")
    return build(Pdu(kind.kind, kind.procedure, kind.criticality, tuple(ies)))


def _encode_element(kind: MessageType, element: Element, value: Any) -> bytes:
    try:
        return element_of(element.codec, value)
    except ProtocolError as error:
        raise refused(_place(kind, element, error)) from None


def decode(data: bytes) -> Message:
    """The message that is all of `data`, or ProtocolError."""
    found = read(data)
    if found.message is None:
        raise refused(found.where)
    return found.message


def read(data: bytes) -> Reading:
    """What `data` is; ProtocolError only where it cannot even be taken apart."""
    return read_pdu(parse(data))


def read_pdu(pdu: Pdu) -> Reading:
    """The same of what was taken apart already."""
    found = Reading(pdu, BY_CODE.get((pdu.procedure, pdu.kind)))
    if found.type is None:
        _unknown_procedure(found)
        return found
    budget = MOST_ELEMENTS
    for ie in pdu.ies:
        budget = _read_element(found, found.type, ie, budget)
    _note_missing(found, found.type)
    if found.cause is None or found.cause is _NOTIFY:
        found.message = found.type.cls(*[found.values[name] for name in _names(found.type)])
    return found


def _unknown_procedure(found: Reading) -> None:
    where = f"{found.name} is not known"
    if found.pdu.criticality is Criticality.REJECT:
        found.fail(ProtocolCause.ABSTRACT_SYNTAX_ERROR_REJECT, where)
    elif found.pdu.criticality is Criticality.NOTIFY:
        found.cause, found.where = _NOTIFY, where
    else:
        found.where = where


def _read_element(found: Reading, kind: MessageType, ie: RawIe, budget: int) -> int:
    """Put an element's value where it belongs; the list elements that are still let through."""
    element = _by_id(kind).get(ie.id)
    if element is None:
        found.note(ie.criticality, ie.id, TypeOfError.NOT_UNDERSTOOD,
                   f"{found.name} has an unknown element {ie.id}")
    elif element.name in found.values:
        found.fail(ProtocolCause.FALSELY_CONSTRUCTED_MESSAGE,
                   f"{found.name} has its {element.name} twice")
    else:
        reader = NotingReader(ie.data, budget)
        try:
            found.values[element.name] = _value(element.codec, reader)
        except ProtocolError as error:
            found.note(element.criticality, ie.id, TypeOfError.NOT_UNDERSTOOD,
                       _place(kind, element, error))
        for problem in reader.notes:
            found.note(problem.criticality, problem.id, problem.type,
                       f"{found.name} has an unknown part in its {element.name}")
        budget = reader.budget
    return budget


def _value(codec: Codec[Any], reader: NotingReader) -> Any:
    try:
        value = codec.read(reader)
    except IndexError:
        raise refused(f"it ends too early, after {reader.end >> 3} octets") from None
    check_end(reader)
    return value


def _note_missing(found: Reading, kind: MessageType) -> None:
    """Fill in what is absent, and note it where it should be there."""
    for element in kind.elements:
        if element.name in found.values:
            continue
        found.values[element.name] = element.absent
        told = any(problem.id == element.id for problem in found.problems)
        if not element.optional and not told:
            found.note(element.criticality, element.id, TypeOfError.MISSING,
                       f"{found.name} has no {element.name}")


def _place(kind: MessageType, element: Element, error: ProtocolError) -> str:
    problem = error.problem.removeprefix("No E2 message: ").rstrip(".")
    return f"{kind.cls.__name__}, {element.name} (element {element.id}): {problem}"


_NAMES: dict[type, tuple[str, ...]] = {
    kind.cls: tuple(kind.cls.__dataclass_fields__)  # type: ignore[attr-defined]  # all are
    for kind in BY_CLASS.values()}
_IDS: dict[type, dict[int, Element]] = {
    kind.cls: {element.id: element for element in kind.elements} for kind in BY_CLASS.values()}


def _names(kind: MessageType) -> tuple[str, ...]:
    """A message's attributes in their order, which differs from that of its elements."""
    return _NAMES[kind.cls]


def _by_id(kind: MessageType) -> dict[int, Element]:
    return _IDS[kind.cls]


_INDICATION_HEAD = bytes((Kind.INITIATING << 5, Procedure.INDICATION, Criticality.IGNORE << 6))
_TYPES = {0x00: IndicationType.REPORT, 0x40: IndicationType.INSERT}


def read_indication(data: bytes) -> Indication | None:
    """The indication that `data` is, if it is a plain one; else None, and `read` has to say.

    Plain are those without pieces, additions or elements that nobody knows, each in the only form
    its value has: then positions follow from lengths alone.
    """
    try:
        if data[:3] != _INDICATION_HEAD:
            return None
        return _read_indication(data)
    except IndexError:
        return None


def _read_indication(data: bytes) -> Indication | None:
    at, end = _length(data, 3)
    if end != len(data) or data[at] & 0x80:
        return None
    values: dict[int, tuple[int, int]] = {}
    count = data[at + 1] << 8 | data[at + 2]
    at += 3
    for _ in range(min(count, 9)):
        number = data[at] << 8 | data[at + 1]
        if data[at + 2] >= 0xC0:
            return None  # no criticality
        start, after = _length(data, at + 3)
        values[number] = start, after
        at = after
    if at != end or len(values) != count or not values.keys() <= _INDICATION_IDS.keys():
        return None
    for number, (start, after) in values.items():
        size = _INDICATION_IDS[number]
        if size and after - start != size:
            return None
    return _indication(data, values)


# What an indication may hold, and how many octets each has where that is always the same.
_INDICATION_IDS = {29: 5, 5: 2, 15: 1, 27: 2, 28: 1, 25: 0, 26: 0, 20: 0}


def _indication(data: bytes, values: dict[int, tuple[int, int]]) -> Indication | None:
    try:
        request, function, action, kind = (values[number][0] for number in (29, 5, 15, 28))
        header, message = _octets(data, values[25]), _octets(data, values[26])
    except KeyError:
        return None
    call_process = _octets(data, values[20]) if 20 in values else None
    identity = int.from_bytes(data[function:function + 2])
    found = _TYPES.get(data[kind])
    if (data[request] or identity > 4095 or found is None or header is None or message is None
            or (call_process is None) != (20 not in values)):
        return None
    number = values.get(27)
    return Indication(
        RequestId(data[request + 1] << 8 | data[request + 2],
                  data[request + 3] << 8 | data[request + 4]),
        identity, data[action], number and int.from_bytes(data[number[0]:number[1]]), found,
        header, message, call_process)


def _length(data: bytes, at: int) -> tuple[int, int]:
    """Where what the length at `at` is of begins and ends."""
    first = data[at]
    if first < 0x80:
        return at + 1, at + 1 + first
    if first < 0xC0:
        return at + 2, at + 2 + ((first & 0x3F) << 8 | data[at + 1])
    raise IndexError  # pieces: for `read`


def _octets(data: bytes, place: tuple[int, int]) -> bytes | None:
    """An octet string that fills its element."""
    start, end = _length(data, place[0])
    return data[start:end] if end == place[1] else None
