"""The scheduler's work: microseconds a slot, simulated time against real time, start-up.

    rows = measure(slots=2000)

A cell is offered 1.2 times what it carries, down and up, evenly over all bearers, so that every
bearer always wants something: the most work a slot can be. The time includes taking the packets in.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tests.benchmarks import report
from tests.benchmarks.report import Figures

TARGET_US = 100.0  # 32 UEs x 4 slices x 3 cells
PACKET = 1200  # bytes
MBPS = 70.0  # about what a cell of 106 PRBs carries at 20 dB, each way


@dataclass(frozen=True)
class Size:
    """Of a base station."""

    name: str
    cells: int
    ues: int  # in each cell
    slices: int


SIZES = (Size("32 UEs x 4 slices x 3 cells", 3, 32, 4),
         Size("64 UEs x 4 slices x 3 cells", 3, 64, 4),
         Size("100 cells x 100 UEs, busy", 100, 100, 1))


def measure(slots: int, sizes: Sequence[Size] = SIZES) -> list[Figures]:
    """A row for each size."""
    rows = []
    for size in sizes:
        report.progress(f"scheduler: {size.name}")
        beside: Figures = {}
        with report.others_busy(beside):
            rows.append(one(size, slots if size.cells < 10 else max(50, slots // 20)))
        rows[-1] |= beside
    return rows


def one(size: Size, slots: int) -> Figures:
    """Time of so many slots after as many to fill the queues."""
    from testbed.ran.mac.channel import ChannelConfig, Kind, make_channel
    from testbed.ran.mac.config import Bearer, Layout, MacConfig, QueueConfig
    from testbed.ran.mac.simulated import run_many
    from testbed.ran.mac.state import make

    ues = size.cells * size.ues
    channels = tuple(make_channel(ChannelConfig(Kind.VEHICULAR, seconds=2.0), seed)
                     for seed in range(min(ues, 64)))
    layout = Layout(
        (106,) * size.cells, tuple(ue // size.ues for ue in range(ues)),
        tuple(Bearer(ue, place) for ue in range(ues) for place in range(size.slices)),
        ((0, 100, 0),) * size.slices, tuple(channels[ue % len(channels)] for ue in range(ues)))
    mac = make(MacConfig(queue=QueueConfig(packets=64)), layout, 1000, 1, 1 << 20)
    per_slot = int(2 * 1.2 * size.cells * MBPS * 1e3 / 8 / PACKET)
    random = np.random.default_rng(1)

    def run(first: int, count: int) -> float:
        rows = per_slot * count
        times = np.sort(random.integers(first * 1_000_000, (first + count) * 1_000_000, rows))
        bearers = random.integers(0, len(layout.bearers), rows)
        directions = random.integers(0, 2, rows)
        sizes = np.full(rows, PACKET, np.int64)
        began = time.process_time()
        run_many(mac, first, count, 1_000_000, times, bearers, directions, sizes)
        return time.process_time() - began

    run(0, 1)  # what is not compiled yet, is now
    run(1, slots)
    spent = run(1 + slots, slots)
    delivered = float(mac.counts[:, :, 0].sum())
    return {"size": size.name, "us_per_slot": spent / slots * 1e6,
            "times_real_time": slots * 1e-3 / spent, "slots": slots,
            "delivered_gbit": delivered * 1e-9, "reason": None}


def start_up() -> Figures:
    """Seconds to the loop's first slot: with nothing kept, and with what is."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "NUMBA_CACHE_DIR": folder}
        command = [sys.executable, "-m", "testbed.ran.plane.warm"]
        seconds = []
        for _ in range(2):
            began = time.monotonic()
            subprocess.run(command, env=environment, check=True, timeout=600)
            seconds.append(time.monotonic() - began)
    return {"cold_seconds": seconds[0], "warm_seconds": seconds[1]}
