"""How many packets a second the traffic sender makes and sends, and how late they are.

Three figures: packets built in memory; packets built and handed to the devices of a running user
plane, as fast as they go; and how late they are at a rate that is meant. The user plane has no
radio, so that what it takes is the kernel's and the sender's business. The last two need root.

    python -m tests.benchmarks.bench_traffic --quick
    python -m tests.benchmarks.bench_traffic --rate 40000 --ues 16 --seconds 10
"""

from __future__ import annotations

import argparse
import json
import os
import threading
import time
from collections.abc import Mapping

import numpy as np

from tests.benchmarks import report
from tests.benchmarks.report import Figures

OWN = "tests.benchmarks.bench_traffic"
COLUMNS = ("built_per_second", "sent_per_second", "through_per_second", "kept_per_second",
           "late_p50_ms", "late_p99_ms", "left_out")


def main() -> None:
    options = arguments()
    if options.worker:
        print(json.dumps(work(options)))
        return
    one = report.round_robin({"all": lambda: report.run_worker(
        report.python(OWN, "--worker", "--bytes", options.bytes, "--rate", options.rate, "--ues",
                      options.ues, "--seconds", options.seconds), 2, options.timeout)},
        options)["all"]
    figures = {name: one.middle(name) for name in COLUMNS}
    report.print_table(
        f"{options.ues} UEs, packets of {options.bytes} bytes, {options.rounds} round(s) of "
        f"{options.seconds:g} s", ["", "median"],
        [[name.replace("_", " "), value] for name, value in figures.items()])
    reasons = {one.reason, *(each.get("unsent") for each in one.rounds)} - {None}
    for reason in reasons:
        print(f"  not measured: {reason}")
    report.finish("traffic", vars(options), {"median": figures, "rounds": one.rounds,
                                             "reason": one.reason})


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one round of 3 s each")
    parser.add_argument("--bytes", type=int, default=200, help="of a packet (default 200)")
    parser.add_argument("--rate", type=float, default=20_000, help="packets a second meant")
    parser.add_argument("--ues", type=int, default=8)
    parser.add_argument("--seconds", type=float, help="of each figure (default 5)")
    parser.add_argument("--rounds", type=int, help="default 3")
    parser.add_argument("--timeout", type=float, default=240.0, help="seconds a round may take")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    report.add_quiet_options(parser)
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 3)
    options.seconds = options.seconds or (3.0 if options.quick else 5.0)
    return options


def work(options: argparse.Namespace) -> Figures:
    figures: Figures = {"built_per_second": built(options), "unsent": None}
    from testbed import namespaces
    if not namespaces.available():
        figures["unsent"] = "no root, no iproute2 or no /dev/net/tun: nothing was sent"
        return figures
    return figures | sent(options)


def built(options: argparse.Namespace) -> float:
    """Packets a second made in memory, a thousand at a time."""
    from testbed.ran.traffic.arrivals import arrivals
    from testbed.ran.traffic.packets import packets_of

    rows = arrivals(1000)
    rows["size"] = options.bytes
    addresses = np.full(len(rows), 0x0A2D0002)
    packets_of(rows, addresses)  # compiles
    begin, count = time.perf_counter(), 0
    while time.perf_counter() - begin < min(1.0, options.seconds):
        packets_of(rows, addresses, number=count)
        count += len(rows)
    return count / (time.perf_counter() - begin)


def sent(options: argparse.Namespace) -> Figures:
    """Through a user plane: first far more than goes, then as much as is meant."""
    from testbed.ran.plane.config import simple_plane
    from testbed.ran.plane.topology import ue_device
    from testbed.ran.plane.user_plane import UserPlane
    from testbed.ran.traffic.sending import Door, quiet_kernel

    name = f"airsplit-bench-{os.getpid()}"
    with UserPlane(simple_plane(options.ues, name, llm_ues=0)) as plane:
        doors = {(place, 0): Door(plane.addresses(ue)[0], plane.namespace(ue), ue_device(0),
                                  plane.n6, "n6-internet")
                 for place, ue in enumerate(f"ue{1 + number}" for number in range(options.ues))}
        quiet_kernel(list(doors.values()))
        flood = _run(plane, doors, 1e6, options)
        meant = _run(plane, doors, options.rate, options)
    return {"sent_per_second": flood["sent"], "through_per_second": flood["through"],
            "kept_per_second": meant["sent"], "late_p50_ms": meant["p50"],
            "late_p99_ms": meant["p99"], "left_out": meant["left_out"]}


def _run(plane: object, doors: Mapping[tuple[int, int], object], rate: float,
         options: argparse.Namespace) -> Figures:
    from testbed.ran.plane.user_plane import UserPlane
    from testbed.ran.traffic.config import Kind, TrafficConfig
    from testbed.ran.traffic.sending import TrafficSender
    from testbed.ran.traffic.sources import make_source

    assert isinstance(plane, UserPlane)
    kbps = rate / 2 / len(doors) * options.bytes * 8 / 1000
    source = make_source(TrafficConfig(Kind.POISSON, down_kbps=kbps, up_kbps=kbps,
                                       packet_bytes=options.bytes), list(doors), 1)
    sender = TrafficSender([source], doors)  # type: ignore[arg-type]  # doors are made above
    before = plane.statistics()
    thread = threading.Thread(target=sender.run)
    begin = time.perf_counter()
    thread.start()
    time.sleep(options.seconds)
    sender.stop()
    thread.join()
    seconds = time.perf_counter() - begin
    after = plane.statistics()
    sender.close()
    through = sum(new.delivered - old.delivered for new, old in (
        (after.down, before.down), (after.up, before.up)))
    return {"sent": sum(sender.counts.packets) / seconds, "through": through / seconds,
            "p50": sender.counts.late_ms(0.5), "p99": sender.counts.late_ms(0.99),
            "left_out": sender.counts.left_out}


if __name__ == "__main__":
    main()
