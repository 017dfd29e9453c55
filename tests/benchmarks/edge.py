"""An `airsplit edge` process for a benchmark, as a user would start it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from edge_server.split import LayerRange
from tests.benchmarks import report

READY = "airsplit edge:"  # how the line begins that says where it listens


@contextmanager
def serving(
    folder: Path, precision: str, layers: LayerRange, threads: int, timeout: float,
    where: Sequence[str] = (), host: str = "127.0.0.1", port: int = 0, context: int = 2048,
    sessions: int = 1, command: Sequence[str] = ("testbed.cli", "edge"),
    started: Callable[[subprocess.Popen[str]], object] = lambda _: None,
) -> Iterator[str]:
    """Serve `layers` of `folder` until left; gives the URL. `where` goes before the command.

    `started` is told the process, once it serves.
    """
    everyone = ["--allow-anyone"] if host != "127.0.0.1" else []  # inside a namespace of our own
    process = report.start(
        [*where, *report.python(
            *command, "--model", folder, "--layers", f"{layers.start}:{layers.end}",
            "--host", host, "--port", port, *everyone, "--sessions", sessions, "--backend", "fast",
            "--dtype", precision, "--threads", threads, "--context", context)], threads)
    try:
        line = report.wait_for_line(process, READY, timeout)
        started(process)
        yield line.split()[-1]
    finally:
        report.stop(process)
