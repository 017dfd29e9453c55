"""Runs one tool that is not ours over one capture, and prints what it cost as one line of JSON.

A script of its own without our packages, so that it runs in whatever environment has the tool:

    python others_pcap.py nfstream capture.pcap

CPU seconds are those of this process and its children: `start` until the tool is imported, `cpu`
after that. `in_flows` are packets that its output mentions.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path


class Clock:
    """CPU seconds of this process and its children, and the time, at some moments."""

    def __init__(self) -> None:
        self.began = self.ended = 0.0
        self.wall = time.monotonic()

    def ready(self) -> None:
        """Everything is imported."""
        self.began, self.wall = self._now(), time.monotonic()

    def done(self) -> None:
        """The work is done; the first time counts."""
        if not self.ended:
            self.ended, self.wall = self._now(), time.monotonic() - self.wall

    def _now(self) -> float:
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(one.ru_utime + one.ru_stime for one in used)


CLOCK = Clock()
IDLE, ACTIVE = 120, 1800  # seconds, as ours


def nfstream(paths: list[str]) -> tuple[int, int]:
    """Flows and packets in them, statistics on, no dissection of payloads: its fastest way."""
    from nfstream import NFStreamer  # type: ignore[import-not-found,unused-ignore]  # theirs

    CLOCK.ready()
    flows = packets = 0
    for flow in NFStreamer(source=paths if len(paths) > 1 else paths[0], n_dissections=0,
                           statistical_analysis=True, n_meters=1, idle_timeout=IDLE,
                           active_timeout=ACTIVE):
        flows += 1
        packets += flow.bidirectional_packets
    return flows, packets


def cicflowmeter(paths: list[str]) -> tuple[int, int]:
    import csv

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "flows.csv")
        command = Path(sys.executable).parent / "cicflowmeter"
        subprocess.run([str(command), "-f", paths[0], "-c", str(out)], check=True,
                       capture_output=True)
        rows = list(csv.DictReader(out.open()))
    return len(rows), sum(int(float(row["tot_fwd_pkts"])) + int(float(row["tot_bwd_pkts"]))
                          for row in rows)


def scapy(paths: list[str]) -> tuple[int, int]:
    """Dissect, and count by 5-tuple: the least that a flow table needs."""
    from scapy.layers.inet import IP, TCP, UDP
    from scapy.layers.inet6 import IPv6
    from scapy.utils import PcapReader

    CLOCK.ready()
    flows: dict[object, int] = {}
    for path in paths:
        with PcapReader(path) as reader:  # type: ignore[no-untyped-call,unused-ignore]  # scapy's
            for packet in reader:
                network = packet.getlayer(IP) or packet.getlayer(IPv6)
                transport = packet.getlayer(TCP) or packet.getlayer(UDP)
                if network is not None:
                    ports = (transport.sport, transport.dport) if transport is not None else (0, 0)
                    ends = frozenset([(network.src, ports[0]), (network.dst, ports[1])])
                    key = ends, type(transport)
                    flows[key] = flows.get(key, 0) + 1
    return len(flows), sum(flows.values())


def tshark(paths: list[str]) -> tuple[int, int]:
    """One line of fields a packet; no flows, so every packet is said to be in them."""
    fields = ("frame.time_epoch", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "ip.proto",
              "tcp.srcport", "tcp.dstport", "udp.srcport", "udp.dstport", "frame.len")
    with tempfile.TemporaryFile() as out:
        for path in paths:
            subprocess.run(["tshark", "-n", "-r", path, "-T", "fields",
                            *(word for name in fields for word in ("-e", name))],
                           check=True, stdout=out, stderr=subprocess.DEVNULL)
        out.seek(0)
        return 0, sum(1 for _ in out)


def nfpcapd(paths: list[str]) -> tuple[int, int]:
    """Flows of one direction each, in nfdump's files; packets as nfdump adds them up."""
    with tempfile.TemporaryDirectory() as folder:
        for path in paths:
            subprocess.run(["nfpcapd", "-r", path, "-w", folder, "-e", f"{ACTIVE},{IDLE}"],
                           check=True, capture_output=True)
        CLOCK.done()  # what follows only counts
        done = subprocess.run(["nfdump", "-R", folder, "-I"], check=True, capture_output=True,
                              text=True)
    words = dict(line.split(": ", 1) for line in done.stdout.splitlines() if ": " in line)
    return int(words["Flows"]), int(words["Packets"])


TOOLS: dict[str, Callable[[list[str]], tuple[int, int]]] = {
    "nfstream": nfstream, "cicflowmeter": cicflowmeter, "scapy": scapy, "tshark": tshark,
    "nfpcapd": nfpcapd}
def main() -> None:
    tool, paths = sys.argv[1], sys.argv[2:]
    flows, packets = TOOLS[tool](paths)
    CLOCK.done()
    # What `getrusage` says of this process may be its parent's.
    own = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
    peak = max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
    print(json.dumps({"start": CLOCK.began, "cpu": CLOCK.ended - CLOCK.began, "wall": CLOCK.wall,
                      "peak_mb": peak / 1024, "flows": flows, "in_flows": packets}))


if __name__ == "__main__":
    main()
