"""JSON of strangers."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xapp.e2.strict_json import MOST_ITEMS, MOST_OCTETS, dump, inner, items, load, number, text
from xapp.errors import ProtocolError


@pytest.mark.parametrize("data", [
    b"", b"{", b"[]", b"1", b"null", b'{"a":1,"a":2}', b'{"a":NaN}', b'{"a":-Infinity}', b"\xff",
    b'{"a":{"b":1,"b":2}}', b"[" * 5000, b'{"a":' * 5000, b'{"a":' + b"1" * 5000 + b"}",
    b" " * (MOST_OCTETS + 1)])
def test_what_is_no_message(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        load(data)


def test_values_of_other_types_than_expected() -> None:
    fields = load(b'{"o":{"p":{}},"t":"a","n":5,"f":1.5,"b":true,"l":[{}],"m":[1],"c":"a\\u0000"}')
    assert inner(fields, "o", "p") == {}
    assert text(fields, "t") == "a"
    assert number(fields, "n", 5, 5) == 5
    assert items(fields, "l") == [{}]
    assert items(fields, "none", needed=False) == []
    for call in (lambda: inner(fields, "t"), lambda: inner(fields, "o", "q"),
                 lambda: text(fields, "n"), lambda: text(fields, "c"),
                 lambda: text(fields, "t", 0), lambda: number(fields, "f", 0, 9),
                 lambda: number(fields, "b", 0, 9), lambda: number(fields, "n", 6, 9),
                 lambda: items(fields, "m"), lambda: items(fields, "o"),
                 lambda: items(fields, "none")):
        with pytest.raises(ProtocolError):
            call()


def test_lists_have_an_end() -> None:
    assert len(items({"l": [{}] * MOST_ITEMS}, "l")) == MOST_ITEMS
    with pytest.raises(ProtocolError, match="at most 64"):
        items({"l": [{}] * (MOST_ITEMS + 1)}, "l")


@given(st.dictionaries(st.text(), st.none() | st.integers(-(2**53), 2**53) | st.text()))
def test_what_goes_in_comes_out(fields: dict[str, object]) -> None:
    assert load(dump(fields)) == fields


def test_no_number_that_json_lacks_is_written() -> None:
    with pytest.raises(ValueError, match="JSON"):
        dump({"a": float("nan")})


@given(st.binary(max_size=200))
def test_no_bytes_do_anything_else(data: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        load(data)
