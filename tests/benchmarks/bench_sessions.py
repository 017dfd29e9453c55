"""Many phones at once: tokens a second and p95 between tokens, batched and one session at a time.

Two tables for each model, precision and number of the edge's threads. The first is the edge's
worker alone, fed by replayed phones in its own process: what batching brings. The second is a whole
edge process with that many WebSocket clients, also replayed, in one light process beside it: what
is left of it with a server, a link and the clients on the same machine; the clients' own processor
time a token stands beside it. Ratios are between the two ways of serving in the same round.

A third table is what a short answer feels when a prompt of 2,000 tokens arrives: undisturbed, with
the prompt read in slices between tokens, and in one step.

    python -m tests.benchmarks.bench_sessions --quick
    python -m tests.benchmarks.bench_sessions --check --shapes gemma3-270m --precisions bf16
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edge_server.split import LayerRange
from tests.benchmarks import edge, report, shapes
from tests.benchmarks.report import Figures, Measured

BUNDLED = "bundled"
STORY = report.ROOT / "testbed" / "models" / "story-gemma3"
SPLIT = 1  # layers on the phones
WORKER, SERVER = "worker alone", "server and clients"
BATCHED, ALONE = "batched", "one at a time"
PROMPTS = ("undisturbed", "prompt interleaved", "prompt in one step")
# At least so many times the tokens of one session at a time; stated for the 270M shape in bf16.
LIMITS = {16: 5.0, 32: 7.0}
BUNDLED_TIMES = 10  # as many tokens of the bundled model: its steps are that much shorter
SHORT_LIMIT = 1.5  # at most: p95 of a short answer beside a long prompt, times undisturbed


def main() -> None:
    options = arguments()
    results: list[Figures] = []
    tokens = options.tokens
    for shape in options.shapes:
        options.tokens = tokens * BUNDLED_TIMES if shape == BUNDLED else tokens
        with model(shape, options.cache) as folder:
            for precision in options.precisions:
                for threads in options.threads:
                    results += measure(shape, folder, precision, threads, options)
    options.tokens = tokens
    targets = judge(results)
    for line in targets:
        print(f"  {line['target']}: {line['value']:.2f} ({line['bound']} {line['limit']}), "
              f"{'met' if line['met'] else 'MISSED'}")
    report.finish("sessions", vars(options), {"rows": results, "targets": targets})
    if options.check and not all(line["met"] for line in targets):
        sys.exit(1)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="bundled model, one round, 1 thread")
    parser.add_argument("--check", action="store_true", help="exit 1 where a target is missed")
    parser.add_argument("--shapes", nargs="+", choices=[BUNDLED, *sorted(shapes.SHAPES)],
                        help="default: bundled gemma3-270m")
    parser.add_argument("--precisions", nargs="+", choices=["fp32", "bf16", "int8"],
                        help="default: bf16 int8")
    parser.add_argument("--threads", nargs="+", type=int, help="of the edge; default: 1 2")
    parser.add_argument("--counts", nargs="+", type=int, help="sessions; default: 1 8 16 32")
    parser.add_argument("--only", nargs="+", choices=["worker", "server"],
                        default=["worker", "server"], help="one of the two tables")
    parser.add_argument("--tokens", type=int,
                        help="timed tokens a session, default 24; 10 times that if bundled")
    parser.add_argument("--rounds", type=int, help="default 3")
    parser.add_argument("--prompt", type=int, default=64, help="tokens of each prompt")
    parser.add_argument("--prompt-rows", type=int, default=4,
                        help="of a long prompt, beside each token of the others")
    parser.add_argument("--temperature", type=float, default=0.0, help="0 is greedy")
    parser.add_argument("--top-k", type=int, default=0)
    parser.add_argument("--cache", type=Path, help="folder that keeps checkpoints between runs")
    parser.add_argument("--timeout", type=float, default=900.0, help="seconds a process may take")
    report.add_quiet_options(parser)
    options = parser.parse_args()
    quick = options.quick
    options.shapes = options.shapes or ([BUNDLED] if quick else [BUNDLED, "gemma3-270m"])
    options.precisions = options.precisions or (["bf16"] if quick else ["bf16", "int8"])
    options.threads = options.threads or ([1] if quick else [1, 2])
    options.counts = options.counts or ([1, 8] if quick else [1, 8, 16, 32])
    options.tokens = options.tokens or (16 if quick else 24)
    options.rounds = options.rounds or (1 if quick else 3)
    return options


@contextmanager
def model(shape: str, cache: Path | None) -> Iterator[Path]:
    if shape == BUNDLED:
        yield STORY
        return
    with shapes.checkpoint(shape, cache) as folder:
        yield folder


def measure(
    shape: str, folder: Path, precision: str, threads: int, options: argparse.Namespace
) -> list[Figures]:
    """All rounds of one model, precision and number of threads; shown as they are done."""
    contenders: dict[str, Callable[[], Figures]] = {}
    if "worker" in options.only:
        contenders[WORKER] = functools.partial(run_worker, folder, precision, threads, options)
    if "server" in options.only:
        for count in options.counts:
            for how in (BATCHED, ALONE):
                contenders[f"{SERVER}: {count} {how}"] = functools.partial(
                    run_server, folder, precision, threads, count, how, options)
    measured = report.round_robin(contenders, options)
    named = {"shape": shape, "precision": precision, "threads": threads}
    rows = [named | row for row in rates(measured, options)]
    long = [named | row for row in long_prompts(measured.get(WORKER, Measured()), options)]
    show(shape, precision, threads, rows, long, options)
    for name, one in measured.items():
        if one.reason:
            print(f"  {name}: not measured: {one.reason}")
    return rows + long


def run_worker(
    folder: Path, precision: str, threads: int, options: argparse.Namespace
) -> Figures:
    figures = report.run_worker(
        report.python("tests.benchmarks.sessions", "--model", folder, "--precision", precision,
                      "--threads", threads, "--split", SPLIT, "--counts", *options.counts,
                      "--tokens", options.tokens, "--prompt", options.prompt,
                      "--prompt-rows", options.prompt_rows,
                      "--temperature", options.temperature, "--top-k", options.top_k,
                      "--long-prompt", 1, *([] if options.quick else [8])),
        threads, options.timeout)
    return figures


def run_server(
    folder: Path, precision: str, threads: int, count: int, how: str,
    options: argparse.Namespace
) -> Figures:
    """An edge process, and a process of clients; one session at a time, fewer tokens do."""
    layers = LayerRange(SPLIT, json.loads((folder / "config.json").read_text())[
        "num_hidden_layers"])
    command = (("testbed.cli", "edge") if how == BATCHED else ("tests.benchmarks.one_by_one",))
    tokens = options.tokens if how == BATCHED else max(options.tokens // 4, 4)
    beside: Figures = {}
    with report.others_busy(beside), edge.serving(
            folder, precision, layers, threads, options.timeout, sessions=count,
            command=command) as url:
        figures = report.run_worker(
            report.python("tests.benchmarks.phones", "--edge", url, "--model", folder,
                          "--precision", precision, "--split", SPLIT, "--count", count,
                          "--tokens", tokens, "--prompt", options.prompt,
                          "--temperature", options.temperature, "--top-k", options.top_k),
            1, options.timeout)
    return figures | beside


def rates(measured: dict[str, Measured], options: argparse.Namespace) -> list[Figures]:
    """A record for each number of sessions, of either table."""
    rows: list[Figures] = []
    for where in (WORKER, SERVER):
        for count in options.counts:
            pairs = rounds_of(measured, where, count)
            if not pairs:
                continue
            batched, alone = Measured([a for a, _ in pairs]), Measured([b for _, b in pairs])
            ratios = [report.ratio(a["tokens_per_s"], b["tokens_per_s"]) for a, b in pairs]
            rows.append({
                "where": where, "count": count, "rounds": len(pairs),
                "tokens_per_s": batched.middle("tokens_per_s"),
                "alone_tokens_per_s": alone.middle("tokens_per_s"),
                "ratio": report.middle(ratios), "ratios": ratios,
                "p50_ms": batched.middle("p50_ms"), "p95_ms": batched.middle("p95_ms"),
                "alone_p95_ms": alone.middle("p95_ms"),
                "client_ms_per_token": batched.middle("client_ms_per_token"),
                "same_tokens": all(same(a["ids"], b["ids"]) for a, b in pairs),
                "others_busy": batched.middle("others_busy")})
    return rows


def rounds_of(
    measured: dict[str, Measured], where: str, count: int
) -> list[tuple[Figures, Figures]]:
    """Each round's figures of both ways of serving."""
    if where == WORKER:
        return [(one[f"{count} {BATCHED}"] | {"others_busy": one["others_busy"]},
                 one[f"{count} {ALONE}"]) for one in measured.get(WORKER, Measured()).rounds]
    both = [measured.get(f"{SERVER}: {count} {how}", Measured()).rounds
            for how in (BATCHED, ALONE)]
    return list(zip(*both, strict=False))


