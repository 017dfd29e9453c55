"""RAN parameters of E2SM-RC: values, structures and lists that hold one another, and what a base
station says of them.

What a number means is told by the control action that it belongs to; here it is a number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from xapp.e2.aper import (
    BitString,
    Codec,
    bit_string,
    boolean,
    choice,
    field,
    integer,
    octet_string,
    printable_string,
    real,
    recursive,
    sequence,
    sequence_of,
    unconstrained_integer,
    wrapped,
)
from xapp.e2.common import NAME_150

# The deepest that any control action of the specification has is 8; a stranger's bytes may claim
# to go down as far as they are long.
MOST_LEVELS = 12
MOST_PARAMETERS = 65535

Plain = bool | int | float | BitString | bytes | str


@dataclass(frozen=True, slots=True)
class KeyElement:
    """A value that tells an entry from others (its key flag is true)."""

    value: Plain


@dataclass(frozen=True, slots=True)
class Element:
    """A value (its key flag is false); there always is one in a control request."""

    value: Plain | None = None


@dataclass(frozen=True, slots=True)
class Structure:
    """Parameters that belong together."""

    parameters: tuple[Parameter, ...] | None = None


@dataclass(frozen=True, slots=True)
class Entries:
    """A list, whose items are structures and have no number of their own."""

    items: tuple[Structure, ...]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A numbered parameter and its value."""

    id: int
    value: KeyElement | Element | Structure | Entries


@dataclass(frozen=True, slots=True)
class Outcome:
    """A plain value that a control led to."""

    id: int
    value: Plain


@dataclass(frozen=True, slots=True)
class ListDefinition:
    """What the structures of a list may have."""

    items: tuple[ParameterDefinition, ...]


@dataclass(frozen=True, slots=True)
class StructureDefinition:
    """What a structure may have."""

    items: tuple[ParameterDefinition, ...]


@dataclass(frozen=True, slots=True)
class ParameterDefinition:
    """A parameter that a base station knows, by number and name."""

    id: int
    name: str
    definition: ListDefinition | StructureDefinition | None = None


# Version 1.03 counts to 2**32, later ones to 2**32 - 1; the bytes are the same.
PARAMETER_ID = integer(1, 2**32 - 1, extensible=True)
PLAIN: Codec[Plain] = choice(
    ("valueBoolean", boolean()), ("valueInt", unconstrained_integer()), ("valueReal", real()),
    ("valueBitS", bit_string()), ("valueOctS", octet_string()),
    ("valuePrintableString", printable_string()), extensible=True)


def _structure(value: Codec[Any]) -> Codec[Structure]:
    return sequence(
        Structure, field("parameters", sequence_of(sequence(
            Parameter, field("id", PARAMETER_ID), field("value", value), extensible=True),
            1, MOST_PARAMETERS, cost=4), optional=True), extensible=True)


def _value(inner: Codec[Any]) -> Codec[Any]:
    structure = _structure(inner)
    entries = sequence(Entries, field("items", sequence_of(structure, 1, MOST_PARAMETERS)),
                       extensible=True)
    return choice(
        ("ranP-Choice-ElementTrue", sequence(KeyElement, field("value", PLAIN), extensible=True)),
        ("ranP-Choice-ElementFalse", sequence(Element, field("value", PLAIN, optional=True),
                                              extensible=True)),
        ("ranP-Choice-Structure", wrapped(structure)), ("ranP-Choice-List", wrapped(entries)),
        extensible=True)


VALUE = recursive(_value, object, MOST_LEVELS)
PARAMETER = sequence(Parameter, field("id", PARAMETER_ID), field("value", VALUE), extensible=True)
PARAMETERS = sequence_of(PARAMETER, 0, MOST_PARAMETERS, cost=4)
OUTCOME = sequence(Outcome, field("id", PARAMETER_ID), field("value", PLAIN), extensible=True)


def _definition(inner: Codec[Any]) -> Codec[Any]:
    """RANParameter-Definition; in it, a definition is no addition but a field."""
    items = sequence_of(sequence(
        ParameterDefinition, field("id", PARAMETER_ID), field("name", NAME_150),
        field("definition", inner, optional=True), extensible=True), 1, MOST_PARAMETERS, cost=3)
    return wrapped(choice(
        ("choiceLIST", sequence(ListDefinition, field("items", items), extensible=True)),
        ("choiceSTRUCTURE", sequence(StructureDefinition, field("items", items),
                                     extensible=True)), extensible=True))


DEFINITION = recursive(_definition, object, MOST_LEVELS)
PARAMETER_DEFINITION = sequence(
    ParameterDefinition, field("id", PARAMETER_ID), field("name", NAME_150), extensible=True,
    additions=(field("definition", DEFINITION, optional=True),))
PARAMETER_DEFINITIONS = sequence_of(PARAMETER_DEFINITION, 1, MOST_PARAMETERS, cost=3)


def find(parameters: tuple[Parameter, ...] | None, number: int) -> Parameter | None:
    """The first parameter of that number."""
    return next((one for one in parameters or () if one.id == number), None)
