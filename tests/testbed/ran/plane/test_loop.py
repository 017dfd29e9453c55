"""The loop's time: slots on their grid, and what happens when it was away."""

from __future__ import annotations

import threading
import time

from hypothesis import given
from hypothesis import strategies as st

from testbed.ran.plane.loop import MOST_BEHIND, run, skip
from testbed.ran.plane.memory import Mark, make
from tests.testbed.ran.plane.scene import CORE, packet, received, scene, ue_address

SLOT = 1_000_000


@given(st.integers(0, 10**10))
def test_a_long_absence_is_skipped_and_a_short_one_made_up_for(late: int) -> None:
    plane = make(1400, SLOT, 100, 1)
    due = 5 * 10**9
    at = skip(plane, due, due + late)
    if late < (MOST_BEHIND + 1) * SLOT:
        assert at == due
        assert plane.marks[Mark.SKIPPED] == plane.marks[Mark.PAUSES] == 0
    else:
        assert 0 <= due + late - at < SLOT
        assert plane.marks[Mark.SKIPPED] == (at - due) // SLOT
        assert plane.marks[Mark.PAUSES] == 1
        assert plane.pauses[0, 1] == late


def test_it_runs_until_it_is_told_to_stop() -> None:
    with scene() as one:
        one.plane.marks[Mark.SLOT_NS] = SLOT
        thread = threading.Thread(target=run, args=(one.plane, one.air))
        thread.start()
        try:
            one.core.send(packet(CORE, ue_address(0)))
            deadline = time.monotonic() + 120
            while one.plane.marks[Mark.SLOT] < 20:
                assert time.monotonic() < deadline
                time.sleep(0.001)
            assert len(received(one.ues[0])) == 1
        finally:
            one.plane.marks[Mark.STOP] = 1
            thread.join(120)
        assert not thread.is_alive()
        slots = int(one.plane.marks[Mark.SLOT])
        assert one.plane.lateness.sum() == one.plane.work.sum() == slots
        passed = (time.monotonic_ns() - int(one.plane.marks[Mark.ORIGIN_NS])) // SLOT
        assert slots + int(one.plane.marks[Mark.SKIPPED]) <= passed
