"""Names and numbers of encodings, and what is told of those that are none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_server.encodings.registry import ENTRIES, NAMES, by_code, by_name
from edge_server.errors import ConfigurationError, FrameError


def test_numbers_on_the_wire_stay() -> None:
    """A number that was given to an encoding is never another's."""
    assert {entry.name: entry.code for entry in ENTRIES} == {
        "raw": 0, "int8": 1, "int8-outliers": 2, "int4": 3, "topk": 4, "delta": 5, "lossless": 6}


@pytest.mark.parametrize("name", ["", "int9", "int8:", "int8:4", "raw:1", "topk:", "topk:0",
                                  "topk:-1", "topk:x", "topk:65536", "topk:²", "delta:raw",
                                  "delta:delta", "delta:99", "delta:topk", "lossless:9", "INT8"])
def test_a_name_that_is_none(name: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        by_name(name)
    assert caught.value.remedy


@given(st.integers(0, 255), st.integers(0, 65_535))
def test_any_number_is_an_encoding_or_the_one_error(code: int, parameter: int) -> None:
    try:
        encoding = by_code(code, parameter)
    except FrameError:
        return
    assert encoding.code == code
    assert encoding.name.partition(":")[0] in NAMES


def test_it_is_made_once() -> None:
    assert by_name("topk:64") is by_name("topk:64")
