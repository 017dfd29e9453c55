"""Captures to flow tables: ours beside NFStream, cicflowmeter, scapy, tshark and nfpcapd.

Makes captures of mixed traffic (3 million packets of 60,000 flows; in GTP-U; cut to 96 bytes),
and runs each tool over them in a process of its own: ours from file to Parquet, NFStream with
statistics and without dissection, the slow ones over the first packets only. Figures are CPU
seconds after imports (wall time is noise on a busy machine), peak memory, and what became of every
packet: in a flow, counted as no IP or the like, or lost without a word.

    python -m tests.benchmarks.bench_pcap --quick
    python -m tests.benchmarks.bench_pcap --others-python ~/others/bin/python --folder captures/

The tools in Python are run by the one given, where `pip install nfstream cicflowmeter scapy==2.5.0`
was done (cicflowmeter finds no flow at all with newer ones of scapy); scapy is measured by our own.
"""

from __future__ import annotations

import argparse
import functools
import json
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks import report
from tests.benchmarks.report import Figures, Measured

if TYPE_CHECKING:
    from pcap_tools.parallel import ParallelTables

OURS, FEATURES, PROCESSES = "ours, flows", "ours, features", "ours, flows, two processes"
NFSTREAM = "nfstream"
SUBSETS = {"tshark": 300_000, "cicflowmeter": 20_000, "scapy": 20_000}  # of packets
OTHERS = ("nfstream", "nfpcapd", "tshark", "cicflowmeter", "scapy")
BY_PROGRAM = ("nfpcapd", "tshark")  # run by our Python, if the program is installed
FASTER, PEAK_MB, TUNNEL_SHARE = 10.0, 400.0, 0.5  # targets: times NFStream; megabytes; of the rate
TIMEOUT = 1800.0


@dataclass(frozen=True)
class Case:
    """One capture, or a folder of them, and who reads it."""

    name: str
    path: Path
    packets: int
    tools: tuple[str, ...]


def main() -> None:
    options = arguments()
    if options.worker:
        print(json.dumps(work(options)))
        return
    with tempfile.TemporaryDirectory(dir=options.scratch, prefix="airsplit-") as folder:
        cases = captures(options, Path(folder))
        measured = {case.name: report.round_robin(contenders(case, options), options)
                    for case in cases}
    rows = [row(case, tool, measured[case.name]) for case in cases for tool in measured[case.name]]
    for case in cases:
        report.print_table(
            f"{case.name}: {case.packets:,} packets",
            ["", "of packets", "CPU s", "packets/CPU s", "x nfstream", "wall s", "start s",
             "peak MB", "flows", "in flows", "lost"],
            [[one["tool"], *(one[name] for name in (
                "packets", "cpu", "rate", "times_nfstream", "wall", "start", "peak_mb",
                "flows", "in_flows", "lost"))] for one in rows if one["case"] == case.name])
        for one in rows:
            if one["case"] == case.name and one["reason"]:
                print(f"  {one['tool']}: not measured: {one['reason']}")
    targets = judge(rows)
    for target, (value, met) in targets.items():
        words = {True: "met", False: "MISSED", None: "not measured"}[met]
        print(f"  {target}: {'-' if value is None else f'{value:.2f}'}, {words}")
    report.finish("pcap", vars(options), {"rows": rows, "targets": targets})
    if options.check and any(met is not True for _, met in targets.values()):
        sys.exit(1)


