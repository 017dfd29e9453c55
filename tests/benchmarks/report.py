"""What every benchmark shares: pinned subprocesses, interleaved rounds, medians, table and JSON.

It measures only what else kept the processors busy meanwhile. It knows no model and imports none,
so that a benchmark's parent process stays small. A figure that could not be measured is None with
a reason beside it, never 0.
"""

from __future__ import annotations

import argparse
import ctypes
import functools
import json
import os
import platform
import select
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = ("torch", "transformers", "numpy", "websockets")
REASON_CHARACTERS = 200  # of a failed worker's last line: enough to act on, short in a table
IDLE_SECONDS = 0.5  # looked at before a measurement
IDLE_PROCESSORS = 0.1  # that others may use and still count as idle
PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)
Figures = dict[str, Any]  # one worker's last line of stdout


@dataclass
class Measured:
    """One contender's rounds; `reason` says why there are none."""

    rounds: list[Figures] = field(default_factory=list)
    reason: str | None = None

    def middle(self, name: str) -> float | None:
        """Median over rounds of a worker's figure: a number, or a list whose median counts."""
        return middle([middle(value) if isinstance(value, list) else value
                       for value in (figures.get(name) for figures in self.rounds)])

    def quantile(self, name: str, share: float) -> float | None:
        """The quantile of all rounds' samples of `name` together."""
        samples = sorted(value for figures in self.rounds for value in figures.get(name) or [])
        return samples[min(int(share * len(samples)), len(samples) - 1)] if samples else None


