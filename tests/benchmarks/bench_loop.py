"""The xApp's loop: from an indication's bytes to the control's bytes that it leads to.

A base station in this process sends reports of so many UEs over SCTP to an xApp in a process of its
own, as an operator runs it: with its REST API, its store on disk, labels from a tap, write-ahead of
every intent. A UE's channel turns from good to poor and back; each turn makes a new guarantee
necessary, and the control has to come.

Timed at the base station, from before the last of a turn's encoded reports is given to SCTP, which
is that of the model's slice, without which nothing can be decided, to when the control was taken
from it. What the base station takes to encode reports and to read the control is not in it; both
ways over SCTP and the wake-ups of both processes are, and so is all of the other slice's report
that the xApp has not read by then. Where no control came of a first report, later ones are sent,
and the first one's time counts. Beside it, inside the xApp, from when the report's bytes were taken
from SCTP to when the control's were given to it, which is all that the xApp can do about it: that
one is counted in buckets (the metric `loop_seconds`), of which the upper bound is shown, and
includes the warm-up.

Readers of the API are processes that ask for everything that changes again and again, with a lower
priority: they stand for programs on other machines, which would not need this one's processors.

    python -m tests.benchmarks.bench_loop --quick
    python -m tests.benchmarks.bench_loop --ues 4 32 256 --turns 500
    python -m tests.benchmarks.bench_loop --before ../older     # the same beside another checkout
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import shutil
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

from classifier.messages import Labelled, TapStatus
from classifier.publisher import Publisher
from pcap_tools.scheduling import put_ahead
from tests.benchmarks import report
from tests.benchmarks.loop_station import GOOD, POOR, SECONDS_A_TURN, Station
from tests.benchmarks.report import Figures
from xapp.ric.transport import Address, connect

NODE, LLM = "gnb_00101_0000019b", "1-000001"
WARM_UP = 10  # turns that are not counted
READER_NICENESS = 15  # of readers: below the API's own process
LOOP, ANSWERS = "airsplit_xapp_loop_seconds", "airsplit_xapp_api_requests_total"
STATION_PRIORITY = 20  # the base station is another machine: it waits for no load of this one
CONFIGURATION = """
listen: ["{listen}"]
taps: [{{address: "{tap}"}}]
kpi_labels: false
ran:
  slices: [1, {llm}]
  period_ms: 20
  nodes: [{{name: "{node}", profile: spec}}]
ue_map: {{file: "{folder}/ues.yaml"}}
limits:
  {{hold: 0.001, most_changes: 1000000, linger: 600, settle: 5, largest_step: 100{at_once}}}
policies: [{{name: llm, inter_token_ms: 80, row_bytes: 4096}}]
steering:
  {{actions_per_minute: 1000000, actions_in_a_row: 1000000, effect_seconds: 2,
   found: {{1: {{minimum: 0}}, {llm}: {{minimum: 0}}}}}}
