"""The tap under load: packets labelled a second without loss, its share of a core, and how soon.

In a network namespace of its own, a sender puts frames on one end of a wire at a steady rate, a tap
listens at the other, and a subscriber notes when each label came. What is sent is many flows at
once: short ones that come and go, long ones, and a few with the metronome of a split model. Latency
is from the packet or the moment that decided a label (kernel's time stamp) to the subscriber having
the message. Sender, tap and subscriber are processes of their own; two cores carry them all.

    python -m tests.benchmarks.bench_tap --quick
    python -m tests.benchmarks.bench_tap --rates 50000 100000 150000 --seconds 20
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
FRAME_BYTES = (74, 90, 120, 214, 590, 1514, 1514, 1514)  # of the packets: many small, many full
BURST = 0.002  # seconds: what is due in it is sent together
BEGIN = 1.5  # seconds in which all flows begin at once: no latency is taken of them
GROUPS = 50  # of flows, that begin one after the other
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
            {str(rate): functools.partial(run, rate, options) for rate in options.rates}, options)
        rows = [row(rate, measured[str(rate)]) for rate in options.rates]
        report.print_table(
            f"tap of {FLOWS:,} flows at a time, {options.seconds:g} s, {options.rounds} round(s)",
            ["asked for", "sent /s", "seen", "lost", "core", "labels /s", "p50 ms", "p99 ms",
             "others' CPUs"],
            [[f"{entry['rate']:,}", entry["sent_per_s"], entry["seen"], entry["lost"],
              entry["core"], entry["labels_per_s"], entry["p50_ms"], entry["p99_ms"],
              entry["others_busy"]] for entry in rows])
        for entry in rows:
            if entry["reason"]:
                print(f"  {entry['rate']:,}: not measured: {entry['reason']}")
    else:
        print(f"not measured: {reason}")
    met = any(entry["met"] for entry in rows) if rows else None
    print(f"  {TARGET_RATE:,} packets/s without loss at {TARGET_SHARE:g} core, p99 "
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


def row(rate: int, measured: report.Measured) -> Figures:
    names = ("sent_per_s", "seen", "sent", "lost", "core", "labels_per_s", "p50_ms", "p99_ms",
             "others_busy")
    figures: Figures = {name: measured.middle(name) for name in names}
    known = figures["lost"] is not None and figures["p99_ms"] is not None
    return {"rate": rate, "reason": measured.reason, **figures, "met": known and (
        figures["lost"] == 0 and figures["sent_per_s"] >= 0.99 * TARGET_RATE
        and figures["core"] <= TARGET_SHARE * figures["sent_per_s"] / TARGET_RATE
        and figures["p99_ms"] <= TARGET_LATENCY_MS)}


def run(rate: int, options: argparse.Namespace) -> Figures:
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
            "--seconds", options.seconds)], subprocess.PIPE)
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
            "core": core, "labels_per_s": labels["count"] / options.seconds,
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

    frames = make_frames(1 << 17, np.random.default_rng(1))
    data = np.concatenate([np.frombuffer(frame, np.uint8) for frame in frames])
    size = np.array([len(frame) for frame in frames], np.int32)
    start = np.cumsum(size, dtype=np.int64) - size
    sender = Sender(options.interface, bypass=True)
    places, groups = _changing(data, start)
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
                low = places[groups == group % GROUPS]
                data[low] += 2
            renewed = group
            sender.send(data, start[at:at + count], size[at:at + count])
            done += count
    print(json.dumps({"packets": sender.sent.packets, "seconds": time.monotonic() - began}))


def make_frames(count: int, random: np.random.Generator) -> list[bytes]:
    """Ethernet frames of many UDP and TCP flows, mixed; ports tell the flows apart."""
    from tests.pcap_tools.frames import ethernet, tcp, udp

    lengths = {size: bytes(size - 54) for size in FRAME_BYTES}
    frames = []
    for number in range(count):
        flow = int(random.integers(FLOWS)) if number % 4 else number % 40
        host, port = f"10.{flow % 200}.{flow // 200}.2", 20000 + flow % 20000
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
    data: NDArray[np.uint8], start: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where half of the flows have the low byte of their port, and when in a round each changes it.

    A round later such a flow is another: not all at once, which no network does.
    """
    service = data[start + 34] < 78  # ports of 20,000 and more begin with 78
    low = start + np.where(service, 37, 35)
    low = low[data[low] % 2 == 0]
    port = data[low - 1].astype(np.int64) * 256 + data[low]
    return low, port // 2 % GROUPS


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