def middle(values: Sequence[float | None]) -> float | None:
    """The median of what was measured; None where nothing was."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def ratio(value: float | None, base: float | None) -> float | None:
    """`value / base` where both were measured."""
    return value / base if value is not None and base else None


def add_quiet_options(parser: argparse.ArgumentParser) -> None:
    """What a benchmark on a shared machine may do for peace."""
    group = parser.add_argument_group("on a machine that does other work too")
    group.add_argument("--wait", type=float, default=0.0, metavar="SECONDS",
                       help="before each measurement, wait this long for others to be idle")
    group.add_argument("--hold", type=int, metavar="GROUP",
                       help="process group to stop (SIGSTOP) during each measurement")


@contextmanager
def quiet(options: argparse.Namespace) -> Iterator[None]:
    """Stop the process group that may be stopped, then wait for the others, for a while."""
    hold(options, signal.SIGSTOP)
    try:
        deadline = time.monotonic() + options.wait
        while time.monotonic() < deadline:
            beside: Figures = {}
            with others_busy(beside):
                time.sleep(IDLE_SECONDS)
            if beside["others_busy"] < IDLE_PROCESSORS:
                break
        yield
    finally:
        hold(options, signal.SIGCONT)


def hold(options: argparse.Namespace, what: signal.Signals) -> None:
    """Stop or continue the process group that may be held; it may have ended meanwhile."""
    if options.hold is not None:
        with suppress(ProcessLookupError):
            os.killpg(options.hold, what)


def round_robin(
    contenders: Mapping[str, Callable[[], Figures]], options: argparse.Namespace
) -> dict[str, Measured]:
    """Run every contender once a round, so that a slow minute hits all of them alike.

    A contender that fails is left out of later rounds and keeps its reason.
    """
    measured = {name: Measured() for name in contenders}
    for number in range(options.rounds):
        for name, run in contenders.items():
            if measured[name].reason is not None:
                continue
            progress(f"round {number + 1}/{options.rounds}: {name}")
            try:
                with quiet(options):
                    measured[name].rounds.append(run())
            except (WorkerFailed, OSError) as error:  # a missing figure must not cost the others
                measured[name].reason = str(error) or type(error).__name__
    return measured


class WorkerFailed(Exception):
    """A subprocess gave no figures; the text says why."""


def run_worker(
    command: Sequence[str], threads: int, timeout: float, niceness: int = 0,
    environment: Mapping[str, str] | None = None,
) -> Figures:
    """Run one contender in a process group of its own; its last line of stdout is JSON."""
    beside: Figures = {}
    process = start(command, threads, niceness, environment)
    try:
        with others_busy(beside):
            output, errors = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired as error:
        raise WorkerFailed(f"took more than {timeout:.0f} s") from error
    finally:
        stop(process)
    lines = output.strip().splitlines()
    if process.returncode != 0 or not lines:
        last = (errors.strip().splitlines() or [f"exit {process.returncode}"])[-1]
        raise WorkerFailed(last[:REASON_CHARACTERS])
    figures = json.loads(lines[-1])
    if "reason" in figures:
        raise WorkerFailed(str(figures["reason"])[:REASON_CHARACTERS])
    return dict(figures) | beside


def start(
    command: Sequence[str], threads: int, niceness: int = 0,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[str]:
    """Start `command` in a group of its own with its thread count pinned."""
    pinned = {name: str(threads) for name in
              ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    everything = dict(os.environ) | pinned | {"PYTHONPATH": path} | dict(environment or {})
    return subprocess.Popen(
        list(command), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
        env=everything, start_new_session=True, preexec_fn=functools.partial(_prepare, niceness))


def _prepare(niceness: int) -> None:
    """In the child: end with the parent, even one that was killed."""
    ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGKILL)
    os.nice(niceness)


def stop(process: subprocess.Popen[str]) -> None:
    """End a process group that `start` made, whatever state it is in."""
    try:
        os.killpg(process.pid, signal.SIGTERM if process.poll() is None else signal.SIGKILL)
        process.wait(5)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(5)
    except ProcessLookupError:
        pass  # all of it had ended
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def wait_for_line(process: subprocess.Popen[str], beginning: str, timeout: float) -> str:
    """The first line that `process` prints, which says that it is ready."""
    assert process.stdout is not None
    assert process.stderr is not None
    ready, _, _ = select.select([process.stdout], [], [], timeout)
    if not ready:
        raise WorkerFailed(f"not ready within {timeout:.0f} s")
    line = process.stdout.readline()
    if line.startswith(beginning):
        return line.strip()
    stop_and_tell = [line] if line else process.stderr.read().strip().splitlines()
    raise WorkerFailed((stop_and_tell or ["it ended without a word"])[-1][:REASON_CHARACTERS])


def python(module: str, *arguments: object) -> list[str]:
    """The command that runs a module of this checkout with this interpreter."""
    return [sys.executable, "-m", module, *(str(argument) for argument in arguments)]


@contextmanager
def others_busy(figures: Figures) -> Iterator[None]:
    """Adds `others_busy`: processors that other processes kept busy meanwhile (1.0 is one)."""
    began, busy, own = time.monotonic(), _busy_seconds(), _own_seconds()
    yield
    elapsed = time.monotonic() - began
    foreign = (_busy_seconds() - busy) - (_own_seconds() - own)
    figures["others_busy"] = max(0.0, foreign / elapsed) if elapsed > 0 else None


def _busy_seconds() -> float:
    fields = [int(text) for text in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    idle = fields[3] + fields[4]
    return (sum(fields) - idle) / os.sysconf("SC_CLK_TCK")


def _own_seconds() -> float:
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def machine() -> Figures:
    """Where and on what the figures were taken."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "load_before": os.getloadavg()[0],
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in VERSIONS},
        "commit": _git("rev-parse", "HEAD"),
        "changed_files": len((_git("status", "--porcelain") or "").splitlines()),
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def _processor() -> str | None:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or None


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True,
                              timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def progress(line: str) -> None:
    """A passing remark, on stderr so that stdout stays table and JSON."""
    print(f"  {line}", file=sys.stderr, flush=True)


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table whose first column is names and whose others are figures; None prints as a dash."""
    table = Table(title=title, title_justify="left")
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index else "left", no_wrap=index > 0)
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    Console(width=None if sys.stdout.isatty() else 140).print(table)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def finish(benchmark: str, arguments: Mapping[str, object], results: object) -> None:
    """The last line of stdout: one JSON object with everything."""
    print(json.dumps({"benchmark": benchmark, "machine": machine(),
                      "arguments": {name: value if isinstance(value, int | float | list | None)
                                    else str(value) for name, value in arguments.items()},
                      "results": results}, sort_keys=True), flush=True)
