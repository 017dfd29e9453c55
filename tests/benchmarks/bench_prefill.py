"""A prompt over a slow link: does the edge compute one chunk while the next is on the wire?

Measured over one rate-limited pair (see `link`): the transfer alone (as many bytes, nothing
computed), the computation alone (the same chunks in one process, phone's and edge's share apart),
and the time to first token of the split prompt, in chunks and as one. Overlapped, it should be
close to the larger of transfer and computation plus one chunk's way through both; not overlapped it
is their sum. The rate is a constant: it says nothing about fading, loss or delay.

    python -m tests.benchmarks.bench_prefill --quick
    python -m tests.benchmarks.bench_prefill --megabits 10 20 40 --cache ~/.cache/airsplit-bench
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from edge_server.split import LayerRange
from tests.benchmarks import edge, report, shapes
from tests.benchmarks.link import Link, slow_link, transfer_milliseconds
from tests.benchmarks.report import Figures, Measured

HEADER_BYTES = 32 + 8  # of a frame and of the WebSocket message around it, masked
ALLOWED = 1.15  # times the larger of transfer and computation plus one chunk
COLUMNS = ["Mbit/s", "transfer", "phone", "edge", "sum", "max + chunk", "in chunks", "as one",
           "x max + chunk", "others' CPUs"]


def main() -> None:
    options = arguments()
    if options.worker:
        print(json.dumps(compute(options)))
        return
    results: list[Figures] = []
    kind = None
    with shapes.checkpoint(options.shape, options.cache) as folder:
        for megabits in options.megabits:
            with slow_link(megabits, options.relay) as link:
                kind = link.kind
                measured = report.round_robin(assemble(link, folder, options), options)
            results.append({"megabits": megabits, "link": kind} | summary(measured, options))
    show(results, kind, options)
    report.finish("prefill", vars(options), results)
    if options.check and not all(row["met"] for row in results):
        sys.exit(1)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one rate, one round")
    parser.add_argument("--check", action="store_true", help="exit 1 where it does not overlap")
    parser.add_argument("--shape", choices=sorted(shapes.SHAPES), default="gemma3-270m")
    parser.add_argument("--megabits", type=float, nargs="+", help="default: 10 20 40")
    parser.add_argument("--prompt", type=int, default=256,
                        help="tokens; at most what one frame may carry, default 256")
    parser.add_argument("--chunk", type=int, default=32, help="tokens a frame, default 32")
    parser.add_argument("--split", type=int, default=1, help="layers on the phone")
    parser.add_argument("--precision", default="bf16", help="fp32, bf16 or int8")
    parser.add_argument("--threads", type=int, default=1, help="of each side")
    parser.add_argument("--rounds", type=int, help="default 3")
    parser.add_argument("--repeats", type=int, default=3, help="prompts a round")
    parser.add_argument("--relay", action="store_true", help="user-space relay even as root")
    parser.add_argument("--cache", type=Path, help="folder that keeps checkpoints between runs")
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds a process may take")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--model", type=Path, help=argparse.SUPPRESS)
    report.add_quiet_options(parser)
    options = parser.parse_args()
    options.megabits = options.megabits or ([20.0] if options.quick else [10.0, 20.0, 40.0])
    options.rounds = options.rounds or (1 if options.quick else 3)
    return options


def assemble(
    link: Link, folder: Path, options: argparse.Namespace
) -> dict[str, Callable[[], Figures]]:
    """What is measured, each once a round."""
    return {
        "transfer": functools.partial(transfer, link, options),
        "compute": functools.partial(
            report.run_worker,
            report.python("tests.benchmarks.bench_prefill", "--worker", "--model", folder,
                          "--prompt", options.prompt, "--chunk", options.chunk,
                          "--split", options.split, "--precision", options.precision,
                          "--threads", options.threads, "--repeats", options.repeats),
            options.threads, options.timeout),
        "in chunks": functools.partial(prefill, link, folder, options.chunk, options),
        "as one": functools.partial(prefill, link, folder, options.prompt, options),
    }


def transfer(link: Link, options: argparse.Namespace) -> Figures:
    """The prompt's bytes over the link, with nothing computed on either end."""
    row_bytes = 2 * shapes.SHAPES[options.shape]["hidden_size"]
    size = options.prompt * row_bytes + chunks(options) * HEADER_BYTES
    times = transfer_milliseconds(link, size, options.repeats, options.timeout)
    return {"transfer_ms": times, "bytes": size}


