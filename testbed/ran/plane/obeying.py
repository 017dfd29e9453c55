"""Orders to the loop: a ring that Python fills and the loop empties at the begin of each slot.

So nothing that the loop works with changes under it, and neither waits for the other. One writer
at a time; `user_plane` sees to that.
"""

from __future__ import annotations

import enum

from testbed.ran.plane.compiled import inner
from testbed.ran.plane.histogram import note
from testbed.ran.plane.memory import ORDER_WORDS, ORDERS, Mark, Of, Plane
from testbed.ran.plane.rules import put_rule, take_rule_out
from testbed.ran.plane.table import put, take_out


class Order(enum.IntEnum):
    """Kinds, with their numbers."""

    ADDRESS = 1  # key, bearer
    NO_ADDRESS = 2  # key
    ATTACH = 3  # bearer
    DETACH = 4  # bearer
    BACKHAUL = 5  # direction, loss in parts of 2^31, delay in nanoseconds
    RULE = 6  # the five words of a flow's key, bearer
    NO_RULE = 7  # the five words


HEAD, TAIL, REFUSED = int(Mark.ORDER_HEAD), int(Mark.ORDER_TAIL), int(Mark.ORDERS_REFUSED)
ADDRESS, NO_ADDRESS, ATTACH, DETACH, BACKHAUL, RULE, NO_RULE = (int(one) for one in Order)
GIVEN_AT = ORDER_WORDS - 1
ATTACHED = int(Of.ATTACHED)


def has_room(plane: Plane) -> bool:
    return int(plane.marks[HEAD] - plane.marks[TAIL]) < ORDERS


def give(plane: Plane, now: int, kind: Order, *numbers: int) -> int:
    """Put an order into the ring; how many were given so far. There must be room."""
    head = int(plane.marks[HEAD])
    row = plane.orders[head % ORDERS]
    row[:] = 0
    row[0] = kind
    row[1:1 + len(numbers)] = numbers
    row[-1] = now
    plane.marks[HEAD] = head + 1  # last: the loop looks at this
    return head + 1


@inner
def obey(plane: Plane, now: int) -> None:
    while plane.marks[TAIL] != plane.marks[HEAD]:
        row = plane.orders[plane.marks[TAIL] % ORDERS]
        if row[0] == RULE:
            done = put_rule(plane, row[1], row[2], row[3], row[4], row[5], row[6])
        elif row[0] == NO_RULE:
            done = take_rule_out(plane, row[1], row[2], row[3], row[4], row[5])
        else:
            done = _obey_one(plane, row[0], row[1], row[2], row[3])
        if not done:
            plane.marks[REFUSED] += 1
        note(plane.orders_delay, now - row[GIVEN_AT])
        plane.marks[TAIL] += 1


@inner
def _obey_one(plane: Plane, kind: int, one: int, two: int, three: int) -> bool:
    """Whether it named what is there."""
    if kind == ADDRESS:
        put(plane.keys, plane.values, one, two)
    elif kind == NO_ADDRESS:
        return take_out(plane.keys, plane.values, one)
    elif kind in (ATTACH, DETACH):
        plane.bearers[one, ATTACHED] = 1 if kind == ATTACH else 0
    elif kind == BACKHAUL:
        plane.backhaul[one, 0] = two
        plane.backhaul[one, 1] = three
    else:
        return False
    return True
