"""Packets a second from an interface, without loss: our ring, our sniffer, scapy's own.

A sender and a listener, each a process of its own, on the two ends of a wire (veth) in a network
namespace that is made for this and removed. The listener's processor time is told as cores: what it
used for each second of traffic. The kernel copies frames into the ring on the sender's account,
as it does on an interrupt's account with a real device.

`ring` takes frames alone, `ring, flows` makes flows and samples of them, `ring, file` writes a
capture, `ring, no copy` leaves frames in the kernel's blocks, to see what copying them out costs.

    python -m tests.benchmarks.bench_live --quick
    python -m tests.benchmarks.bench_live --rates 10000 160000 --seconds 10 --rounds 3 --check
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcap_tools import ring
from pcap_tools.compiled import compiled
from pcap_tools.listening import counted
from pcap_tools.live import LiveConfig, RingShape, RingSource, SnifferSource
from pcap_tools.records import Records
from pcap_tools.replay import ReplayConfig, replay
from pcap_tools.sending import Sender
from tests.benchmarks import report, traffic
from tests.benchmarks.report import Figures
from tests.pcap_tools import network

RING, RING_FLOWS, RING_FILE, BARE = "ring", "ring, flows", "ring, file", "ring, no copy"
SNIFFER, SCAPY = "our sniffer", "scapy's own"
FAST, SLOW = (RING, RING_FLOWS, RING_FILE, BARE), (SNIFFER, SCAPY)
TARGET_RATE, TARGET_CORES = 150_000, 0.5
RATES = [3_000, 10_000, 160_000]
READY = "listening"
SILENCE = 1.0  # seconds without a packet after which the sender has ended
FEW = 100  # frames to warm up with
MIX = traffic.Mix(packets=100_000, flows=2_000, seed=7, seconds=20.0)


def main() -> None:
    options = arguments()
    if options.worker:
        (send if options.worker == "send" else listen)(options)
        return
    if network.missing() is not None:
        report.progress(f"not measured: {network.missing()}")
        report.finish("live", vars(options), {"reason": network.missing()})
        return
    with network.namespace() as space:
        contenders = {f"{name} at {rate:,}": lambda name=name, rate=rate: run(
            space, name, rate, options) for rate in options.rates
            for name in (*FAST, *SLOW) if name in FAST or rate <= options.slow_most}
        measured = report.round_robin(contenders, options)
    rows = [{"listener": name, "sent_per_s": one.middle("sent_per_s"),
             "heard_percent": one.middle("heard_percent"), "dropped": one.middle("dropped"),
             "cores": one.middle("cores"), "mbit_per_s": one.middle("mbit_per_s"),
             "reason": one.reason} for name, one in measured.items()]
    report.print_table(
        f"one interface, {options.seconds:g} s each, {options.rounds} round(s), medians",
        ["", "sent a s", "Mbit/s", "heard %", "counted as dropped", "cores"],
        [[row["listener"], row["sent_per_s"], row["mbit_per_s"], row["heard_percent"],
          row["dropped"], row["cores"]] for row in rows])
    met = verdict(rows)
    word = {True: "met", False: "MISSED", None: "not measured, for want of a faster sender"}[met]
    print(f"  {RING}, {TARGET_RATE:,} a second, no loss, at most {TARGET_CORES} cores: {word}")
    report.finish("live", vars(options), {
        "rows": rows, "met": met, "rounds": {name: one.rounds for name, one in measured.items()}})
    if options.check and met is False:
        sys.exit(1)


def verdict(rows: list[Figures]) -> bool | None:
    """Whether the ring keeps up with the target's rate; None where nobody could send that much."""
    tried = [row for row in rows if row["listener"].startswith(f"{RING} at ")
             and (row["sent_per_s"] or 0) >= TARGET_RATE]
    if not tried:
        return None
    return any(row["heard_percent"] == 100 and row["cores"] <= TARGET_CORES for row in tried)