def captures(options: argparse.Namespace, folder: Path) -> list[Case]:
    """Make what is measured on."""
    from tests.benchmarks import traffic

    mix = traffic.Mix(options.packets, options.flows)
    mixed = (OURS, FEATURES, *OTHERS)
    cases = [Case("mixed", folder / "mixed.pcap", mix.packets, mixed),
             Case("in GTP-U", folder / "tunnel.pcap", mix.packets, (OURS, NFSTREAM)),
             Case("cut to 96 bytes", folder / "cut.pcap", mix.packets,
                  (OURS, NFSTREAM, "nfpcapd"))]
    files = folder / "all"
    files.mkdir()
    for case, variant in zip(cases, (mix, replace(mix, tunnel=True), replace(mix, snap=96)),
                             strict=True):
        report.progress(f"making {case.packets:,} packets: {case.name}")
        traffic.write(variant, case.path)
        (files / case.path.name).hardlink_to(case.path)
    cases.append(Case("these three files", files, 3 * mix.packets, (OURS, PROCESSES)))
    for tool, most in SUBSETS.items():
        traffic.write(mix, subset(cases[0].path, tool), min(most, mix.packets))
    if options.folder:
        from pcap_tools.read import open_captures

        reader = open_captures([options.folder])
        packets = sum(len(records) for records in reader)
        cases.append(Case("real captures", options.folder, packets,
                          (OURS, FEATURES, NFSTREAM)))
    return cases


def subset(path: Path, tool: str) -> Path:
    return path.with_name(f"{path.stem}-{tool}.pcap")


def contenders(case: Case, options: argparse.Namespace) -> dict[str, Callable[[], Figures]]:
    """What runs over a case, by name."""
    made: dict[str, Callable[[], Figures]] = {}
    for tool in case.tools:
        if tool in (OURS, FEATURES, PROCESSES):
            made[tool] = functools.partial(run_ours, case, tool)
        else:
            made[tool] = functools.partial(run_other, case, tool, options)
    return made


def run_ours(case: Case, kind: str) -> Figures:
    return report.run_worker(report.python("tests.benchmarks.bench_pcap", "--worker", kind,
                                           "--capture", case.path), 1, TIMEOUT)


def run_other(case: Case, tool: str, options: argparse.Namespace) -> Figures:
    if tool in BY_PROGRAM and shutil.which(tool) is None:
        raise report.WorkerFailed(f"{tool} is not installed")
    own = tool in BY_PROGRAM or tool == "scapy"
    if not own and options.others_python is None:
        raise report.WorkerFailed("no --others-python was given")
    paths = [case.path]
    if case.path.is_dir():
        paths = sorted(path for path in case.path.rglob("*") if path.is_file())
    elif tool in SUBSETS:
        paths = [subset(case.path, tool)]
    script = Path(__file__).with_name("others_pcap.py")
    return report.run_worker([sys.executable if own else str(options.others_python), str(script),
                              tool, *map(str, paths)], 1, TIMEOUT)


def work(options: argparse.Namespace) -> Figures:
    """Ours, in a process of its own: from files to Parquet."""
    from pcap_tools.packets import Status
    from pcap_tools.write import PcapWriter

    with tempfile.TemporaryDirectory() as folder:
        out, first = Path(folder, "table.parquet"), Path(folder, "first.pcap")
        with PcapWriter(first) as writer:
            writer.write_frame(0, bytes(60))
        write_table(options.worker, first, out)  # imports and loads what is compiled
        start, began = time.process_time(), time.monotonic()
        tables, in_flows = write_table(options.worker, options.capture, out)
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu = sum(one.ru_utime + one.ru_stime for one in used) - start
    flowing = tables.packets[Status.FLOW] + tables.packets[Status.FRAGMENT]
    return {"start": start, "cpu": cpu, "wall": time.monotonic() - began,
            "peak_mb": max(peak_bytes() / 2**20, used[1].ru_maxrss / 1024),
            "flows": tables.flows, "in_flows": flowing if in_flows is None else in_flows,
            "otherwise": sum(tables.packets.values()) - flowing}


def write_table(kind: str, capture: Path, out: Path) -> tuple[ParallelTables, int | None]:
    """Everything of `capture` into `out`; packets in the flows written, if they are flows."""
    from pcap_tools import features
    from pcap_tools.export import TableWriter, column_names
    from pcap_tools.flows import FlowConfig
    from pcap_tools.parallel import ParallelTables, Wanted

    samples = kind == FEATURES
    wanted = Wanted(FlowConfig(samples=samples), samples)
    vector = [feature.name for feature in features.FEATURES] if samples else []
    tables = ParallelTables([capture], wanted, 2 if kind == PROCESSES else 1)
    in_flows = 0
    with TableWriter(str(out), wanted.kind, column_names(wanted.kind, vector), None,
                     vector) as writer:
        for rows in tables:
            writer.write(rows)
            if not samples:
                in_flows += int(rows["packets_up"].sum() + rows["packets_down"].sum())
    return tables, None if samples else in_flows


