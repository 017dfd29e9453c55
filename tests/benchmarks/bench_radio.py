"""The virtual radio's pace: samples a second through the broker, beside what the radios need.

The broker is a process of its own, as `airsplit radio run` is; a gNB and UEs are threads of another
one that send and fetch 1 ms at a time over TCP, as srsRAN's radios do, as fast as they are let. The
air is gain and noise, or a fading delay line (TDLC300 has nine taps at that rate). Two cores carry
them all. `mixing` is the part of a core that the sums alone took for each second of the radio;
`awaited` is the part of the time for which the broker waited for the slowest peer, the rest being
its own. The broker has the priority of this command, and then a real-time one where that is
permitted; the peers have that of this command.

    python -m tests.benchmarks.bench_radio --quick
    python -m tests.benchmarks.bench_radio --seconds 10 --rounds 5
"""

from __future__ import annotations

import argparse
import functools
import json
import socket
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from testbed.radio.settings import PathSettings, RadioSettings, Station
from tests.benchmarks import report
from tests.benchmarks.report import Figures, Measured


@dataclass(frozen=True)
class Case:
    """An air to be measured."""

    name: str
    ues: int
    rate: float  # MS/s that it has to reach
    profile: str = "none"


CASES = (Case("1 UE, gain and noise", 1, 23.04), Case("3 UEs, gain and noise", 3, 11.52),
         Case("1 UE, TDLC300 (9 taps), noise", 1, 11.52, "tdlc300"))
PRIORITIES = (0, RadioSettings.real_time_priority)  # of the broker
JOINING = 60.0  # seconds, of processes that load numba on a busy machine
DOPPLER = 70.0  # Hz: 30 km/h at 2.6 GHz


def main() -> int:
    options = arguments()
    if options.worker is not None:
        return worker(options)
    contenders = [(case, priority) for case in CASES for priority in PRIORITIES]
    measured = report.round_robin(
        {named(case, priority): functools.partial(report.run_worker, report.python(
            "tests.benchmarks.bench_radio", "--worker", CASES.index(case), "--priority", priority,
            "--seconds", options.seconds), 2, options.timeout)
         for case, priority in contenders}, options)
    rows = [row(case, priority, measured[named(case, priority)]) for case, priority in contenders]
    report.print_table(
        f"the virtual radio, {options.seconds:g} s, {options.rounds} round(s)",
        ["air", "priority", "MS/s", "needed", "times real time", "mixing, cores", "awaited",
         "others' CPUs"],
        [[one["air"], one["priority"], one["msps"], one["needed_msps"], one["times"],
          one["mixing_cores"], one["awaited"], one["others_busy"]] for one in rows])
    for one in rows:
        if one["reason"] is not None:
            print(f"  {one['air']}: not measured: {one['reason']}")
    met = {priority: all(one["times"] is not None and one["times"] >= 1 for one in rows
                         if one["asked_priority"] == priority) for priority in PRIORITIES}
    print(f"  every air in real time: {met[PRIORITIES[1]]}; unasked for priority: {met[0]}")
    report.finish("radio", vars(options), {"rows": rows, "met": met[PRIORITIES[1]],
                                           "met_unasked": met[0]})
    return 1 if options.check and not met[PRIORITIES[1]] else 0


def named(case: Case, priority: int) -> str:
    return f"{case.name}, priority {priority}"


def row(case: Case, priority: int, measured: Measured) -> Figures:
    msps = measured.middle("msps")
    return {"air": case.name, "asked_priority": priority, "priority": measured.middle("priority"),
            "msps": msps, "needed_msps": case.rate, "times": report.ratio(msps, case.rate),
            "others_busy": measured.middle("others_busy"), "awaited": measured.middle("awaited"),
            "mixing_cores": measured.middle("mixing_cores"), "reason": measured.reason}


