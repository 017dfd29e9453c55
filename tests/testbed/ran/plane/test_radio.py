"""The loop has the radio whose memory it was given."""

from __future__ import annotations

from testbed.ran.plane.air import make_air
from testbed.ran.plane.radio import enqueue, run_slot
from testbed.ran.plane.warm import smallest


def test_each_memory_has_its_functions() -> None:
    through, scheduled = make_air(4), smallest()
    for radio, at_once in ((through, 1), (scheduled, 0)):
        assert enqueue(radio, 0, 0, 3, 100, 0) == 0
        run_slot(radio, 0, 0)
        assert radio.ends[0] == at_once
    for slot in range(1, 100):
        run_slot(scheduled, slot, slot * 1_000_000)
    assert list(scheduled.delivered[:scheduled.ends[0]]) == [3]
    assert enqueue(scheduled, 7, 0, 3, 100, 0) != 0