"""


def main() -> None:
    options = arguments()
    options.station = str(put_ahead(STATION_PRIORITY))
    rows: list[Figures] = []
    checkouts = [report.ROOT] if options.before is None else [options.before.resolve(), report.ROOT]
    with report.quiet(options):
        for ues in options.ues:
            for readers in dict.fromkeys((0, options.readers)):  # without any, once
                for checkout in checkouts:
                    report.progress(f"{ues} UEs, {readers} readers of the API, {checkout.name}")
                    rows.append(run(ues, readers, checkout, options))
    report.print_table(
        f"Indication out to control in, at the base station, over {options.transport}: "
        f"{options.turns} turns each",
        ["UEs", "API read by", "of", "turns", "p50 ms", "p99 ms", "p99.9 ms", "most ms",
         "inside p50", "inside p99", "xApp CPU", "answers/s", "reason"],
        [[row["ues"], row["readers"], row["checkout"], row["turns"], row["p50_ms"], row["p99_ms"],
          row["p999_ms"], row["most_ms"], _most(row["inside_p50_ms"]), _most(row["inside_p99_ms"]),
          row["xapp_processors"], row["answers_per_second"], row["reason"] or ""]
         for row in rows])
    print("The near-RT range begins at 10 ms; the loop is to stay under 5 ms at p99 with 32 UEs.")
    report.finish("loop", vars(options), {"rows": rows})


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few turns")
    parser.add_argument("--ues", type=int, nargs="+", default=[4, 32, 256])
    parser.add_argument("--turns", type=int, help="of the channel, each a control; default 300")
    parser.add_argument("--readers", type=int, default=2,
                        help="threads that read the REST API all the time, in the second run")
    parser.add_argument("--before", type=Path, metavar="FOLDER",
                        help="another checkout, whose xApp is measured beside this one's; what its "
                             "xApp says of its inside is not shown, as older ones mean another")
    parser.add_argument("--ordinary", action="store_true",
                        help="have the xApp ask for no real-time priority")
    parser.add_argument("--read", metavar="URL", help=argparse.SUPPRESS)  # one of our readers
    parser.add_argument("--transport", default="usrsctp",
                        choices=["usrsctp", "sctp", "tcp"], help="tcp has no SCTP in it")
    report.add_quiet_options(parser)
    options = parser.parse_args()
    if options.read:
        read(options.read)
    options.turns = options.turns or (40 if options.quick else 300)
    return options


def run(ues: int, readers: int, checkout: Path, options: argparse.Namespace) -> Figures:
    """One xApp and one base station."""
    folder = Path(tempfile.mkdtemp(prefix="airsplit-loop-"))
    publisher = Publisher("tcp://127.0.0.1:*")
    try:
        with xapp(folder, publisher.address, options, checkout) as (address, api, pid), \
                reading(api, readers):
            before, began = _cpu(pid), time.monotonic()
            answered = _metrics(api)[ANSWERS]
            found = asyncio.run(asyncio.wait_for(
                turns(Address.parse(address), ues, options.turns + WARM_UP, publisher), 540))
            passed = time.monotonic() - began
            used, after = (_cpu(pid) - before) / passed, _metrics(api)
            inside = after if checkout == report.ROOT else None
            row = figures(ues, readers, found, used, inside, None)
            row["answers_per_second"] = (after[ANSWERS] - answered) / passed if readers else None
    except (OSError, TimeoutError, RuntimeError, report.WorkerFailed) as error:
        row = figures(ues, readers, [], None, None, f"{type(error).__name__}: {error}"[:200])
    finally:
        publisher.close()
        shutil.rmtree(folder)
    return row | {"checkout": checkout.name}


def figures(ues: int, readers: int, found: list[float | None], used: float | None,
            inside: dict[str, float] | None, reason: str | None) -> Figures:
    counted = found[WARM_UP:]
    came = sorted(one * 1000 for one in counted if one is not None)
    missing = len(counted) - len(came)
    if missing and reason is None:
        reason = f"{missing} controls did not come within {SECONDS_A_TURN:g} s"

    def quantile(share: float) -> float | None:
        return came[min(int(share * len(came)), len(came) - 1)] if came else None

    return {"ues": ues, "readers": readers, "turns": len(came), "p50_ms": quantile(0.5),
            "p99_ms": quantile(0.99), "p999_ms": quantile(0.999), "most_ms": quantile(1.0),
            "inside_p50_ms": _inside(inside, 0.5), "inside_p99_ms": _inside(inside, 0.99),
            "missing": missing, "xapp_processors": used, "answers_per_second": None,
            "reason": reason}


def _metrics(api: str) -> dict[str, float]:
    """What the xApp counts, by name and labels as they are written."""
    with urllib.request.urlopen(api + "/metrics", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    found = {name: float(value) for name, _, value in
             (line.rpartition(" ") for line in lines if not line.startswith("#"))}
    found[ANSWERS] = sum(value for name, value in found.items() if name.startswith(ANSWERS))
    return found


def _inside(metrics: dict[str, float] | None, share: float) -> float | None:
    """The bound of the bucket in which that share of the xApp's own times ends, in ms."""
    if metrics is None:
        return None
    buckets = [(float(name.split('"')[1]), count) for name, count in metrics.items()
               if name.startswith(LOOP + "_bucket")]
    total = max((count for _, count in buckets), default=0.0)
    return next((bound * 1000 for bound, count in sorted(buckets)
                 if total and count >= share * total), None)