def run(space: network.Namespace, name: str, rate: float, options: argparse.Namespace) -> Figures:
    """One listener and one sender, in the namespace."""
    inside = ["ip", "netns", "exec", space.name]

    def worker(role: str) -> list[str]:
        return [*inside, *report.python(
            "tests.benchmarks.bench_live", "--worker", role, "--listener", name, "--rates", rate,
            "--seconds", options.seconds)]

    listener = report.start(worker("listen"), 1)
    try:
        report.wait_for_line(listener, READY, 300)  # the first time everything is compiled
        sent = report.run_worker(worker("send"), 1, options.seconds + 120)
        output, errors = listener.communicate(timeout=60)
    except subprocess.TimeoutExpired as error:
        raise report.WorkerFailed("the listener did not end") from error
    finally:
        report.stop(listener)
    if listener.returncode != 0 or not output.strip():
        raise report.WorkerFailed((errors.strip().splitlines() or ["it ended without a word"])[-1])
    heard = json.loads(output.strip().splitlines()[-1])
    return {**sent, **heard, "sent_per_s": sent["packets"] / sent["seconds"],
            "mbit_per_s": sent["bytes"] * 8e-6 / sent["seconds"],
            "heard_percent": 100 * heard["heard"] / sent["packets"],
            "cores": heard["cpu_s"] / sent["seconds"], "sender_cores":
            sent["cpu_s"] / sent["seconds"]}


def send(options: argparse.Namespace) -> None:
    """Send made-up traffic for some seconds at the rate, and say how it went."""
    runs = list(traffic.batches(MIX, traffic.plan(MIX)))
    rate = options.rates[0]
    wanted = int(rate * options.seconds)
    with Sender("near") as sender:
        used = time.process_time()
        done = replay(repeated(runs, wanted), sender, ReplayConfig(rate=rate), time.monotonic_ns,
                      time.sleep)
        print(json.dumps({"packets": sender.sent.packets, "bytes": sender.sent.bytes,
                          "seconds": done.seconds,
                          "late_ms": done.as_dict()["late_ms_p99"],
                          "cpu_s": time.process_time() - used}))


def repeated(runs: list[Records], wanted: int) -> Iterator[Records]:
    while wanted > 0:
        for records in runs:
            if wanted <= 0:
                return
            count = min(len(records), wanted)
            yield Records(records.data, records.start[:count], records.captured[:count],
                          records.length[:count], records.time[:count], records.link[:count],
                          records.interface[:count])
            wanted -= count


def listen(options: argparse.Namespace) -> None:
    """Hear until the sender has ended, after a few frames of our own that warm everything up."""
    if options.listener == SCAPY:
        listen_scapy()
        return
    config = LiveConfig(tick=SILENCE, ring=RingShape(blocks=64, retire_ms=10),
                        ignore_outgoing=True)
    kinds: dict[str, Any] = {BARE: BareSource, SNIFFER: SnifferSource}
    source = kinds.get(options.listener, RingSource)("far", "", config)
    take = consumer(options.listener)
    send_a_few()
    heard, used, warm = 0, 0.0, False
    for records in source:
        heard += len(records)
        if len(records):
            take(records)
        elif warm and heard:
            source.close()
        elif not warm and heard >= FEW:
            heard, used, warm = 0, time.process_time(), True
            print(READY, flush=True)
    print(json.dumps({"heard": heard, "cpu_s": time.process_time() - used,
                      "dropped": source.counters.dropped}))


def send_a_few() -> None:
    few = traffic.Mix(packets=FEW, flows=50, seed=7, seconds=1.0)
    with Sender("near") as sender:
        for records in traffic.batches(few, traffic.plan(few)):
            sender.send(records.data, records.start, records.captured)


