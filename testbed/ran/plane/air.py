"""A radio that carries everything at once: what the loop is tried with where no cell is wanted.

It has the shape of the scheduler: packets are numbers, and come back as delivered or as dropped.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from testbed.ran.plane.compiled import compiled

ACCEPTED = 0


class Air(NamedTuple):
    """What a slot gave back; `ends` counts the entries of the first two and of the last two."""

    delivered: NDArray[np.int32]
    dropped: NDArray[np.int32]
    reasons: NDArray[np.int32]
    ends: NDArray[np.int64]


def make_air(packets: int) -> Air:
    return Air(np.zeros(packets, np.int32), np.zeros(packets, np.int32),
               np.zeros(packets, np.int32), np.zeros(2, np.int64))


@compiled
def enqueue(air: Air, bearer: int, direction: int, packet: int, size: int, now: int) -> int:
    """0, or the reason why the packet is not taken."""
    air.delivered[air.ends[0]] = packet
    air.ends[0] += 1
    return ACCEPTED


@compiled
def run_slot(air: Air, slot: int, now: int) -> None:
    """Nothing to do: all is delivered already."""