def worker(options: argparse.Namespace) -> int:
    """Radios of one case in this process, the broker in another."""
    import multiprocessing

    case = CASES[int(options.worker)]
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    ports = free_ports(2 * (case.ues + 1))
    process = spawn.Process(target=broker, args=(theirs, case, options.priority,
                                                 ports))
    process.start()
    try:
        stop = threading.Event()
        size = int(case.rate * 1000)
        threads = [threading.Thread(target=work, args=(f"tcp://127.0.0.1:{port}", size, stop),
                                    daemon=True)
                   for place, port in enumerate(ports) for work in [(send, fetch)[place % 2]]]
        for thread in threads:
            thread.start()
        first = all_joined(ours, case.ues + 1)
        time.sleep(options.seconds)
        last = ours_asks(ours)
        if last["joined"] != case.ues + 1:
            raise RuntimeError(f"only {last['joined']} of {case.ues + 1} stations joined")
        passed = last["at"] - first["at"]
        samples = last["position"] - first["position"]
        print(json.dumps({
            "msps": samples / passed / 1e6, "priority": last["priority"],
            "awaited": max(last["awaited"][name] - first["awaited"][name]
                           for name in last["awaited"]) / passed,
            "mixing_cores": (last["mixing"] - first["mixing"]) / samples * case.rate * 1e6}))
        ours.send("end")
        stop.set()
        for thread in threads:
            thread.join(10)
    finally:
        process.join(10)
        process.kill()
    return 0


def all_joined(pipe: Any, stations: int) -> dict[str, Any]:
    """What the broker says once everybody is there."""
    deadline = time.monotonic() + JOINING
    while (said := ours_asks(pipe))["joined"] != stations:
        if time.monotonic() > deadline:
            raise TimeoutError(f"only {said['joined']} of {stations} stations joined")
        time.sleep(0.05)
    return said


def ours_asks(pipe: Any) -> dict[str, Any]:
    pipe.send("now")
    if not pipe.poll(JOINING):
        raise TimeoutError("the broker does not answer")
    answer: dict[str, Any] = pipe.recv()
    return answer


def broker(pipe: Any, case: Case, priority: int, ports: Sequence[int]) -> None:
    """The broker, which tells how far it is when asked."""
    from pcap_tools.scheduling import priority_of
    from testbed.radio.broker import Broker

    stations = [Station(f"s{place}", f"tcp://127.0.0.1:{ports[2 * place]}",
                        f"tcp://127.0.0.1:{ports[2 * place + 1]}", 25.0)
                for place in range(case.ues + 1)]
    settings = RadioSettings((stations[0],), tuple(stations[1:]), case.rate * 1e6,
                             real_time_priority=priority,
                             control=f"tcp://127.0.0.1:{free_ports(1)[0]}")
    settings = replace(settings, paths={
        link: PathSettings(3.0, profile=case.profile, doppler=DOPPLER) for link in settings.links})
    running = Broker(settings)
    thread = threading.Thread(target=running.run)
    thread.start()
    while pipe.recv() == "now":
        tallies = running.mixer.tallies
        pipe.send({"position": running.mixer.position, "at": time.monotonic(),
                   "priority": priority_of(thread.native_id or 0),
                   "awaited": {name: one.awaited for name, one in tallies.items()},
                   "mixing": running.busy_seconds, "joined": len(running.mixer.joined)})
    running.stop()
    thread.join()


def send(place: str, size: int, stop: threading.Event) -> None:
    """A transmitter."""
    import numpy as np
    import zmq

    samples = (np.random.default_rng(1).normal(size=2 * size) * 500).astype(np.float32).tobytes()
    context: zmq.Context[Any] = zmq.Context()
    reply = context.socket(zmq.REP)
    reply.setsockopt(zmq.LINGER, 0)
    reply.bind(place)
    while not stop.is_set():
        if reply.poll(100):
            reply.recv()
            reply.send(samples, copy=False)
    context.destroy(0)


def fetch(place: str, size: int, stop: threading.Event) -> None:
    """A receiver."""
    import zmq

    context: zmq.Context[Any] = zmq.Context()
    request = context.socket(zmq.REQ)
    request.setsockopt(zmq.LINGER, 0)
    request.connect(place)
    request.send(b"\x01")
    while not stop.is_set():
        if request.poll(100):
            request.recv(copy=False)
            request.send(b"\x01")
    context.destroy(0)


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens at now."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one round of three seconds")
    parser.add_argument("--check", action="store_true", help="exit 1 where real time is missed")
    parser.add_argument("--seconds", type=float, help="of each measurement (default: 8)")
    parser.add_argument("--rounds", type=int, help="default 3")
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds a round may take")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--priority", type=int, default=0, help=argparse.SUPPRESS)
    report.add_quiet_options(parser)
    options = parser.parse_args()
    options.seconds = options.seconds or (3.0 if options.quick else 8.0)
    options.rounds = options.rounds or (1 if options.quick else 3)
    return options


if __name__ == "__main__":
    sys.exit(main())
