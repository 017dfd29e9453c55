"""Real packets through the emulated cell: rate, share of a core, delay, lateness, control.

    rows = measure(seconds=5.0, air=...)      # what bench_cell.py prints
    python -m tests.benchmarks.cell_packets   # with a radio that carries all: the plane alone

Sender and receiver are processes of their own in the namespaces of a UE and of the core; two cores
carry them and the loop. Delay is from just before a datagram was sent to the kernel's time stamp
of its arrival. The loop's share of a core is its thread's processor time, the kernel's work for it
included; senders' and receivers' is not in it.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.benchmarks import report
from tests.benchmarks.report import Figures

OWN = "tests.benchmarks.cell_packets"
CORE, UE, PORT = "10.45.0.1", "10.45.0.2", 9000
READY_SECONDS = 240.0  # the first time, the loop is compiled
BURST = 0.001  # seconds: what is due in it is sent together
HEADERS = 28  # bytes of IPv4 and UDP
STAMP = struct.Struct("<q")
TARGET_MBPS, TARGET_PACKETS = 500.0, 60_000
TARGET_DELAY_SLOTS, TARGET_DELAY_MORE_MS = 1.0, 0.5  # p99 of what the plane adds
TARGET_CONTROL_SLOTS = 2.0
MOST_LOST = 0.001  # share of packets: else a rate is none
_SO_RCVBUFFORCE, _SO_TIMESTAMPNS = 33, 35


@dataclass(frozen=True)
class Load:
    """What is sent down to one UE."""

    size: int  # bytes of an IP packet
    rate: float  # packets a second
    tunnel: bool = False


LOADS: Mapping[str, Load] = {
    "500 Mbit/s": Load(1400, 500e6 / 8 / 1400),
    "1 Gbit/s": Load(1400, 1e9 / 8 / 1400),
    "60,000 small": Load(60, 60_000),
    "125,000 small": Load(60, 125_000),
    "500 Mbit/s, N3": Load(1400, 500e6 / 8 / 1400, tunnel=True),
    "idle": Load(200, 200),
}
Air = Callable[[], tuple[Any, Mapping[int, str]]]  # a scheduler's memory, and its reasons


def nothing_between() -> tuple[Any, Mapping[int, str]]:
    """No scheduler: everything is carried at once."""
    return None, {}


def measure(loads: Mapping[str, Load] = LOADS, seconds: float = 5.0, air: Air = nothing_between,
            slot_us: int = 1000) -> list[Figures]:
    """A row for each load; one that could not be measured says why."""
    from testbed.errors import TestbedFailure

    rows: list[Figures] = []
    for name, load in loads.items():
        report.progress(f"packets: {name}")
        beside: Figures = {}
        try:
            with report.others_busy(beside):
                figures = _one(load, seconds, air, slot_us)
            rows.append({"load": name, "reason": None, "slot_us": slot_us} | figures | beside)
        except (report.WorkerFailed, TestbedFailure, OSError) as error:
            rows.append({"load": name, "slot_us": slot_us, "reason": str(error)})
    return rows


def _one(load: Load, seconds: float, air: Air, slot_us: int) -> Figures:
    from testbed.ran.plane.config import TunnelConfig, simple_plane
    from testbed.ran.plane.user_plane import UserPlane

    config = simple_plane(1, f"airsplit-bench-{os.getpid()}",
                          TunnelConfig() if load.tunnel else None, slot_us=slot_us)
    made, reasons = air()
    with UserPlane(config, made, reasons) as plane:
        with _worker(plane.namespace("ue1"), "receive", load, seconds) as receiver:
            report.wait_for_line(receiver, "ready", READY_SECONDS)
            before = plane.statistics()
            with _worker(plane.n6, "send", load, seconds) as sender:
                sent = _last(sender, seconds)
            after = plane.statistics()
            got = _last(receiver, seconds)
        orders = _order_slots(plane, slot_us)
        figures = plane.statistics()
    elapsed = sent["seconds"]
    used, had = after.processor_seconds, before.processor_seconds
    delivered = after.down.delivered - before.down.delivered
    return {
        "asked": load.rate, "sent": sent["sent"], "received": got["received"],
        "packets_s": delivered / elapsed,
        "mbit_s": (after.down.delivered_bytes - before.down.delivered_bytes) * 8e-6 / elapsed,
        "lost": 1.0 - got["received"] / sent["sent"] if sent["sent"] else None,
        "core": (used - had) / elapsed if used is not None and had is not None else None,
        "delay_p50_ms": got["delay_p50_ms"], "delay_p99_ms": got["delay_p99_ms"],
        "late_p50_ms": _milli(figures.lateness_us["p50"]),
        "late_p99_ms": _milli(figures.lateness_us["p99"]),
        "work_p99_ms": _milli(figures.work_us["p99"]), "overruns": figures.overruns,
        "skipped": figures.skipped, "dropped": dict(figures.down.dropped),
        "kernel_dropped": sum(figures.kernel_dropped.values()),
        "scheduling": figures.scheduling, **orders}


def _order_slots(plane: Any, slot_us: int) -> Figures:
    """How long orders take to be in force, at moments of all kinds within a slot."""
    for number in range(200):
        plane.set_backhaul(loss=0.0)
        time.sleep(0.0007 + 0.000013 * (number % 40))
    found = plane.statistics().orders_us
    return {f"control_{name}_slots": None if found[name] is None else found[name] / slot_us
            for name in ("p50", "p99")}


def _milli(microseconds: float | None) -> float | None:
    return None if microseconds is None else microseconds / 1000


@contextmanager
def _worker(namespace: str, role: str, load: Load, seconds: float) -> Iterator[Any]:
    process = report.start(["ip", "netns", "exec", namespace, *report.python(
        OWN, "--worker", role, "--size", load.size, "--rate", load.rate, "--seconds", seconds)], 1)
    try:
        yield process
    finally:
        report.stop(process)


def _last(process: Any, seconds: float) -> Figures:
    output, errors = process.communicate(timeout=READY_SECONDS + seconds)
    if process.returncode:
        raise report.WorkerFailed((errors.strip().splitlines() or ["a worker failed"])[-1])
    figures: Figures = json.loads(output.strip().splitlines()[-1])
    return figures


def send(options: argparse.Namespace) -> None:
    """Datagrams at a steady rate, each with the time of its sending."""
    end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    end.connect((UE, PORT))
    fill = bytes(options.size - HEADERS - STAMP.size)
    began = time.monotonic()
    sent = refused = 0
    while (passed := time.monotonic() - began) < options.seconds:
        due = int(passed * options.rate)
        while sent + refused < due:
            try:
                end.send(STAMP.pack(time.time_ns()) + fill)
                sent += 1
            except OSError:  # the device's queue is full
                refused += 1
        time.sleep(BURST)
    elapsed = time.monotonic() - began
    end.close()
    print(json.dumps({"sent": sent, "refused": refused, "seconds": elapsed}))


def receive(options: argparse.Namespace) -> None:
    """Until nothing has come for a while; one in so many is looked at for its delay."""
    end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        end.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 1 << 26)
    except PermissionError:  # in a user namespace: as much as anyone may have
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 26)
    end.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    end.bind((UE, PORT))
    print("ready", flush=True)
    every = max(1, int(options.rate // 2000))
    received, delays = 0, []
    end.settimeout(READY_SECONDS)
    while True:
        try:
            if received % every:
                end.recv(2048)
            else:
                data, ancillary, _, _ = end.recvmsg(2048, 64)
                seconds, nanoseconds = struct.unpack("qq", ancillary[0][2])
                delays.append(seconds * 10**9 + nanoseconds - STAMP.unpack_from(data)[0])
        except TimeoutError:
            break
        received += 1
        if received == 1:
            end.settimeout(1.0)
    end.close()
    delays.sort()
    print(json.dumps({"received": received} | {
        f"delay_{name}_ms": delays[int(share * (len(delays) - 1))] * 1e-6 if delays else None
        for name, share in (("p50", 0.5), ("p99", 0.99))}))


def print_rows(title: str, rows: list[Figures]) -> None:
    report.print_table(
        title, ["load", "Mbit/s", "packets/s", "lost", "core", "p50 ms", "p99 ms", "late p99 ms",
                "work p99 ms", "control p99", "others' CPUs"],
        [[row["load"], *(row.get(name) for name in (
            "mbit_s", "packets_s", "lost", "core", "delay_p50_ms", "delay_p99_ms", "late_p99_ms",
            "work_p99_ms", "control_p99_slots", "others_busy"))] for row in rows])
    for row in rows:
        if row["reason"]:
            print(f"  {row['load']}: not measured: {row['reason']}")


def met(rows: list[Figures]) -> dict[str, bool | None]:
    """Each goal; None where it was not measured."""
    by_load = {row["load"]: row for row in rows if not row["reason"]}
    most_ms = max((row["slot_us"] for row in rows), default=1000) / 1000 * TARGET_DELAY_SLOTS
    most_ms += TARGET_DELAY_MORE_MS

    def judged(load: str, reached: Callable[[Figures], bool]) -> bool | None:
        row = by_load.get(load)
        return None if row is None else reached(row) and row["lost"] <= MOST_LOST

    return {
        "500 Mbit/s on one core": judged("500 Mbit/s", lambda row: row["mbit_s"] >= (
            0.99 * TARGET_MBPS) and row["core"] <= 1.0),
        "60,000 packets/s on one core": judged("60,000 small", lambda row: row["packets_s"] >= (
            0.99 * TARGET_PACKETS) and row["core"] <= 1.0),
        "added delay p99": judged("idle", lambda row: (row["delay_p99_ms"] or 1e9) <= most_ms),
        "control": judged("idle", lambda row: (
            row["control_p99_slots"] or 1e9) <= TARGET_CONTROL_SLOTS)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two seconds a load")
    parser.add_argument("--seconds", type=float, help="of sending, for each load")
    parser.add_argument("--slot-us", type=int, default=1000, help="microseconds a slot")
    parser.add_argument("--worker", choices=["send", "receive"], help=argparse.SUPPRESS)
    parser.add_argument("--size", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--rate", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        {"send": send, "receive": receive}[options.worker](options)
        return
    options.seconds = options.seconds or (2.0 if options.quick else 5.0)
    rows = measure(seconds=options.seconds, slot_us=options.slot_us)
    print_rows("packets through the user plane, no scheduler", rows)
    goals = met(rows)
    for goal, reached in goals.items():
        print(f"  {goal}: {'not measured' if reached is None else reached}")
    report.finish("cell_packets", vars(options), {"rows": rows, "met": goals})


if __name__ == "__main__":
    main()
