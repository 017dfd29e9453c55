"""Figures say what the memory holds, and None where nothing was measured."""

from __future__ import annotations

import time

from testbed.ran.plane.headers import DOWN, UP
from testbed.ran.plane.histogram import note
from testbed.ran.plane.memory import MOST_PAUSES, Count, Mark, make
from testbed.ran.plane.statistics import Pause, read
from tests.testbed.ran.plane.scene import CORE, packet, scene, ue_address

SECOND = 1_000_000_000


def test_a_fresh_plane_measured_nothing() -> None:
    figures = read(make(1400, 1_000_000, 10, 1, 50), {}, 0, "none", {})
    assert figures.lateness_us["p99"] is figures.down.delay_us["p50"] is None
    assert (figures.slots, figures.pooled, figures.busy, figures.pauses) == (0, 0, 0.0, ())


def test_reasons_have_names_and_the_rest_is_inside() -> None:
    with scene() as one:
        one.plane.backhaul[DOWN, 1] = 10 * SECOND
        one.core.send(packet(CORE, ue_address(0)))
        one.core.send(packet(CORE, "10.45.9.9"))
        one.slot()
        one.plane.counts[DOWN, [Count.READ, Count.AIR + 2, Count.AIR + 3]] += 2, 1, 1
        figures = read(one.plane, {2: "queue-full"}, time.monotonic_ns(), "x", {"a b": 3})
        assert figures.down.dropped == {"no-bearer": 1, "queue-full": 1, "radio-3": 1}
        assert (figures.down.inside, figures.pooled, figures.up.read) == (1, 1, 0)
        assert figures.kernel_dropped == {"a b": 3}


def test_times_and_pauses() -> None:
    plane = make(1400, 1_000_000, 10, 1)
    plane.marks[Mark.ORIGIN_NS], plane.marks[Mark.BUSY_NS] = SECOND, SECOND // 2
    note(plane.lateness, 20_000)
    note(plane.delay[UP], 5_000)
    plane.marks[Mark.PAUSES] = MOST_PAUSES + 1
    plane.pauses[0] = 7 * SECOND, 2 * SECOND  # the last went round
    figures = read(plane, {}, 2 * SECOND, "x", {})
    assert (figures.seconds, figures.busy) == (1.0, 0.5)
    assert figures.lateness_us["p99"] == 21.0
    assert figures.up.delay_us["most"] == 6.0
    assert len(figures.pauses) == MOST_PAUSES
    assert figures.pauses[-1] == Pause(7.0, 2.0)
