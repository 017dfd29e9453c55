"""What the loop did, as numbers to read: copied out of its memory, never reset.

    figures = read(plane, names, now)
    figures.down.dropped["backhaul"], figures.lateness_us["p99"], figures.pauses

Every packet that was read is delivered, dropped by a reason, or inside; `Direction.inside` is what
the first three leave, and `pooled` what the pool really holds, so that each proves the other. A
time that nothing was measured of is None.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from testbed.ran.plane.headers import DOWN, UP
from testbed.ran.plane.histogram import quantile
from testbed.ran.plane.memory import DROPS, MOST_PAUSES, Count, Mark, Plane

SECOND = 1e9
QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999, "most": 1.0}
Quantiles = Mapping[str, float | None]  # microseconds, to 6 %


@dataclass(frozen=True)
class Direction:
    """Downlink or uplink."""

    read: int  # packets
    delivered: int
    dropped: Mapping[str, int]  # by reason; only those that there are
    in_tunnel: int  # sent into the tunnel and not seen at its other end
    read_bytes: int
    delivered_bytes: int
    delay_us: Quantiles  # from the slot that read it to its delivery by the radio

    @property
    def inside(self) -> int:
        return self.read - self.delivered - sum(self.dropped.values())


@dataclass(frozen=True)
class Pause:
    """A time for which the loop did not run, and slots were skipped."""

    at: float  # seconds after the loop began, when it ran again
    seconds: float


@dataclass(frozen=True)
class PlaneStatistics:
    """Everything since the start."""

    seconds: float  # for which the loop runs
    slots: int
    skipped: int  # slots that never were
    overruns: int  # slots whose work took longer than a slot
    unread: int  # slots that left packets in the devices, for want of time or places
    pauses: tuple[Pause, ...]  # the last of them
    all_pauses: int
    busy: float  # share of the time in which a slot was worked on
    processor_seconds: float | None  # that the loop's thread used, the kernel's work for it too
    lateness_us: Quantiles  # of slots
    work_us: Quantiles
    down: Direction
    up: Direction
    pooled: int  # packets in the pool, both ways
    orders: int
    orders_refused: int
    orders_us: Quantiles  # from when an order was given to when it is in force
    tunnel: Mapping[str, int]  # garbage, unknown, other
    devices_lost: int
    scheduling: str  # how the loop's thread is scheduled
    kernel_dropped: Mapping[str, int] = field(default_factory=dict)  # by device, before the loop


def read(plane: Plane, reasons: Mapping[int, str], now_ns: int, scheduling: str,
         kernel_dropped: Mapping[str, int], processor_seconds: float | None = None,
         ) -> PlaneStatistics:
    """`reasons` names those of the radio."""
    marks = plane.marks.copy()
    seconds = max(0.0, (now_ns - int(marks[Mark.ORIGIN_NS])) / SECOND)
    return PlaneStatistics(
        seconds, int(marks[Mark.SLOT]), int(marks[Mark.SKIPPED]), int(marks[Mark.OVERRUNS]),
        int(marks[Mark.BUDGET_SPENT]), _pauses(plane), int(marks[Mark.PAUSES]),
        int(marks[Mark.BUSY_NS]) / SECOND / seconds if seconds else 0.0,
        processor_seconds, quantiles(plane.lateness), quantiles(plane.work),
        _direction(plane, DOWN, reasons), _direction(plane, UP, reasons),
        int(marks[Mark.PLACES] - marks[Mark.FREE]), int(marks[Mark.ORDER_TAIL]),
        int(marks[Mark.ORDERS_REFUSED]), quantiles(plane.orders_delay),
        {"garbage": int(marks[Mark.TUNNEL_GARBAGE]), "unknown": int(marks[Mark.TUNNEL_UNKNOWN]),
         "other": int(marks[Mark.TUNNEL_OTHER])},
        int(marks[Mark.DEVICES_LOST]), scheduling, kernel_dropped)


def quantiles(histogram: NDArray[np.int64]) -> Quantiles:
    counted = histogram.copy()
    return {name: quantile(counted, share) for name, share in QUANTILES.items()}


def _direction(plane: Plane, direction: int, reasons: Mapping[int, str]) -> Direction:
    counts, octets = plane.counts[direction].copy(), plane.octets[direction].copy()
    return Direction(
        int(counts[Count.READ]), int(counts[Count.DELIVERED]),
        {_name(reason, reasons): int(counts[reason]) for reason in DROPS if counts[reason]},
        int(counts[Count.TUNNEL_SENT] - counts[Count.TUNNEL_TAKEN]),
        int(octets[Count.READ]), int(octets[Count.DELIVERED]),
        quantiles(plane.delay[direction]))


def _name(reason: int, reasons: Mapping[int, str]) -> str:
    if reason < Count.AIR:
        return Count(reason).name.lower().replace("_", "-")
    number = reason - Count.AIR
    return reasons.get(number, f"radio-{number}")


def _pauses(plane: Plane) -> tuple[Pause, ...]:
    total = int(plane.marks[Mark.PAUSES])
    rows = plane.pauses.copy()
    return tuple(Pause(*(float(value) / SECOND for value in rows[number % MOST_PAUSES]))
                 for number in range(max(0, total - MOST_PAUSES), total))