def same(one: list[list[int]], other: list[list[int]]) -> bool:
    """Whether every session's tokens agree, as far as both go."""
    return all(a[: len(b)] == b[: len(a)] for a, b in zip(one, other, strict=True))


def long_prompts(measured: Measured, options: argparse.Namespace) -> list[Figures]:
    rows: list[Figures] = []
    for count in (1, 8):
        for how in PROMPTS:
            rounds = [one[f"{count} {how}"] for one in measured.rounds if f"{count} {how}" in one]
            if not rounds:
                continue
            base = [one[f"{count} {PROMPTS[0]}"]["p95_ms"] for one in measured.rounds]
            rows.append({
                "where": "long prompt", "count": count, "how": how,
                **{name: Measured(rounds).middle(name)
                   for name in ("p50_ms", "p95_ms", "longest_ms", "prompt_ms")},
                "p95_ratio": report.middle([report.ratio(one["p95_ms"], other)
                                            for one, other in zip(rounds, base, strict=True)])})
    return rows


def judge(rows: list[Figures]) -> list[Figures]:
    """The stated targets against what was measured; what was not measured is not judged."""
    lines: list[Figures] = []
    for row in rows:
        if row["shape"] != "gemma3-270m" or row["precision"] != "bf16":
            continue
        where = f"{row['shape']} bf16, {row['threads']} thread(s), {row['count']} session(s)"
        if row["where"] == WORKER and row["count"] in LIMITS and row["ratio"] is not None:
            limit = LIMITS[row["count"]]
            lines.append({"target": f"{where}, {WORKER}: times one at a time",
                          "value": row["ratio"], "bound": "at least", "limit": limit,
                          "met": row["ratio"] >= limit})
        if row["where"] == "long prompt" and row["how"] == PROMPTS[1]:
            lines.append({"target": f"{where}: p95 beside a long prompt, times undisturbed",
                          "value": row["p95_ratio"], "bound": "at most", "limit": SHORT_LIMIT,
                          "met": row["p95_ratio"] <= SHORT_LIMIT})
    return lines


