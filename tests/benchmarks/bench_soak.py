"""Many phones for many minutes: sessions come, go, cancel, drop and resume, and nothing may show.

One real edge process serves phones that are threads of a light client process: each runs the
product's own `EdgeLink` and replays recorded rows, so that only links and the edge are at work.
Every other phone reaches the edge through a relay that cuts connections anywhere, in the middle of
a frame too, now with a reset, now with a proper end; the link has to take the session up again.
What happens when is drawn from the seed. Each answer is compared, token by token, with the one that
the unsplit model gave beforehand, undisturbed. The edge's memory is sampled all along.

It says nothing of speed: phones pause between tokens, as a radio link makes them.

    python -m tests.benchmarks.bench_soak --quick
    python -m tests.benchmarks.bench_soak --check --minutes 15 --sessions 64 --seed 1
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

from edge_server.split import LayerRange
from tests.benchmarks import edge, report
from tests.benchmarks.report import Figures

STORY = report.ROOT / "testbed" / "models" / "story-gemma3"
SPLIT = 1  # layers on the phones
SPARE_SLOTS = 8  # for sessions whose phone vanished, until the edge gives them up
CONTEXT = 512  # tokens a session may hold
SAMPLE_SECONDS = 2.0  # between looks at the edge's memory
WARM_UP = 0.25  # share of the time after which memory has to be flat
# Of the memory after the warm-up, and of what the slope adds over the whole time: room for the
# allocator's habits, none for something kept for each session or token.
FLAT = 0.03
KEPT_LINES = 20  # of the edge's last words


def main() -> None:
    options = arguments()
    beside: Figures = {}
    with report.others_busy(beside):
        figures = run(options)
    figures["others_busy"] = beside["others_busy"]
    checks = judge(figures, options)
    show(figures, checks, options)
    report.finish("soak", vars(options), figures | {"checks": checks})
    if options.check and not all(checks.values()):
        sys.exit(1)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="20 seconds of 16 sessions")
    parser.add_argument("--check", action="store_true", help="exit 1 where something showed")
    parser.add_argument("--minutes", type=float, help="default 15")
    parser.add_argument("--sessions", type=int, help="phones at a time, default 64")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--precision", default="bf16", choices=["fp32", "bf16", "int8"])
    parser.add_argument("--threads", type=int, default=1, help="of the edge")
    parser.add_argument("--pause", type=float, default=0.04,
                        help="seconds from a token to the next row, on average")
    options = parser.parse_args()
    options.minutes = options.minutes or (1 / 3 if options.quick else 15.0)
    options.sessions = options.sessions or (16 if options.quick else 64)
    return options


def run(options: argparse.Namespace) -> Figures:
    """The edge, the phones, and the sampler of the edge's memory."""
    layers = LayerRange(SPLIT, json.loads((STORY / "config.json").read_text())[
        "num_hidden_layers"])
    processes: list[subprocess.Popen[str]] = []
    with edge.serving(STORY, options.precision, layers, options.threads, 120.0, context=CONTEXT,
                      sessions=options.sessions + SPARE_SLOTS, started=processes.append) as url:
        words = Words(processes[0])
        memory = Memory(processes[0].pid)
        figures = report.run_worker(
            report.python("tests.benchmarks.soak", "--edge", url, "--model", STORY,
                          "--precision", options.precision, "--split", SPLIT,
                          "--context", CONTEXT, "--seconds", 60 * options.minutes,
                          "--sessions", options.sessions, "--seed", options.seed,
                          "--pause", options.pause),
            1, 60 * options.minutes + 300)
        memory.stop()
    return figures | memory.figures() | {"edge_said": words.lines()}


class Words:
    """What the edge writes to stderr: nothing, when all is well. A full pipe would stop it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        threading.Thread(target=self._read, args=(process.stderr,), daemon=True).start()

    def _read(self, pipe: Any) -> None:
        try:
            for line in pipe:
                self._lines.append(line.rstrip())
        except ValueError:
            pass  # closed with the process

    def lines(self) -> list[str]:
        return list(self._lines)


class Memory:
    """Resident memory of a process, sampled by a thread."""

    def __init__(self, pid: int) -> None:
        self._file = Path(f"/proc/{pid}/statm")
        self._samples: list[tuple[float, float]] = []  # seconds, MiB
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def _sample(self) -> None:
        page = os.sysconf("SC_PAGE_SIZE") / 2**20
        while not self._end.wait(SAMPLE_SECONDS):
            try:
                resident = int(self._file.read_text().split()[1]) * page
            except OSError:
                return  # the edge has ended
            self._samples.append((time.monotonic(), resident))

    def stop(self) -> None:
        self._end.set()
        self._thread.join()

    def figures(self) -> Figures:
        return memory_figures(self._samples)


def memory_figures(samples: list[tuple[float, float]]) -> Figures:
    """Level, spread and slope of (seconds, MiB) after the warm-up; None without enough of them."""
    begin = samples[0][0] + WARM_UP * (samples[-1][0] - samples[0][0]) if samples else 0.0
    kept = [(at, size) for at, size in samples if at >= begin]
    if len(kept) < 3:
        return dict.fromkeys(("rss_mib", "rss_spread_mib", "rss_slope_mib_per_min",
                              "rss_growth_mib"))
    mean_at = sum(at for at, _ in kept) / len(kept)
    level = sum(size for _, size in kept) / len(kept)
    slope = (sum((at - mean_at) * (size - level) for at, size in kept)
             / sum((at - mean_at) ** 2 for at, _ in kept))
    sizes = [size for _, size in kept]
    return {"rss_mib": level, "rss_spread_mib": max(sizes) - min(sizes),
            "rss_slope_mib_per_min": slope * 60,
            "rss_growth_mib": slope * (kept[-1][0] - kept[0][0]),
            "rss_samples": [round(size, 1) for _, size in samples[::max(1, len(samples) // 60)]]}


def judge(figures: Figures, options: argparse.Namespace) -> dict[str, bool]:
    """What may not have shown; a figure that is missing counts as shown."""
    level, growth = figures["rss_mib"], figures["rss_growth_mib"]
    return {
        "every transcript equals the undisturbed one":
            figures["answers"] > 0 and not figures["wrong"],
        "no error that was not injected": not figures["errors"] and not figures["edge_said"],
        "memory is flat after the warm-up":
            level is not None and growth <= FLAT * level
            and figures["rss_spread_mib"] <= 2 * FLAT * level,
        "sessions were taken up again": figures["cuts"] > 0 and figures["resumed"] > 0,
        "the edge answers a new phone at the end": figures["answers_at_end"],
    }


def show(figures: Figures, checks: dict[str, bool], options: argparse.Namespace) -> None:
    names = ("answers", "tokens", "finished", "cancelled", "left", "vanished", "cuts", "resumed",
             "rebuilt", "token_p50_ms", "token_p95_ms", "token_p99_ms", "token_max_ms", "rss_mib",
             "rss_spread_mib", "rss_slope_mib_per_min", "others_busy")
    report.print_table(
        f"{options.sessions} sessions for {options.minutes:.1f} minutes, seed {options.seed}, "
        f"{options.precision}", ["", "value"],
        [[name.replace("_", " "), figures[name]] for name in names])
    for line in [*figures["wrong"], *figures["errors"], *figures["edge_said"]]:
        print(f"  {line}")
    for name, held in checks.items():
        print(f"  {name}: {'yes' if held else 'NO'}")


if __name__ == "__main__":
    main()
