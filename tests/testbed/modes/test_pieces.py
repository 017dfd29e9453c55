"""What a step says of its pieces is read back, and nothing else is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from testbed.modes.errors import BadMessage
from testbed.modes.pieces import ids, lasts, meta_of, owners, piece_of, pieces_of, positions

CAPACITY = 20
TWO = [piece_of(1, 4, [7, 8, 9]), piece_of(0, 2, [5])]


def test_rows_of_a_step() -> None:
    assert ids(TWO) == [7, 8, 9, 5]
    assert positions(TWO) == [4, 5, 6, 2]
    assert owners(TWO, [30, 31]) == [31, 31, 31, 30]
    assert lasts(TWO) == [2, 3]
    assert TWO[0].end == 7


@settings(max_examples=40)
@given(some.lists(some.tuples(some.integers(0, 4), some.integers(0, 10), some.integers(1, 10)),
                  min_size=1, max_size=5, unique_by=lambda one: one[0]))
def test_reading_inverts_writing(listed: list[tuple[int, int, int]]) -> None:
    pieces = [piece_of(which, at, [1] * count) for which, at, count in listed]
    found = pieces_of(meta_of(pieces), 5, CAPACITY)
    assert [(one.sequence, one.position, one.count) for one in found] == listed
    assert not any(one.ids for one in found)


scalars = some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=3)


@settings(max_examples=40)
@given(scalars | some.lists(scalars | some.lists(scalars, max_size=4), max_size=4))
def test_whatever_else_comes_is_one_error(at: Any) -> None:
    try:
        found = pieces_of({"at": at}, 2, CAPACITY)
    except BadMessage:
        return
    assert all(one.sequence in (0, 1) and 0 <= one.position < one.end <= CAPACITY
               for one in found)


@pytest.mark.parametrize("at", [
    None, [], [[0, 0, 1]] * 2, [[0, 0, 0]], [[0, -1, 1]], [[2, 0, 1]], [[0, 19, 2]],
    [[0, 20, 1]], [[0, 0, 1.0]]])
def test_what_cannot_be(at: Any) -> None:
    with pytest.raises(BadMessage):
        pieces_of({"at": at}, 2, CAPACITY)