def chunks(options: argparse.Namespace) -> int:
    count: int = -(-options.prompt // options.chunk)
    return count


def compute(options: argparse.Namespace) -> Figures:
    """In a process of its own: the chunks through both sides, without a link between."""
    from edge_server.engine.checkpoint import Checkpoint
    from edge_server.engine.load import EngineOptions, open_engine
    from edge_server.frame import Flags
    from ue_app.head import Head, place
    from ue_app.link import LocalLink

    checkpoint = Checkpoint.open(options.model)
    engine = open_engine(checkpoint, EngineOptions("fast", options.precision, 1, 2048,
                                                   options.threads))
    placement = place(options.split, checkpoint.architecture.layers, None)
    head, remote = Head(engine, placement), LocalLink(engine, placement.remote)
    ids = shapes.prompt_ids(options.prompt, checkpoint.architecture.vocabulary)
    phone, far = [], []
    for _ in range(options.repeats + 1):
        phone.append(0.0)
        far.append(0.0)
        for at in range(0, len(ids), options.chunk):
            part = ids[at:at + options.chunk]
            last = at + len(part) == len(ids)
            began = time.perf_counter()
            rows = head.rows(part, at)
            between = time.perf_counter()
            remote.send(at, rows, Flags.RESULT_WANTED if last else Flags.NONE)
            far[-1] += (time.perf_counter() - between) * 1e3
            phone[-1] += (between - began) * 1e3
    return {"phone_ms": phone[1:], "edge_ms": far[1:]}


def prefill(link: Link, folder: Path, chunk: int, options: argparse.Namespace) -> Figures:
    """Time to first token with the layers from the split on at the far end of the link."""
    beside: Figures = {}
    layers = LayerRange(options.split, shapes.SHAPES[options.shape]["num_hidden_layers"])
    with report.others_busy(beside), edge.serving(
            folder, options.precision, layers, options.threads, options.timeout, link.edge,
            link.listen, link.listen_port):
        figures = report.run_worker(
            [*link.phone, *report.python(
                "tests.benchmarks.contenders", "ours", "--precision", options.precision,
                "--model", folder, "--split", options.split,
                "--edge", f"http://{link.address}:{link.port}", "--chunk", chunk,
                "--capacity", 2048, "--tokens", 1, "--prompt", options.prompt,
                "--repeats", options.repeats, "--threads", options.threads)],
            options.threads, options.timeout)
    return figures | beside


def summary(measured: dict[str, Measured], options: argparse.Namespace) -> Figures:
    """The figures of one rate, what they are expected to be, and whether they are."""
    sent = measured["transfer"].middle("transfer_ms")
    phone = measured["compute"].middle("phone_ms")
    far = measured["compute"].middle("edge_ms")
    chunked = measured["in chunks"].middle("prefill_ms")
    known = None not in (sent, phone, far)
    total = (sent or 0) + (phone or 0) + (far or 0)
    expected = max(sent or 0, far or 0) + total / chunks(options) if known else None
    close = report.ratio(chunked, expected)
    return {
        "transfer_ms": sent, "phone_ms": phone, "edge_ms": far,
        "sum_ms": total if known else None, "expected_ms": expected,
        "in_chunks_ms": chunked, "as_one_ms": measured["as one"].middle("prefill_ms"),
        "x_expected": close, "met": close is not None and close <= ALLOWED,
        "others_busy": measured["in chunks"].middle("others_busy"),
        "reasons": {name: one.reason for name, one in measured.items() if one.reason},
        "rounds": {name: one.rounds for name, one in measured.items()},
    }


def show(results: list[Figures], kind: str | None, options: argparse.Namespace) -> None:
    report.print_table(
        f"{options.shape} {options.precision}, {options.prompt} tokens of prompt in chunks of "
        f"{options.chunk}, split at {options.split}, {options.threads} thread(s) a side, "
        f"{options.rounds} round(s); milliseconds\nlink: {kind}", COLUMNS,
        [[f"{row['megabits']:g}", row["transfer_ms"], row["phone_ms"], row["edge_ms"],
          row["sum_ms"], row["expected_ms"], row["in_chunks_ms"], row["as_one_ms"],
          row["x_expected"], row["others_busy"]] for row in results])
    for row in results:
        for name, reason in row["reasons"].items():
            print(f"  {row['megabits']:g} Mbit/s, {name}: not measured: {reason}")
        print(f"  {row['megabits']:g} Mbit/s: at most {ALLOWED} x (max + one chunk): "
              f"{'met' if row['met'] else 'MISSED'}")


if __name__ == "__main__":
    main()
