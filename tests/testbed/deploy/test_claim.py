"""Numbers and slices as files write them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.deploy.claim import UNREADABLE, number, snssai, sorted_slices
from xapp.observations import Snssai


@pytest.mark.parametrize(("value", "wanted"), [
    (7, 7), ("7", 7), ("0x10", 16), ("000010", 10), (" 5 ", 5), (None, None), (True, None),
    ("x", None), ("0x", None), (1.5, None), ([], None)])
def test_numbers(value: Any, wanted: int | None) -> None:
    assert number(value) == wanted


@given(st.integers(0, 255), st.integers(0, (1 << 24) - 1))
def test_a_slice_has_one_form_in_decimal_and_hexadecimal(sst: int, sd: int) -> None:
    assert snssai(str(sst), number(str(sd)), True) == snssai(sst, number(hex(sd)), True)
    assert snssai(sst, sd, True) == Snssai(sst, sd)


def test_what_cannot_be_read_is_no_slice() -> None:
    assert snssai("x", None, False) is None
    assert snssai(1, 1 << 24, True) is None
    assert snssai(1, None, True) is None
    assert sorted_slices([None, Snssai(1)]) == ("1", UNREADABLE)
