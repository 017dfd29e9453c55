"""Small things of the loop: the clock, places of the pool, and the account of every packet."""

from __future__ import annotations

from testbed.ran.plane.calls import (
    ABSOLUTE_TIME,
    CLOCK_MONOTONIC,
    clock_gettime,
    clock_nanosleep,
)
from testbed.ran.plane.compiled import compiled, inner
from testbed.ran.plane.memory import OF_DROPPED, PLACES, Count, Mark, Plane

SECOND = 1_000_000_000
FREE, RANDOM, STOP = int(Mark.FREE), int(Mark.RANDOM), int(Mark.STOP)
DELIVERED = int(Count.DELIVERED)


@compiled
def now_ns(plane: Plane) -> int:
    clock_gettime(CLOCK_MONOTONIC, plane.clock.ctypes.data)
    return int(plane.clock[0] * SECOND + plane.clock[1])


@compiled
def sleep_until(plane: Plane, due: int) -> int:
    """What time it is then: signals wake it, and it sleeps on."""
    now = now_ns(plane)
    while now < due and plane.marks[STOP] == 0:
        plane.clock[0] = due // SECOND
        plane.clock[1] = due % SECOND
        clock_nanosleep(CLOCK_MONOTONIC, ABSOLUTE_TIME, plane.clock.ctypes.data, 0)
        now = now_ns(plane)
    return now


@compiled
def next_place(plane: Plane) -> int:
    """The place that the next packet is read to; one beyond all others where none is free."""
    free = plane.marks[FREE]
    return int(plane.free[free - 1]) if free > 0 else PLACES


@compiled
def release(plane: Plane, packet: int) -> None:
    plane.free[plane.marks[FREE]] = packet
    plane.marks[FREE] += 1


@inner
def count(plane: Plane, direction: int, what: int, size: int) -> None:
    plane.counts[direction, what] += 1
    plane.octets[direction, what] += size


@compiled
def drop(plane: Plane, direction: int, reason: int, bearer: int, size: int) -> None:
    """Count a packet that is in no place of the pool, or that is let go of by the caller."""
    count(plane, direction, reason, size)
    if bearer >= 0:
        plane.of_bearer[bearer, direction, OF_DROPPED] += 1


@inner
def drop_packet(plane: Plane, packet: int, reason: int) -> None:
    """Count a packet of the pool, and free its place."""
    drop(plane, plane.direction[packet], reason, plane.bearer[packet], plane.length[packet])
    release(plane, packet)


@compiled
def is_lost(plane: Plane, direction: int) -> bool:
    """Whether the way between base station and core loses the next packet."""
    loss = plane.backhaul[direction, 0]
    if loss == 0:
        return False
    drawn = (plane.marks[RANDOM] * 1_103_515_245 + 12_345) & 0x7FFF_FFFF
    plane.marks[RANDOM] = drawn
    # The low bits of such a sequence repeat soon; the high ones decide.
    return bool(drawn < loss)