def peak_bytes() -> int:
    """Most memory this process ever had; what `getrusage` says may be its parent's."""
    text = Path("/proc/self/status").read_text()
    return int(text.split("VmHWM:")[1].split()[0]) * 1024


def row(case: Case, tool: str, measured: dict[str, Measured]) -> Figures:
    """One tool's figures over one case."""
    one = measured[tool]
    packets = case.packets if case.path.is_dir() else min(
        SUBSETS.get(tool, case.packets), case.packets)
    base = report.ratio(case.packets, measured.get(NFSTREAM, Measured()).middle("cpu"))
    rate = report.ratio(packets, one.middle("cpu"))
    in_flows, otherwise = one.middle("in_flows"), one.middle("otherwise")
    return {
        "case": case.name, "tool": tool, "packets": packets, "cpu": one.middle("cpu"),
        "rate": rate, "times_nfstream": report.ratio(rate, base), "start": one.middle("start"),
        "wall": one.middle("wall"), "peak_mb": one.middle("peak_mb"),
        "flows": _whole(one.middle("flows")),
        "in_flows": _whole(in_flows), "otherwise": _whole(otherwise),
        "lost": None if in_flows is None else int(packets - in_flows - (otherwise or 0)),
        "others_busy": one.middle("others_busy"), "rounds": one.rounds, "reason": one.reason}


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def judge(rows: list[Figures]) -> dict[str, tuple[float | None, bool | None]]:
    """The targets: what was measured, and whether they are met."""
    found = {(one["case"], one["tool"]): one for one in rows}
    ours = [one for one in rows if one["tool"].startswith("ours")]
    times = found["mixed", OURS]["times_nfstream"]
    share = report.ratio(found["in GTP-U", OURS]["rate"], found["mixed", OURS]["rate"])
    peaks = [one["peak_mb"] for one in ours]
    peak = None if None in peaks else max(peaks)
    lost = [one["lost"] for one in ours]
    total = None if None in lost else float(sum(lost))
    return {
        f"times NFStream in CPU, mixed (at least {FASTER:.0f})":
            (times, None if times is None else times >= FASTER),
        f"peak megabytes, anywhere (below {PEAK_MB:.0f})":
            (peak, None if peak is None else peak < PEAK_MB),
        f"rate in GTP-U as a share of that without (at least {TUNNEL_SHARE})":
            (share, None if share is None else share >= TUNNEL_SHARE),
        "packets of ours that are lost without a word, anywhere (none)":
            (total, None if total is None else total == 0)}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Captures to flow tables: ours and other tools.")
    parser.add_argument("--packets", type=int, default=3_000_000, help="default: %(default)s")
    parser.add_argument("--flows", type=int, default=60_000, help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--folder", type=Path, metavar="FOLDER", help="real captures, as well")
    parser.add_argument("--others-python", type=Path, metavar="PROGRAM",
                        help="the Python that has nfstream and cicflowmeter")
    parser.add_argument("--scratch", type=Path, metavar="FOLDER",
                        help="where 4 GB of captures may lie meanwhile (default: the system's)")
    parser.add_argument("--check", action="store_true", help="exit 1 where a target is missed")
    parser.add_argument("--quick", action="store_true", help="under a minute: fewer packets, once")
    parser.add_argument("--worker", choices=(OURS, FEATURES, PROCESSES), help=argparse.SUPPRESS)
    parser.add_argument("--capture", type=Path, help=argparse.SUPPRESS)
    report.add_quiet_options(parser)
    options = parser.parse_args()
    if options.quick:
        options.packets, options.flows, options.rounds = 200_000, 4_000, 1
        SUBSETS.update({"tshark": 20_000, "cicflowmeter": 2_000, "scapy": 5_000})
    return options


if __name__ == "__main__":
    main()
