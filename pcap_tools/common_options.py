"""What the commands of `airsplit pcap` share: options, exit codes and how they end.

It does not know what a command does with what it reads.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pcap_tools.flows import FlowConfig
    from pcap_tools.gather import Account

CODES = """exit codes: 0 all was read; 3 a part could not be read, the rest is delivered;
1 nothing was delivered; 130 Ctrl-C ended the reading, what was read is delivered
"""


def add_input(parser: argparse.ArgumentParser, needed: bool = True) -> None:
    parser.add_argument("captures", nargs="+" if needed else "*", metavar="CAPTURE",
                        help="pcap or pcapng, plain or gz, zst, xz; a folder means every capture "
                             "in it; - is standard input")
    parser.add_argument("--json", action="store_true",
                        help="print one JSON object instead of text")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def add_output(parser: argparse.ArgumentParser, needed: bool = True) -> None:
    parser.add_argument("--out", required=needed, metavar="FILE",
                        help="where to; - is standard output. Its name says the format: .parquet, "
                             ".csv, .jsonl")
    parser.add_argument("--format", choices=("parquet", "csv", "jsonl"),
                        help="whatever the name says")
    parser.add_argument("--columns", metavar="NAMES",
                        help="only these columns, separated by commas; * stands for any part, and "
                             "a ! in front leaves them out")


def add_flow_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("flows")
    group.add_argument("--idle", type=_seconds, default=120.0, metavar="SECONDS",
                       help="a flow is over after so much silence (default: %(default)g)")
    group.add_argument("--active", type=_seconds, default=1800.0, metavar="SECONDS",
                       help="a flow is cut after so long; inf never cuts (default: %(default)g)")
    group.add_argument("--most", type=_count, default=1 << 20, metavar="FLOWS",
                       help="flows at a time; then the longest silent one makes room "
                            "(default: %(default)s)")


def add_job_options(parser: argparse.ArgumentParser) -> None:
    """How many read."""
    group = parser.add_argument_group(
        "several captures", "Alone, one process reads them one after the other, and a flow may go "
        "on in the next; with these options each capture is read by itself.")
    group.add_argument("--jobs", type=_jobs, default=1, metavar="N",
                       help="processes that read, each a capture at a time (default: %(default)s)")
    group.add_argument("--ray", action="store_true",
                       help="let Ray read them, on many machines where RAY_ADDRESS names a cluster")


def _jobs(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 1024:
        raise argparse.ArgumentTypeError(f"{text} is not a number of processes; give 1 to 1024")
    return value


def _seconds(text: str) -> float:
    value = float(text)
    if not value > 0 or math.isnan(value):
        raise argparse.ArgumentTypeError(f"{text} is not a duration; give seconds above 0")
    return value


def _count(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 1 << 26:
        raise argparse.ArgumentTypeError(f"{text} is not a number of flows; give 1 to {1 << 26}")
    return value


def flow_config(arguments: argparse.Namespace, **more: Any) -> FlowConfig:
    from pcap_tools.flows import FlowConfig

    return FlowConfig(arguments.idle, arguments.active, arguments.most, **more)


def say(arguments: argparse.Namespace, document: dict[str, Any], line: str) -> None:
    """The object, or one line; beside a table on standard output on stderr."""
    stream = sys.stderr if str(arguments.out) == "-" else sys.stdout
    print(json.dumps(document) if arguments.json else line, file=stream)


def finished(account: Account, command: str) -> int:
    from pcap_tools.gather import tell

    if account.interrupted:
        print(f"airsplit {command}: stopped; what was read until then is delivered",
              file=sys.stderr)
    tell(account.warnings, command)
    return account.exit_code
