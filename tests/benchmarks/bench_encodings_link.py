"""Encodings over links of several rates: tokens a second, bytes, and what `auto` chooses there.

An edge and a phone, each a process of its own, at the two ends of a link that carries so many
Mbit/s each way (see `link`); the phone asks the same question in every encoding and, choosing by
itself, within a budget of perplexity. Where the link is a relay in user space, the kernel's count
of a connection's busy time sees the relay and not the link, and `auto` believes it fast. No delay,
no loss, no radio: it shows where bytes are worth saving, not what a cell does.

    python -m tests.benchmarks.bench_encodings_link --quick
    python -m tests.benchmarks.bench_encodings_link --megabits 0.05 0.2 1 10 --rounds 5
"""

from __future__ import annotations

import argparse
import functools
import json
import subprocess

from tests.benchmarks import report
from tests.benchmarks.link import Link, slow_link
from tests.benchmarks.report import Figures, Measured, WorkerFailed

CONTENDERS = ("raw", "lossless", "int8", "int4", "auto")
QUICK = ("raw", "int8", "auto")
PROMPT = ("Tell me a story about an old fisherman who lives by the sea with his three sons, of "
          "whom the youngest is a fool.")
SECONDS = 120.0  # that an answer may take on the slowest link
COLUMNS = ["", "tokens/s", "x raw", "first token ms", "B up a token", "written in at the end"]


def main() -> None:
    options = arguments()
    results: list[Figures] = []
    for megabits in options.megabits:
        with slow_link(megabits, options.relay) as link:
            edge = report.start([*link.edge, *report.python(
                "testbed.cli", "edge", "--host", link.listen, "--port", link.listen_port,
                "--threads", 1, *(["--allow-anyone"] if link.edge else []))], threads=1)
            try:
                report.wait_for_line(edge, "airsplit edge", 60.0)
                measured = report.round_robin(
                    {name: functools.partial(ask, link, name, options)
                     for name in options.contenders}, options)
            finally:
                report.stop(edge)
            rows = [figures(name, megabits, link.kind, measured)
                    for name in options.contenders]
        show(megabits, link.kind, rows)
        results += rows
    report.finish("encodings_link", vars(options), results)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true",
                        help="two rates, three contenders, one round")
    parser.add_argument("--megabits", type=float, nargs="+", help="default: 0.1 1 20")
    parser.add_argument("--budget", type=float, default=1.0, metavar="PERCENT",
                        help="that auto may cost in perplexity (default: 1)")
    parser.add_argument("--tokens", type=int, help="of an answer (default: 60; quick 24)")
    parser.add_argument("--rounds", type=int, help="default: 3; quick 1")
    parser.add_argument("--relay", action="store_true", help="no namespaces even as root")
    report.add_quiet_options(parser)
    options = parser.parse_args()
    options.megabits = options.megabits or ([0.1, 20.0] if options.quick else [0.1, 1.0, 20.0])
    options.contenders = QUICK if options.quick else CONTENDERS
    options.rounds = options.rounds or (1 if options.quick else 3)
    options.tokens = options.tokens or (24 if options.quick else 60)
    return options


def ask(link: Link, name: str, options: argparse.Namespace) -> Figures:
    """One process of a phone that asks twice: `auto` knows the link by the second time."""
    budget = ["--max-ppl-increase", options.budget] if name == "auto" else []
    command = [*link.phone, *report.python(
        "testbed.cli", "ue", "--edge", f"http://{link.address}:{link.port}", "--threads", 1,
        "--json", "--temperature", 0, "--max-new-tokens", options.tokens, "--encoding", name,
        *budget, PROMPT, "Tell me more of it.")]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS,
                              cwd=report.ROOT, check=False)
    except subprocess.TimeoutExpired as error:
        raise WorkerFailed(f"took more than {SECONDS:.0f} s") from error
    if done.returncode != 0:
        raise WorkerFailed((done.stderr.strip().splitlines() or ["no word"])[-1])
    document = json.loads(done.stdout)
    second = document["turns"][-1]
    return {"rate": second["tokens_per_second"], "first": second["time_to_first_token"] * 1e3,
            "up": second["bytes_up_per_token"], "encoding": second["encoding"],
            "text": second["text"]}


def figures(name: str, megabits: float, kind: str, measured: dict[str, Measured]) -> Figures:
    one, rounds = measured[name], measured[name].rounds
    return {"contender": name, "megabits": megabits, "link": kind, "reason": one.reason,
            "tokens_per_second": one.middle("rate"), "first_ms": one.middle("first"),
            "bytes_up": one.middle("up"),
            "x_raw": report.ratio(one.middle("rate"), measured["raw"].middle("rate")),
            "encodings": [figures["encoding"] for figures in rounds]}


def show(megabits: float, kind: str, rows: list[Figures]) -> None:
    report.print_table(f"{megabits:g} Mbit/s ({kind})", COLUMNS, [
        [row["contender"], row["tokens_per_second"], row["x_raw"], row["first_ms"],
         row["bytes_up"], row["reason"] or ", ".join(dict.fromkeys(row["encodings"]))]
        for row in rows])


if __name__ == "__main__":
    main()
