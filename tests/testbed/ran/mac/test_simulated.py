"""Simulated time: everything that comes is accounted for, and chunks do not matter."""

from __future__ import annotations

import numpy as np

from testbed.ran.mac.state import N
from tests.testbed.ran.mac.small import simulated, small

MILLISECOND = 1_000_000


def test_all_that_comes_is_delivered_dropped_or_inside() -> None:
    random = np.random.default_rng(3)
    rows = sorted((int(random.integers(500 * MILLISECOND)), int(random.integers(2)),
                   int(random.integers(2)), int(random.integers(2)),
                   int(random.integers(40, 1400))) for _ in range(20_000))
    run, cell = simulated(*small(), rows)
    run.advance(0.25)
    mac = cell._mac
    assert int(run.offered.sum()) == (int(mac.delivered_packets.sum())
                                      + int(mac.dropped_packets.sum()) + run.inside)
    run.advance(30)
    assert run.inside == 0
    assert int(run.offered.sum()) == len(rows)
    assert run.now == 30


def test_steps_do_not_matter() -> None:
    rows = [(at * 300_000, at % 2, at // 2 % 2, at % 2, 900) for at in range(2000)]
    whole, parts = simulated(*small(), rows), simulated(*small(), rows)
    whole[0].advance(1)
    for step in range(1, 101):
        parts[0].advance(step / 100)
    assert whole[1].snapshot() == parts[1].snapshot()


def test_an_empty_cell_takes_its_time() -> None:
    run, cell = simulated(*small(), [(0, 0, 0, 0, 1000)])
    run.advance(1)
    counters = cell.snapshot().ues[1]
    assert sum(one.down_bits for one in counters.values()) == 8000
    assert int(cell._mac.numbers[N.SLOT]) == 999
    delay = sum(one.down_waited for one in counters.values()) / 8000
    assert 0.004 <= delay <= 0.021  # the way takes 4 slots, and one repetition 8 more