def show(
    shape: str, precision: str, threads: int, rows: list[Figures], long: list[Figures],
    options: argparse.Namespace,
) -> None:
    title = f"{shape}, {precision}, {threads} thread(s) of the edge, {options.rounds} round(s)"
    for where in (WORKER, SERVER):
        cells: list[list[Any]] = [
            [f"{row['count']} session(s)", row["tokens_per_s"], row["alone_tokens_per_s"],
             row["ratio"], row["p50_ms"], row["p95_ms"], row["alone_p95_ms"],
             row["client_ms_per_token"], "yes" if row["same_tokens"] else "NO",
             row["others_busy"]] for row in rows if row["where"] == where]
        if cells:
            report.print_table(
                f"{title}: {where}",
                ["", "tok/s", "one at a time", "ratio", "p50 ms", "p95 ms", "alone p95",
                 "client ms/tok", "same tokens", "others' CPUs"], cells)
    if long:
        report.print_table(
            f"{title}: short answers while a prompt of 2,000 tokens is read",
            ["", "p50 ms", "p95 ms", "longest ms", "x undisturbed", "prompt read in ms"],
            [[f"{row['count']} session(s), {row['how']}", row["p50_ms"], row["p95_ms"],
              row["longest_ms"], row["p95_ratio"], row["prompt_ms"]] for row in long])


if __name__ == "__main__":
    main()
