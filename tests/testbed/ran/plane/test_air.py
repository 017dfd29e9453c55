"""The radio that carries everything at once."""

from __future__ import annotations

from testbed.ran.plane.air import ACCEPTED, enqueue, make_air, run_slot


def test_what_is_given_is_delivered_in_its_order() -> None:
    air = make_air(4)
    assert [enqueue(air, 0, 0, packet, 100, 0) for packet in (3, 1)] == [ACCEPTED] * 2
    run_slot(air, 0, 0)
    assert list(air.delivered[:air.ends[0]]) == [3, 1]
    assert air.ends[1] == 0