def _most(bound: float | None) -> str:
    return "" if bound is None else f"< {bound:g}"


@contextmanager
def xapp(folder: Path, tap: str, options: argparse.Namespace,
         checkout: Path) -> Iterator[tuple[str, str, int]]:
    """A running xApp: where base stations connect to, its API, its process."""
    way = options.transport
    listen = f"{way}://127.0.0.1:0" + ("?udp=any" if way == "usrsctp" else "")
    limits = (checkout / "xapp" / "limits.py").read_text()
    (folder / "xapp.yaml").write_text(CONFIGURATION.format(
        listen=listen, tap=tap, llm=LLM, node=NODE, folder=folder,
        at_once=", lower_after: 0" if "lower_after" in limits else ""))  # older ones wait for none
    (folder / "ues.yaml").write_text(
        f"ues: [{{address: 10.45.0.2, node: {NODE}, ue: 'du:0', slice: {LLM}}}]\n")
    process = report.start([
        sys.executable, "-m", "testbed.cli", "xapp", "--config", str(folder / "xapp.yaml"),
        "--store", str(folder / "xapp.db"), "--api-port", "0",
        "--token-file", str(folder / "token"), "--log-level", "error",
        *(["--real-time-priority", "0"] if options.ordinary else [])], threads=1,
        environment={"PYTHONPATH": str(checkout), "PYTHONSAFEPATH": "1"})
    try:
        line = report.wait_for_line(process, "airsplit xapp:", 60)
        yield (line.split("connect to ")[1].split(";")[0].split(" ")[0].strip(),
               line.split("API at ")[1].split(" ")[0].strip(), process.pid)
    finally:
        report.stop(process)


@contextmanager
def reading(api: str, readers: int) -> Iterator[None]:
    """So many processes that ask for everything that changes, again and again."""
    processes = [report.start([sys.executable, "-m", "tests.benchmarks.bench_loop", "--read", api],
                              threads=1) for _ in range(readers)]
    try:
        for process in processes:
            report.wait_for_line(process, "reading", 60)
        yield
    finally:
        for process in processes:
            report.stop(process)


def read(api: str) -> NoReturn:
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))  # whatever this program has
    os.nice(READER_NICENESS)
    print("reading", flush=True)
    while True:
        for path in ("/metrics", "/api/v1/ues", "/api/v1/decisions"):
            with suppress(OSError), urllib.request.urlopen(api + path, timeout=5) as answer:
                answer.read()


async def turns(address: Address, ues: int, count: int, publisher: Publisher,
                ) -> list[float | None]:
    """Seconds from each turn's report to its control; None where none came."""
    station = Station(await connect(address), ues)
    await station.set_up()
    found: list[float | None] = []
    gc.collect()
    gc.freeze()  # this process's garbage is not the xApp's
    speaking = asyncio.get_running_loop().create_task(speak(publisher))
    try:
        for number in range(count):
            found.append(await station.turn(POOR if number % 2 == 0 else GOOD))
            await station.settle()
    finally:
        speaking.cancel()
        station.association.close()
        await station.association.wait_closed()
    return found


async def speak(publisher: Publisher) -> None:
    """A tap that sees one split-LLM flow."""
    now = time.time_ns()
    while True:
        publisher.send(Labelled(1, "llm_split", 0.99, "TIME_2_S", now, "10.45.0.2", "192.0.2.1",
                                40000, 8470, 6, tap="bench", model="0"))
        publisher.send(TapStatus(now, 1.0, 1, 1, 0, 1, 1, 0, 1, 0.0, "bench", "0"))
        await asyncio.sleep(0.5)


def _cpu(pid: int) -> float:
    """Processor seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


if __name__ == "__main__":
    main()
