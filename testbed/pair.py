"""`airsplit testbed pair`: an edge and a phone as two processes on this machine, with figures.

The phone streams an answer from the model; the same question then runs unsplit, in turn, a few
times each, and a table shows the medians side by side. It knows the two programs only by their
command lines, as a user does.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edge_server.engine.options import positive
from edge_server.errors import EdgeError

EXAMPLES = """examples:
  airsplit testbed pair
  airsplit testbed pair --split 4 --prompt "Tell me a story about a king."
  airsplit testbed pair --model gemma-2-2b --dtype int8 --rounds 1
"""
READY_MARK = " on http://"  # in the line by which an edge says where it listens


class PairError(EdgeError):
    """One of the two programs did not do its part."""


def configure(parser: argparse.ArgumentParser, default_model: Path) -> None:
    """Add this command's options to `parser`."""
    parser.description = "Start an edge and a phone on this machine and compare with unsplit."
    parser.epilog = EXAMPLES
    parser.add_argument("--model", type=Path, default=default_model, metavar="DIR",
                        help="whole checkpoint folder (default: the bundled model)")
    parser.add_argument("--prompt", default="Once upon a time there was an old king who",
                        help="what the phone asks (default: %(default)r)")
    parser.add_argument("--split", type=int, default=1, metavar="K",
                        help="layers on the phone (default: %(default)s)")
    parser.add_argument("--rounds", type=positive, default=3, metavar="N",
                        help="times each way is measured (default: %(default)s)")
    parser.add_argument("--max-new-tokens", type=positive, default=120, metavar="N",
                        help="longest answer (default: %(default)s)")
    parser.add_argument("--dtype", default="auto", help="as for `airsplit edge`")
    parser.add_argument("--backend", default="auto", help="as for `airsplit edge`")
    parser.add_argument("--threads", type=positive, default=1, metavar="N",
                        help="threads of each side; two sides share this machine "
                             "(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=7, help="of the sampled tokens")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run both, and compare; 1 if the split answer is not the unsplit one."""
    from rich.console import Console

    console = Console()
    common = ["--model", str(arguments.model), "--dtype", arguments.dtype,
              "--backend", arguments.backend, "--threads", str(arguments.threads)]
    with edge_process(common) as url:
        console.print(f"[bold]edge[/] ready at {url}\n[bold]phone[/] asks: {arguments.prompt}\n")
        split: list[dict[str, Any]] = []
        whole: list[dict[str, Any]] = []
        for index in range(arguments.rounds):
            ask = [*common, "--seed", str(arguments.seed),
                   "--max-new-tokens", str(arguments.max_new_tokens), arguments.prompt]
            split.append(phone_run(["--edge", url, "--split", str(arguments.split), *ask],
                                   shown=index == 0))
            whole.append(phone_run(["--local", *ask], shown=False))
    console.print()
    console.print(figures(split, whole))
    same = all(record["token_ids"] == split[0]["token_ids"] for record in split + whole)
    console.print("The split answer is the unsplit one, token for token." if same else
                  "[bold red]The split answer differs from the unsplit one.[/]")
    return 0 if same else 1


@contextmanager
def edge_process(options: Sequence[str]) -> Iterator[str]:
    """An edge on a free port of this machine; yields its URL, and ends it."""
    # This user's tokens, if there are any, are for phones elsewhere.
    command = [sys.executable, "-m", "testbed.cli", "edge", "--port", "0", "--allow-anyone",
               *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None  # it was asked for
    try:
        line = process.stdout.readline()
        if READY_MARK not in line:
            raise PairError("The edge did not start; it says why above.",
                            f"Try it by itself: airsplit {' '.join(command[3:])}")
        yield "http://" + line.rsplit(READY_MARK, 1)[1].strip()
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def phone_run(options: Sequence[str], shown: bool) -> dict[str, Any]:
    """Ask once in a process of its own; returns its figures."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "testbed.cli", "ue", "--quiet", "--report", str(report),
                   *options]
        status = subprocess.run(command, stdout=None if shown else subprocess.DEVNULL).returncode
        if status:
            raise PairError(f"The phone ended with status {status}; it says why above.",
                            f"Try it by itself: airsplit {' '.join(command[3:])}")
        record: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
        return record


def figures(split: Sequence[dict[str, Any]], whole: Sequence[dict[str, Any]]) -> Any:
    """The table: split beside unsplit, medians over the rounds."""
    from rich.table import Table

    first = split[0]
    table = Table(
        title=f"{first['backend']} {first['dtype']}, {first['tokens']} tokens, "
              f"median of {len(split)} rounds each",
        caption="bytes are counted on the socket, WebSocket and frame headers included")
    table.add_column("")
    table.add_column(f"split at {first['split']} of {first['layers']}", justify="right")
    table.add_column("unsplit", justify="right")
    rows = (
        ("time to first token", "time_to_first_token", 1000.0, "{:,.1f} ms"),
        ("tokens a second", "tokens_per_second", 1.0, "{:,.1f}"),
        ("bytes up a token", "bytes_up_per_token", 1.0, "{:,.0f} B"),
        ("bytes down a token", "bytes_down_per_token", 1.0, "{:,.0f} B"),
        ("bytes up in all", "bytes_up", 1.0, "{:,.0f} B"),
        ("bytes down in all", "bytes_down", 1.0, "{:,.0f} B"),
    )
    for name, key, scale, form in rows:
        table.add_row(name, _median(split, key, scale, form), _median(whole, key, scale, form))
    return table


def _median(records: Sequence[dict[str, Any]], key: str, scale: float, form: str) -> str:
    values = [record[key] for record in records if record[key] is not None]
    return form.format(statistics.median(values) * scale) if values else "-"
