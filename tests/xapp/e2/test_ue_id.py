"""Seven kinds of UE ids."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given

from tests.xapp.e2 import e2sm_values as values
from tests.xapp.e2.examples import GUAMI, UES
from tests.xapp.e2.hostile import assault, flips, truncations
from xapp.e2.ue_id import UE_ID, GnbCuUpUe, GnbDuUe, GnbUe, NgEnbDuUe, UeId
from xapp.errors import ProtocolError


@pytest.mark.parametrize(("value", "encoded"), [
    # choice: marker and three bits; then marker, option, and two bits of the number's size
    (GnbDuUe(5), "10" "05"), (GnbDuUe(70000, b"12345678"), "16" "011170" "3132333435363738"),
    (GnbCuUpUe(1), "20" "01"), (NgEnbDuUe(300), "42" "012c"),
    # choice, marker, six options, three bits of size; AMF id; GUAMI: network and 8 + 10 + 6 bits
    (GnbUe(7, GUAMI), "0000" "07" "00" "00f110" "02" "0040"),
])
def test_vectors(value: UeId, encoded: str) -> None:
    assert UE_ID.encode(value).hex() == encoded
    assert UE_ID.decode(bytes.fromhex(encoded)) == value


@given(values.UE_ID)
def test_any_id(value: UeId) -> None:
    assert UE_ID.decode(UE_ID.encode(value)) == value


@pytest.mark.parametrize("value", UES)
def test_damaged_ids_are_refused_or_others(value: UeId) -> None:
    data = UE_ID.encode(value)
    assault(UE_ID.decode, itertools.chain(truncations(data), flips(data)))


def test_ids_out_of_bounds_are_refused() -> None:
    for value in (GnbDuUe(2**32), GnbUe(2**40, GUAMI), GnbUe(1, GUAMI, ()),
                  GnbUe(1, GUAMI, (1, 2, 3, 4, 5)), GnbDuUe(1, b"short"), "7"):
        with pytest.raises(ProtocolError):
            UE_ID.encode(value)  # type: ignore[arg-type]  # one is no id at all


def test_an_eighth_kind_is_refused() -> None:
    for data in (b"\x70", b"\x80"):
        with pytest.raises(ProtocolError):
            UE_ID.decode(data + bytes(8))
