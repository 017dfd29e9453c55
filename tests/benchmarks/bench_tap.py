"""The tap under load: packets labelled a second without loss, its share of a core, and how soon.

In a network namespace of its own, a sender puts frames on one end of a wire at a steady rate, a tap
listens at the other, and a subscriber notes when each label came. Latency is from the packet or the
moment that decided a label (kernel's time stamp) to the subscriber having the message. Sender, tap
and subscriber are processes of their own; two cores carry them all.

What is sent is 4,000 flows at a time, in two ways side by side. The hard one decides on the target:
half of the flows are renewed within 1.3 s, so that a judgement comes with every tenth packet. The
one of phones is made up after what is commonly seen of them: a few long flows have nine packets of
ten, all others end after some five seconds and a dozen packets.

Where other programs use the cores too, give the command a real-time priority (`chrt -f 20`); the
last column tells how busy they were.

    python -m tests.benchmarks.bench_tap --quick
    python -m tests.benchmarks.bench_tap --rates 50000 100000 150000 --seconds 20 --loads hard
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks import report
from tests.benchmarks.report import Figures

OWN = "tests.benchmarks.bench_tap"
TARGET_RATE = 100_000  # packets a second without loss
TARGET_SHARE = 0.5  # of a core at that rate
TARGET_LATENCY_MS = 50.0  # p99
FLOWS = 4000  # under way at a time


@dataclass(frozen=True)
class Load:
    """How packets are spread over flows, and which of these make room for others, how soon."""

    cycle: int  # of so many packets
    heavy: int  # these are of
    few: int  # the first so many flows; the others of any flow
    evenly: bool  # every second flow is renewed, else all but the first `few`
    rounds: int  # each after so many rounds of FRAMES packets


LOADS = {"hard": Load(4, 1, 40, True, 1), "phones": Load(10, 9, 400, False, 4)}
DECIDING = "hard"  # the load that the target is about
FRAMES = 1 << 17  # prepared, and sent around and around
FRAME_BYTES = (74, 90, 120, 214, 590, 1514, 1514, 1514)  # of the packets: many small, many full
FIRST_PORT = 20000  # of the flows
BURST = 0.002  # seconds: what is due in it is sent together
BEGIN = 1.5  # seconds in which all flows begin at once: no latency is taken of them
GROUPS = 50  # of a round: flows are renewed one after the other
SETTLE = 2.0  # seconds before the sender begins, and after it ends


def main() -> None:
    options = arguments()
    if options.worker:
        {"send": send, "watch": watch}[options.worker](options)
        return
    from tests.pcap_tools.network import missing

    reason = missing()
    rows: list[Figures] = []
    if reason is None:
        measured = report.round_robin(
            {f"{load} {rate}": functools.partial(run, load, rate, options)
             for rate in options.rates for load in options.loads}, options)
        rows = [row(load, rate, measured[f"{load} {rate}"])
                for load in options.loads for rate in options.rates]
        report.print_table(
            f"tap of {FLOWS:,} flows at a time, {options.seconds:g} s, {options.rounds} round(s)",
            ["load", "asked for", "sent /s", "lost", "core", "judged /s", "labels /s", "p50 ms",
             "p99 ms", "others' CPUs"],
            [[entry["load"], f"{entry['rate']:,}", entry["sent_per_s"], entry["lost"],
              entry["core"], entry["judged_per_s"], entry["labels_per_s"], entry["p50_ms"],
              entry["p99_ms"], entry["others_busy"]] for entry in rows])
        for entry in rows:
            if entry["reason"]:
                print(f"  {entry['load']} {entry['rate']:,}: not measured: {entry['reason']}")
    else:
        print(f"not measured: {reason}")
    deciding = [entry["met"] for entry in rows if entry["load"] == DECIDING]
    met = any(deciding) if deciding else None
    print(f"  {TARGET_RATE:,} packets/s ({DECIDING}) without loss at {TARGET_SHARE:g} core, p99 "
          f"{TARGET_LATENCY_MS:g} ms: {'not measured' if met is None else met}")
    report.finish("tap", vars(options), {"rows": rows, "met": met, "reason": reason})
    if options.check and not met:
        sys.exit(1)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one rate, five seconds")
    parser.add_argument("--check", action="store_true", help="exit 1 where the target is missed")
    parser.add_argument("--rates", type=int, nargs="+", help="packets a second")
    parser.add_argument("--loads", nargs="+", choices=list(LOADS), default=list(LOADS),
                        help="how packets are spread over flows (default: both)")
    parser.add_argument("--seconds", type=float, help="of sending, at each rate")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--bundle", type=Path, help="model (default: the shipped one)")
    parser.add_argument("--no-windows", action="store_true", help="label beginnings alone")
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds a rate may take")
    parser.add_argument("--worker", choices=["send", "watch"], help=argparse.SUPPRESS)
    parser.add_argument("--interface", help=argparse.SUPPRESS)
    parser.add_argument("--address", help=argparse.SUPPRESS)
    parser.add_argument("--rate", type=int, help=argparse.SUPPRESS)
    report.add_quiet_options(parser)
    options = parser.parse_args()
    options.rates = options.rates or ([TARGET_RATE] if options.quick else
                                      [20_000, 50_000, TARGET_RATE, 150_000])
    options.seconds = options.seconds or (5.0 if options.quick else 20.0)
    return options


def row(load: str, rate: int, measured: report.Measured) -> Figures:
    names = ("sent_per_s", "seen", "sent", "lost", "dropped", "core", "judged_per_s",
             "labels_per_s", "missed", "p50_ms", "p99_ms", "others_busy")
    figures: Figures = {name: measured.middle(name) for name in names}
    known = figures["lost"] is not None and figures["p99_ms"] is not None
    return {"load": load, "rate": rate, "reason": measured.reason, **figures, "met": known and (
        figures["lost"] == 0 and figures["sent_per_s"] >= 0.99 * TARGET_RATE
        and figures["core"] <= TARGET_SHARE * figures["sent_per_s"] / TARGET_RATE
        and figures["p99_ms"] <= TARGET_LATENCY_MS)}


def run(load: str, rate: int, options: argparse.Namespace) -> Figures:
    """One rate: tap, subscriber and sender, each a process."""
    from tests.pcap_tools.network import namespace

    beside: Figures = {}
    with ExitStack() as stack:
        network = stack.enter_context(namespace())
        inside = ["ip", "netns", "exec", network.name]
        address = f"ipc:///tmp/{network.name}.labels"
        stack.callback(lambda: Path(address.removeprefix("ipc://")).unlink(missing_ok=True))
        chosen = ["--bundle", str(options.bundle)] if options.bundle else []
        windows = ["--no-windows"] if options.no_windows else []
        tap = _start(stack, [*inside, *report.python(
            "testbed.cli", "tap", network.far, "--publish", address, "--json", *chosen, *windows)],
            subprocess.PIPE)
        assert tap.stdout is not None
        statuses = [json.loads(tap.stdout.readline())]  # it listens
        watcher = _start(stack, report.python(
            OWN, "--worker", "watch", "--address", address), subprocess.PIPE)
        time.sleep(SETTLE)
        before = _cpu_seconds(tap.pid)
        sender = _start(stack, [*inside, *report.python(
            OWN, "--worker", "send", "--interface", network.near, "--rate", rate,
            "--loads", load, "--seconds", options.seconds)], subprocess.PIPE)
        with report.others_busy(beside):
            output, _ = sender.communicate(timeout=options.timeout)
        core = (_cpu_seconds(tap.pid) - before) / options.seconds
        time.sleep(SETTLE)
        tap.terminate()
        rest, _ = tap.communicate(timeout=options.timeout)
        statuses += [json.loads(line) for line in rest.splitlines()]
        watcher.terminate()
        seen, _ = watcher.communicate(timeout=options.timeout)
    sent, labels, last = json.loads(output), json.loads(seen), statuses[-1]
    return {"sent": sent["packets"], "sent_per_s": sent["packets"] / sent["seconds"],
            "seen": last["packets"], "lost": max(sent["packets"] - last["packets"], 0),
            "dropped": last["dropped"], "core": core,
            "judged_per_s": last["judged"] / options.seconds,
            "labels_per_s": labels["count"] / options.seconds,
            "p50_ms": labels["p50_ms"], "p99_ms": labels["p99_ms"],
            "missed": labels["missed"], **beside}


def _start(stack: ExitStack, command: list[str], out: int) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(report.ROOT)}
    process = subprocess.Popen(command, stdout=out, text=True, env=environment, cwd=report.ROOT)
    stack.callback(report.stop, process)
    return process


def _cpu_seconds(pid: int) -> float:
    """Of the process and its threads; `ip netns exec` becomes what it starts."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def send(options: argparse.Namespace) -> None:
    """Frames at a steady rate, prepared beforehand and sent around and around."""
    from pcap_tools.sending import Sender

    load = LOADS[options.loads[0]]
    frames = make_frames(FRAMES, np.random.default_rng(1), load)
    data = np.concatenate([np.frombuffer(frame, np.uint8) for frame in frames])
    size = np.array([len(frame) for frame in frames], np.int32)
    start = np.cumsum(size, dtype=np.int64) - size
    sender = Sender(options.interface, bypass=True)
    places, groups = _changing(data, start, load)
    renewed = 0
    began, done, total = time.monotonic(), 0, int(options.rate * options.seconds)
    while done < total:
        due = min(int((time.monotonic() - began) * options.rate), total)
        if due == done:
            time.sleep(BURST)
            continue
        while done < due:
            at = done % len(frames)
            count = min(due - done, len(frames) - at, 512)
            group = done * GROUPS // len(frames)
            if group != renewed and done >= len(frames):
                low = places[groups == group % (GROUPS * load.rounds)]
                data[low] += 2
            renewed = group
            sender.send(data, start[at:at + count], size[at:at + count])
            done += count
    print(json.dumps({"packets": sender.sent.packets, "seconds": time.monotonic() - began}))


