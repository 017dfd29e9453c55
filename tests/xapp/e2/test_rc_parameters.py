"""RAN parameters: values in structures in lists, and their definitions."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings

from tests.xapp.e2 import e2sm_values as values
from tests.xapp.e2.examples import DEEP, KINDS_OF_VALUES
from tests.xapp.e2.hostile import assault, flips, truncations
from xapp.e2.rc_parameters import (
    MOST_LEVELS,
    PARAMETER,
    PARAMETER_DEFINITIONS,
    PARAMETERS,
    VALUE,
    Element,
    Entries,
    KeyElement,
    Parameter,
    ParameterDefinition,
    Structure,
    StructureDefinition,
    find,
)
from xapp.errors import ProtocolError


@pytest.mark.parametrize(("value", "encoded"), [
    # choice in three bits, marker; plain value: four bits, then its own
    (KeyElement(True), "00" "80"), (KeyElement(5), "01" "0105"),
    (Element(40), "28" "80" "0128"), (Element(), "20"), (Structure(), "40"),
    # list: choice, two markers; one item in two octets, with no parameters
    (Entries((Structure(),)), "60" "0000" "00"),
    (Entries((Structure((Parameter(2, Element(b"\1")),)),)),
     "60" "0000" "40" "0000" "00" "01" "2a00" "0101"),
])
def test_vectors(value: Any, encoded: str) -> None:
    assert VALUE.encode(value).hex() == encoded
    assert VALUE.decode(bytes.fromhex(encoded)) == value


@pytest.mark.parametrize(("number", "encoded"), [
    (1, "0000"), (256, "00ff"), (257, "100100"), (2**32 - 1, "30fffffffe"), (2**32,
                                                                            "40050100000000")])
def test_numbers_of_parameters(number: int, encoded: str) -> None:
    data = PARAMETER.encode(Parameter(number, Element()))
    assert data.hex().startswith(encoded)
    assert PARAMETER.decode(data).id == number


@given(values.PARAMETERS)
def test_any_parameters(value: tuple[Parameter, ...]) -> None:
    assert PARAMETERS.decode(PARAMETERS.encode(value)) == value


@settings(max_examples=50)
@given(values.NAMED.filter(bool))
def test_any_definitions(value: tuple[ParameterDefinition, ...]) -> None:
    assert PARAMETER_DEFINITIONS.decode(PARAMETER_DEFINITIONS.encode(value)) == value


def nested(levels: int) -> Any:
    value: Any = Element(1)
    for _ in range(levels - 1):
        value = Structure((Parameter(1, value),))
    return value


def test_depth_has_an_end() -> None:
    deepest = nested(MOST_LEVELS)
    assert VALUE.decode(VALUE.encode(deepest)) == deepest
    with pytest.raises(ProtocolError, match="levels"):
        VALUE.encode(nested(MOST_LEVELS + 1))
    one = VALUE.encode(nested(3))
    again = one[:one.index(VALUE.encode(Element(1))[:1])]
    for data in (again * 30, b"\x40\x00\x00" * 1000, b"\x60\x00\x00\x40\x00\x00" * 1000):
        assault(VALUE.decode, iter([data]))


def test_definitions_in_definitions() -> None:
    data = PARAMETER_DEFINITIONS.encode((DEEP,))
    assert PARAMETER_DEFINITIONS.decode(data) == (DEEP,)
    definition: Any = None
    for _ in range(MOST_LEVELS + 1):
        definition = StructureDefinition((ParameterDefinition(1, "x", definition),))
    with pytest.raises(ProtocolError, match="levels"):
        PARAMETER_DEFINITIONS.encode((ParameterDefinition(1, "x", definition),))


def test_damaged_parameters_are_refused_or_others() -> None:
    for place, value in enumerate(KINDS_OF_VALUES):
        data = PARAMETERS.encode((Parameter(place + 1, value),) * 2)
        assault(PARAMETERS.decode, itertools.chain(truncations(data), flips(data)))


def test_parameters_are_found_by_number() -> None:
    one, two = Parameter(1, Element(1)), Parameter(2, Element(2))
    assert find((one, two, Parameter(2, Element(3))), 2) is two
    assert find((one, two), 3) is None
    assert find(None, 1) is None
