"""What rows say of the machine and the code."""

from __future__ import annotations

import os

from testbed.experiments.machine import load_average, machine


def test_this_machine_is_described() -> None:
    one = machine()
    assert one.processors == os.cpu_count()
    assert one.processor
    assert one.memory_gib is None or one.memory_gib > 0.1
    assert one.commit is None or len(one.commit) == 40
    assert (one.commit is None) == (one.changed is None)
    assert load_average() >= 0
