"""`airsplit testbed loop`: the closed loop on this machine, with its table, picture and figures."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from testbed.loop.outcome import LoopResult

EXAMPLES = """examples:
  airsplit testbed loop                         about two minutes; needs root
  airsplit testbed loop --crowd 40 --out report
  airsplit testbed loop --quick                 short phases, to see that it runs

  Everything is real but the radio: packets between network namespaces through an emulated cell, a
  language model cut in two, the classifier's tap, the xApp with its own E2 termination.
"""


def configure(parser: argparse.ArgumentParser, model: Path) -> None:
    """Add this command's options."""
    parser.description = (
        "A phone asks a split model over a cell that a crowd then fills; the xApp finds the\n"
        "traffic by its label, watches at first, then makes room for it, and takes it back.")
    parser.epilog = EXAMPLES
    parser.add_argument("--out", type=Path, default=Path("demo-report"), metavar="FOLDER",
                        help="for summary.json, loop.png, logs (default: %(default)s)")
    parser.add_argument("--crowd", type=int, default=24, metavar="N",
                        help="phones that load the cell (default: %(default)s)")
    parser.add_argument("--model", type=Path, default=model, metavar="FOLDER",
                        help="checkpoint (default: the bundled one)")
    parser.add_argument("--seed", type=int, default=1, help="of all that is by chance")
    parser.add_argument("--quick", action="store_true", help="phases of some seconds")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run it, show the table, and leave the report behind."""
    from testbed.loop.run import run_loop
    from testbed.loop.settings import LoopSettings

    quick: dict[str, Any] = {"calm_seconds": 5.0, "congested_seconds": 7.0,
                             "steered_seconds": 10.0, "after_seconds": 5.0}
    settings = LoopSettings(crowd=arguments.crowd, seed=arguments.seed,
                            **(quick if arguments.quick else {}))
    result = run_loop(settings, arguments.out, arguments.model, _say)
    show(result)
    write(result, arguments.out)
    print(f"Figures, picture and logs are in {arguments.out}/.")
    return 0


def _say(text: str) -> None:
    print(f"airsplit testbed: {text}", file=sys.stderr, flush=True)


def write(result: LoopResult, folder: Path) -> None:
    """summary.json and loop.png."""
    from testbed.loop.picture import draw

    text = json.dumps(result.document(), indent=2)
    (folder / "summary.json").write_text(text + "\n", encoding="utf-8")
    draw(result, folder / "loop.png")


def show(result: LoopResult) -> None:
    """The table, and what the xApp did."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="the phone's tokens, phase by phase")
    for name in ("phase", "tokens/s", "first token ms", "p50 ms", "p95 ms", "p99 ms",
                 "stalls > 0.5 s", "p95 times calm"):
        table.add_column(name, justify="left" if name == "phase" else "right")
    base = result.phases[0].p95_ms
    for one in result.phases:
        table.add_row(one.name, f"{one.tokens_per_second:.1f}", _shown(one.first_token_ms),
                      _shown(one.p50_ms), _shown(one.p95_ms), _shown(one.p99_ms), str(one.stalls),
                      _shown(one.p95_ms / base if one.p95_ms and base else None, 2))
    console = Console()
    console.print(table)
    labels = result.labels
    if labels is None or labels.first_right_seconds is None:
        console.print("The classifier did not find the flow." if labels is not None else
                      "Whether the flow was found is not known: it was not captured.")
    else:
        console.print(f"The classifier called the flow llm_split "
                      f"{labels.first_right_seconds:.2f} s after its first packet.")
    for at, shares in result.quotas:
        told = ", ".join(f"{name}: " + ("as configured" if not quota else
                         f"{quota['minimum']} to {quota['maximum']} %")
                         for name, quota in sorted(shares.items()))
        console.print(f"  {max(0.0, at):5.1f} s  {told}")


def _shown(value: float | None, digits: int = 0) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
