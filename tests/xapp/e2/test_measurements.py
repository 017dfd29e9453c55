"""Labels, values, conditions."""

from __future__ import annotations

import pytest
from hypothesis import given

from tests.xapp.e2 import e2sm_values as values
from tests.xapp.e2.examples import ASKED, FULL_LABEL
from xapp.e2.aper import Chosen
from xapp.e2.measurements import (
    ALTERNATIVE,
    ALTERNATIVE_OR_NOT,
    LABEL,
    MEASUREMENTS,
    NO_LABEL,
    TRUE,
    VALUE,
    VALUES,
    Aspect,
    Condition,
    Label,
    Match,
    Measurement,
    Relation,
    Unmet,
    Value,
    Values,
    condition,
    matches,
)
from xapp.errors import ProtocolError


def test_no_label_is_23_bits() -> None:
    assert LABEL.encode(NO_LABEL).hex() == "400000"  # marker, 21 options, marker of `true`
    assert LABEL.decode(bytes.fromhex("400000")) == NO_LABEL
    assert LABEL.decode(LABEL.encode(FULL_LABEL)) == FULL_LABEL


@given(values.LABEL)
def test_any_label(value: Label) -> None:
    assert LABEL.decode(LABEL.encode(value)) == value


@pytest.mark.parametrize(("value", "encoded"), [
    (0, "0000"), (255, "00ff"), (70000, "10011170"), (2**32 - 1, "18ffffffff"), (0.0, "2000"),
    (2.5, "200380ff05"), (None, "40"), (Unmet.NOT_SATISFIED, "800100")])
def test_values(value: Value, encoded: str) -> None:
    assert VALUE.encode(value).hex() == encoded
    assert VALUE.decode(bytes.fromhex(encoded)) == value


@given(values.MEASUREMENTS, values.DATA)
def test_any_names_and_values(names: tuple[Measurement, ...], data: tuple[Values, ...]) -> None:
    assert MEASUREMENTS.decode(MEASUREMENTS.encode(names)) == names
    for one in data:
        assert VALUES.decode(VALUES.encode(one)) == one


@given(values.CONDITION)
def test_any_condition_in_either_layout(value: Condition) -> None:
    for marker in (6, 11):
        codec = condition(marker)
        assert codec.decode(codec.encode(value)) == value


def test_conditions_before_and_after_the_marker() -> None:
    slice_equal = Condition(Aspect.SLICE, Relation.EQUAL, b"\1")
    # markers and options; the fifth added aspect in an open type; EQUAL; octet string
    assert condition(6).encode(slice_equal).hex() == "7080" "0100" "04" "0101"
    # markers and options, the eleventh in four bits; its marker, EQUAL, fifth kind; octet string
    assert condition(11).encode(slice_equal).hex() == "6a" "0200" "0101"


def test_matches_are_labels_or_conditions() -> None:
    value = (Match(NO_LABEL), Match(Condition(Aspect.CQI, Relation.LESS, Chosen("valueInt", 3)),
                                    True))
    for alternative in (ALTERNATIVE, ALTERNATIVE_OR_NOT):
        codec = matches(condition(), alternative)
        assert codec.decode(codec.encode(value)) == value
    # Of version 5 there is a bit more, for `false`.
    assert ALTERNATIVE_OR_NOT.encode(False).hex() == "40"
    with pytest.raises(ProtocolError):
        ALTERNATIVE.encode(False)


@pytest.mark.parametrize("name", ["\t", "Zürich"])
def test_names_that_cannot_be_written(name: str) -> None:
    with pytest.raises(ProtocolError, match="printable"):
        MEASUREMENTS.encode((Measurement(name),))


def test_values_that_are_none() -> None:
    for value in ("text", True, 2**32, -1):
        with pytest.raises(ProtocolError):
            VALUE.encode(value)  # type: ignore[arg-type]  # on purpose


def test_true_is_a_bit_that_is_not_set() -> None:
    assert TRUE.encode(True) == b"\0"
    with pytest.raises(ProtocolError):
        TRUE.encode(False)
    assert MEASUREMENTS.decode(MEASUREMENTS.encode(ASKED)) == ASKED
