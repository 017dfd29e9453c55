"""The record's layout: what the loop relies on."""

from __future__ import annotations

import numpy as np
import pytest

from testbed.ran.plane.memory import DROPS, HEADROOM, MOST_MTU, STRIDE, Count, Mark, Plane, make


def test_every_field_is_there_and_none_hides_one_of_numpys() -> None:
    plane = make(1400, 1_000_000, 10, 1)
    for name in Plane.__annotations__:
        assert isinstance(getattr(plane, name), np.ndarray), name
        assert not hasattr(np.record, name), name


def test_a_longest_packet_fits_its_place_with_the_byte_that_tells_a_longer_one() -> None:
    assert HEADROOM + MOST_MTU + 1 <= STRIDE
    assert MOST_MTU + HEADROOM <= STRIDE - HEADROOM  # a datagram of the tunnel


@pytest.mark.parametrize("what", [Count.READ, Count.DELIVERED, Count.TUNNEL_SENT,
                                  Count.TUNNEL_TAKEN])
def test_what_is_no_drop_is_not_counted_as_one(what: Count) -> None:
    assert what not in DROPS


def test_only_some_places_are_used_where_few_are_asked_for() -> None:
    plane = make(1400, 1_000_000, 10, 1, places=7)
    assert plane.marks[Mark.FREE] == 7
    assert sorted(plane.free[:7]) == list(range(7))