def make_frames(
    count: int, random: np.random.Generator, load: Load = LOADS[DECIDING],
) -> list[bytes]:
    """Ethernet frames of many UDP and TCP flows, mixed; ports tell the flows apart."""
    from tests.pcap_tools.frames import ethernet, tcp, udp

    lengths = {size: bytes(size - 54) for size in FRAME_BYTES}
    frames = []
    for number in range(count):
        crowded = number % load.cycle < load.heavy
        flow = number % load.few if crowded else int(random.integers(FLOWS))
        host, port = f"10.{flow % 200}.{flow // 200}.2", FIRST_PORT + flow
        payload = lengths[int(random.choice(FRAME_BYTES))]
        ends = (host, "192.0.2.1", (port, 443))
        if flow % 3:
            back = random.random() < 0.6
            ends = ("192.0.2.1", host, (443, port)) if back else ends
            frames.append(ethernet(0x0800, tcp(*ends, payload)))
        else:
            frames.append(ethernet(0x0800, udp(*ends, payload)))
    return frames


def _changing(
    data: NDArray[np.uint8], start: NDArray[np.int64], load: Load = LOADS[DECIDING],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where flows that are renewed have the low byte of their port, and when each changes it.

    From then on such a flow is another, as its host has no other port: not all at once, which no
    network does.
    """
    service = data[start + 34] < FIRST_PORT >> 8
    low = start + np.where(service, 37, 35)
    port = data[low - 1].astype(np.int64) * 256 + data[low]
    renewed = port % 2 == 0 if load.evenly else port >= FIRST_PORT + load.few
    low, port = low[renewed], port[renewed]
    return low, (port // 2 if load.evenly else port) % (GROUPS * load.rounds)


def watch(options: argparse.Namespace) -> None:
    """Note how late each label is, until told to end."""
    import signal

    from classifier.messages import Labelled
    from classifier.publisher import Subscriber

    subscriber = Subscriber(options.address, ("label.",))
    late: list[float] = []
    first: int | None = None
    count = 0
    ended: list[bool] = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
    while not ended:
        message = subscriber.receive(0.1)
        if isinstance(message, Labelled) and not message.ended:
            first, count = first or message.at, count + 1
            if message.at - first > BEGIN * 1e9:
                late.append((time.time_ns() - message.at) / 1e6)
    quantiles: dict[str, Any] = {"p50_ms": None, "p99_ms": None}
    if late:
        ordered = sorted(late)
        quantiles = {"p50_ms": ordered[len(ordered) // 2],
                     "p99_ms": ordered[min(int(0.99 * len(ordered)), len(ordered) - 1)]}
    print(json.dumps({"count": count, "missed": subscriber.gaps.missed} | quantiles))


if __name__ == "__main__":
    main()