def consumer(name: str) -> Any:
    """What is done with the frames."""
    if name == RING_FLOWS:
        from pcap_tools.flow_engine import FlowEngine

        engine = FlowEngine()

        def take(records: Records) -> None:
            engine.feed(records)
            engine.flows()
            engine.samples()

        return take
    if name == RING_FILE:
        import tempfile

        from pcap_tools.write import PcapWriter

        folder = "/dev/shm" if Path("/dev/shm").is_dir() else None
        file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  # as long as the process
        writer = PcapWriter(file)

        def write(records: Records) -> None:
            if writer.bytes > 200 << 20:  # a disk of memory: the machine's has other work
                file.truncate(0)
                writer.bytes = 0
            writer.write(records)

        return write
    return lambda records: None


def listen_scapy() -> None:
    """As its manual has it: a function that is called with each packet."""
    from scapy.config import conf
    from scapy.layers import inet, inet6, l2  # noqa: F401  # before a socket asks for them
    from scapy.sendrecv import AsyncSniffer

    heard, last, lock = 0, time.monotonic(), threading.Lock()

    def take(_: object) -> None:
        nonlocal heard, last
        with lock:
            heard, last = heard + 1, time.monotonic()

    sniffer = AsyncSniffer(opened_socket=conf.L2listen(iface="far"), prn=take, store=False)
    sniffer.start()
    time.sleep(0.5)
    used = time.process_time()
    print(READY, flush=True)
    while not heard or time.monotonic() - last < SILENCE:
        time.sleep(0.05)
    print(json.dumps({"heard": heard, "cpu_s": time.process_time() - used, "dropped": None}))
    sniffer.stop()


class BareSource(RingSource):
    """The ring without the copy: its records are void once the next ones are asked for."""

    def _take(self, block: int) -> Records:
        assert self._ring is not None
        begin = block * self.config.ring.block_bytes
        head = self._ring[begin:begin + 48].view(np.uint32)
        frames = int(head[ring.BLOCK_FRAMES >> 2])
        start, times = np.empty(frames, np.int64), np.empty(frames, np.int64)
        captured, length = np.empty(frames, np.int32), np.empty(frames, np.int32)
        walk(self._ring, begin, start, captured, length, times)
        head[ring.BLOCK_STATUS >> 2] = ring.OF_KERNEL
        return counted(self.counters, Records(
            self._ring, start, captured, length, times, np.full(frames, self.link, np.uint16),
            np.zeros(frames, np.int32)))


@compiled
def walk(data: NDArray[np.uint8], begin: int, start: NDArray[np.int64],
         captured: NDArray[np.int32], length: NDArray[np.int32], time: NDArray[np.int64]) -> None:
    """Where the frames of a block are."""
    words, halves = data.view(np.uint32), data.view(np.uint16)
    at = begin + int(words[(begin + ring.BLOCK_FIRST) >> 2])
    for row in range(len(start)):
        word = at >> 2
        start[row] = at + int(halves[(at >> 1) + ring.MAC])
        captured[row] = words[word + ring.CAPTURED]
        length[row] = words[word + ring.LENGTH]
        time[row] = (int(words[word + ring.SECONDS]) * 1_000_000_000
                     + int(words[word + ring.NANOSECONDS]))
        at += int(words[word + ring.NEXT])


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--check", action="store_true", help="exit 1 where the target is missed")
    parser.add_argument("--rates", type=int, nargs="+", default=RATES,
                        metavar="PACKETS_PER_S", help="(default: %(default)s)")
    parser.add_argument("--slow-most", type=int, default=10_000, metavar="PACKETS_PER_S",
                        help="up to this rate scapy is tried, too (default: %(default)s)")
    parser.add_argument("--seconds", type=float, help="of traffic (default: 8)")
    parser.add_argument("--rounds", type=int, help="default 3")
    parser.add_argument("--worker", choices=["send", "listen"], help=argparse.SUPPRESS)
    parser.add_argument("--listener", help=argparse.SUPPRESS)
    report.add_quiet_options(parser)
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 3)
    options.seconds = options.seconds or (2.0 if options.quick else 8.0)
    if options.quick and options.rates == RATES:
        options.rates = RATES[1:]
    return options


if __name__ == "__main__":
    main()
