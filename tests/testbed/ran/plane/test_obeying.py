"""Orders: obeyed in their order at the begin of a slot, refused where they name nothing."""

from __future__ import annotations

import time

from testbed.ran.plane.headers import DOWN
from testbed.ran.plane.memory import ORDERS, Mark, Of
from testbed.ran.plane.obeying import Order, give, has_room
from testbed.ran.plane.table import EMPTY, address_key, find
from tests.testbed.ran.plane.scene import scene, ue_address


def test_orders_are_obeyed_at_the_next_slot() -> None:
    with scene() as one:
        plane, now = one.plane, time.monotonic_ns()
        key = address_key("10.45.0.99")
        for kind, numbers in ((Order.ADDRESS, (key, 1)), (Order.DETACH, (0,)),
                              (Order.NO_ADDRESS, (address_key(ue_address(0)),)),
                              (Order.BACKHAUL, (DOWN, 7, 8))):
            give(plane, now, kind, *numbers)
        assert find(plane.keys, plane.values, key) == EMPTY
        one.slot()
        assert find(plane.keys, plane.values, key) == 1
        assert find(plane.keys, plane.values, address_key(ue_address(0))) == EMPTY
        assert plane.bearers[0, Of.ATTACHED] == 0
        assert list(plane.backhaul[DOWN]) == [7, 8]
        assert plane.marks[Mark.ORDER_TAIL] == 4
        assert plane.marks[Mark.ORDERS_REFUSED] == 0
        assert plane.orders_delay.sum() == 4


def test_what_names_nothing_is_refused_and_the_next_obeyed() -> None:
    with scene() as one:
        give(one.plane, 0, Order.NO_ADDRESS, address_key("10.45.0.99"))
        give(one.plane, 0, Order.DETACH, 1)
        one.slot()
        assert one.plane.marks[Mark.ORDERS_REFUSED] == 1
        assert one.plane.bearers[1, Of.ATTACHED] == 0


def test_a_ring_that_is_full_says_so_and_goes_round() -> None:
    with scene() as one:
        for _ in range(3):
            while has_room(one.plane):
                give(one.plane, 0, Order.ATTACH, 0)
            assert one.plane.marks[Mark.ORDER_HEAD] - one.plane.marks[Mark.ORDER_TAIL] == ORDERS
            one.slot()
            assert has_room(one.plane)
        assert one.plane.marks[Mark.ORDER_TAIL] == 3 * ORDERS
