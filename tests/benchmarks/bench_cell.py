"""The emulated cell: packets through it, its scheduler's work, and how near it is to a real one.

    python -m tests.benchmarks.bench_cell --quick
    python -m tests.benchmarks.bench_cell --seconds 10

Packets need root (namespaces); the rest does not. `plane` is the user plane alone, with a radio
that carries all at once, so that delays are what the plane adds; `cell` is with the scheduler, a
carrier of 100 MHz and four layers. The last table is beside figures of srsRAN 4G over ZeroMQ; its
rows of slots alone are without machine and kernel, and nothing real was at hand beside 5g-lab.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from tests.benchmarks import cell_packets, cell_sched, report
from tests.benchmarks.cell_pings import LAB_PRBS, LAB_SNR, LAB_UP, pinged, summed_up
from tests.benchmarks.report import Figures

WITH_CELL = ("500 Mbit/s", "60,000 small")
# srsRAN 4G, 50 PRBs, its own virtual radio: least, mean and most of ping, and their deviation; ms.
REAL = {"ping_ms": [21.4, 31.8, 46.9, 7.1], "down_mbps": 22.1, "up_mbps": 14.6}
PINGS = re.compile(r"= ([\d.]+)/([\d.]+)/([\d.]+)/([\d.]+) ms")


def main() -> int:
    options = arguments()
    results: dict[str, Any] = {}
    sizes = cell_sched.SIZES
    results["scheduler"] = cell_sched.measure(options.slots, sizes)
    report.print_table(
        "the scheduler", ["size", "us a slot", "times real time", "others' CPUs"],
        [[row["size"], row["us_per_slot"], row["times_real_time"], row["others_busy"]]
         for row in results["scheduler"]])
    if not options.quick:
        results["start"] = cell_sched.start_up()
        print(f"  first slot after {results['start']['cold_seconds']:.1f} s with nothing kept, "
              f"{results['start']['warm_seconds']:.1f} s with what is")
    results["lab"] = lab(options.pings)
    print_lab(results["lab"])
    quick = {name: cell_packets.LOADS[name] for name in (*WITH_CELL, "idle")}
    loads = quick if options.quick else cell_packets.LOADS
    results["plane"] = cell_packets.measure(loads, options.seconds)
    cell_packets.print_rows("packets through the user plane, no scheduler", results["plane"])
    results["cell"] = cell_packets.measure(
        {name: cell_packets.LOADS[name] for name in WITH_CELL}, options.seconds, fast_cell, 500)
    cell_packets.print_rows("packets through the cell", results["cell"])
    goals: dict[str, bool | None] = {
        "a slot under 100 us": results["scheduler"][0]["us_per_slot"] < cell_sched.TARGET_US,
        **cell_packets.met(results["plane"])}
    for goal, reached in goals.items():
        print(f"  {goal}: {'not measured' if reached is None else reached}")
    report.finish("cell", vars(options), {**results, "met": goals})
    return 1 if options.check and not all(goals.values()) else 0


def fast_cell() -> tuple[Any, Mapping[int, str]]:
    """One UE with two sessions on 273 PRBs."""
    from testbed.ran.mac.channel import ChannelConfig, make_channel
    from testbed.ran.mac.config import Bearer, Layout, MacConfig, QueueConfig
    from testbed.ran.mac.state import Reason, make
    from testbed.ran.plane.memory import PLACES

    channel = make_channel(ChannelConfig(snr_db=30.0), 1)
    layout = Layout((273,), (0,), (Bearer(0, 0), Bearer(0, 1)), ((0, 100, 0),) * 2, (channel,))
    config = MacConfig(layers=4, queue=QueueConfig(packets=1 << 14, kbytes=20_000))
    return (make(config, layout, 500, 1, PLACES),
            {int(one): one.name.lower() for one in Reason})


def lab(pings: int) -> Figures:
    """Ping through a cell of profile lte-lab, and what saturates it."""
    from testbed.errors import TestbedFailure
    from testbed.ran.mac.channel import ChannelConfig, make_channel
    from testbed.ran.mac.config import PROFILES, Bearer, Layout
    from testbed.ran.mac.state import make
    from testbed.ran.plane.config import simple_plane
    from testbed.ran.plane.memory import PLACES
    from testbed.ran.plane.user_plane import UserPlane

    report.progress("lab: ping")
    channel = make_channel(ChannelConfig(snr_db=LAB_SNR, up_offset_db=LAB_UP), 1)
    layout = Layout((LAB_PRBS,), (0,), (Bearer(0, 0), Bearer(0, 1)), ((0, 100, 0),) * 2, (channel,))
    figures: Figures = {
        "real": REAL, "ping_ms": None, "reason": None, **saturated(layout),
        "slots_alone_ms": summed_up(pinged(PROFILES["lte-lab"])),
        "5g_slots_alone_ms": summed_up(pinged(PROFILES["5g-lab"], 500, LAB_PRBS + 1))}
    try:
        with UserPlane(simple_plane(1, f"airsplit-lab-{os.getpid()}"),
                       make(PROFILES["lte-lab"], layout, 1000, 1, PLACES)) as plane:
            said = subprocess.run(
                ["ip", "netns", "exec", plane.n6, "ping", "-c", str(pings), "-i", "0.1",
                 cell_packets.UE], capture_output=True, text=True, timeout=60 + pings)
    except (TestbedFailure, OSError, subprocess.TimeoutExpired) as error:
        return figures | {"reason": str(error)}
    found = PINGS.search(said.stdout)
    if found is None:
        return figures | {"reason": (said.stderr or said.stdout)[-200:]}
    return figures | {"ping_ms": [float(one) for one in found.groups()]}


def saturated(layout: Any) -> Figures:
    """Mbit/s each way, in simulated time."""
    import numpy as np

    from testbed.ran.mac.config import PROFILES
    from testbed.ran.mac.simulated import run_many
    from testbed.ran.mac.state import make

    mac = make(PROFILES["lte-lab"], layout, 1000, 1, 1 << 16)
    slots, rate = 5000, 8
    times = np.repeat(np.arange(slots * rate) * (1_000_000 // rate), 2)
    count = len(times)
    run_many(mac, 0, slots, 1_000_000, times, np.zeros(count, np.int64),
             np.arange(count, dtype=np.int64) % 2, np.full(count, 1400, np.int64))
    down, up = mac.counts[0, :, 0] / (slots * 1e3)
    return {"down_mbps": float(down), "up_mbps": float(up)}


def print_lab(figures: Figures) -> None:
    def pings(values: list[float] | None) -> list[object]:
        return [None] * 4 if values is None else list(values)

    report.print_table(
        "profile lte-lab beside srsRAN 4G over ZeroMQ, 50 PRBs",
        ["", "ping least", "mean", "most", "deviation", "down Mbit/s", "up Mbit/s"],
        [["srsRAN 4G", *pings(REAL["ping_ms"]), REAL["down_mbps"], REAL["up_mbps"]],  # type: ignore[arg-type]  # a list there
         ["lte-lab", *pings(figures["ping_ms"]), figures["down_mbps"], figures["up_mbps"]],
         ["lte-lab, slots alone", *figures["slots_alone_ms"], None, None],
         ["5g-lab, slots alone", *figures["5g_slots_alone_ms"], None, None]])
    if figures["reason"]:
        print(f"  ping: not measured: {figures['reason']}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two seconds a load, fewer loads")
    parser.add_argument("--check", action="store_true", help="exit 1 where a goal is missed")
    parser.add_argument("--seconds", type=float, help="of sending, for each load")
    parser.add_argument("--slots", type=int, help="of the scheduler's timing")
    parser.add_argument("--pings", type=int, help="of the lab's comparison")
    options = parser.parse_args()
    options.seconds = options.seconds or (2.0 if options.quick else 5.0)
    options.slots = options.slots or (500 if options.quick else 2000)
    options.pings = options.pings or (30 if options.quick else 200)
    return options


if __name__ == "__main__":
    sys.exit(main())
