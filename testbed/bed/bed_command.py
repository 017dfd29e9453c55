"""`airsplit testbed up|down|status|logs|doctor`: options and printing."""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from testbed.bed.doctor import Finding

UP, DOWN, STATUS, LOGS, DOCTOR = "up", "down", "status", "logs", "doctor"
SUMMARIES = {
    UP: "start the cell, edge, tap and xApp in the background",
    DOWN: "end what `up` started",
    STATUS: "what runs, on which ports, with which pages",
    LOGS: "what its parts say",
    DOCTOR: "what this machine lacks for each mode, and how to get it"}
MODES = ("root", "user", "relay")  # of `modes`, which is not loaded for this
NOT_READY, NOT_RUNNING = 1, 3  # of `status`, as systemctl has it
EXAMPLES = """examples:
  airsplit testbed up                     a cell with two slices, an edge, a tap, an xApp, pages
  airsplit testbed up --crowd 24          with phones that fill the cell
  airsplit testbed up --mode user         in a user namespace, as root too
  airsplit testbed up --mode relay        without namespaces, by relays over loopback
  airsplit testbed up --config bed.yaml   such as: {bandwidth_mhz: 10, page_port: 9001}
  airsplit testbed status --json          exit status: 0 ready, 1 not ready, 3 not running
  airsplit testbed logs xapp -f           what the xApp says, until Ctrl-C
  airsplit testbed down                   end all of it, in order
  airsplit testbed doctor                 what each mode needs; exit status 1 if none works
"""


def configure(add: Callable[[str, str], argparse.ArgumentParser], model: Path) -> None:
    """Add the five commands; `add` makes a parser of a name and a summary."""
    parsers = {name: add(name, summary) for name, summary in SUMMARIES.items()}
    for name, parser in parsers.items():
        parser.epilog = EXAMPLES
        parser.set_defaults(run=_RUN[name])
    start = parsers[UP]
    start.add_argument("--mode", choices=MODES,
                       help="how packets are carried (default: the best that works here)")
    start.add_argument("--crowd", type=int, metavar="N",
                       help="phones that load the cell with traffic modelled on recorded ones' "
                            "(default: none does)")
    start.add_argument("--sessions", choices=("two", "one"),
                       help="of the phone: two, one in each slice, as on a real core; or one in "
                            "the others', of which the emulator moves the model's flow "
                            "(default: two)")
    start.add_argument("--config", type=Path, metavar="FILE",
                       help="YAML with other settings: load, crowd, bandwidth_mhz, channel, "
                            "policy and ports; cells, slices and traffic of your own too")
    start.add_argument("--model", type=Path, default=model, metavar="FOLDER",
                       help="checkpoint (default: the bundled one)")
    for name in (STATUS, DOCTOR):
        parsers[name].add_argument("--json", action="store_true", help="as one JSON document")
    parsers[LOGS].add_argument("parts", nargs="*", metavar="PART", help="(default: all)")
    parsers[LOGS].add_argument("-f", "--follow", action="store_true",
                               help="go on until Ctrl-C")
    parsers[LOGS].add_argument("-n", "--lines", type=int, default=20, metavar="N",
                               help="last lines of each (default: %(default)s)")


def _up(arguments: argparse.Namespace) -> int:
    from dataclasses import replace

    from testbed.bed.compiled_code import make_ready
    from testbed.bed.layout import BedOrder, settings_of, with_crowd
    from testbed.bed.modes import HONEST, Mode, detect
    from testbed.bed.updown import up
    from testbed.loop.cell_check import check_and_tell
    from testbed.loop.settings import Sessions

    settings = settings_of(arguments.config)
    if arguments.crowd is not None:
        settings = with_crowd(settings, arguments.crowd)
    if arguments.sessions is not None:
        settings = replace(settings, sessions=Sessions(arguments.sessions))
    found = detect(None if arguments.mode is None else Mode(arguments.mode))
    _say(f"mode {found.mode}: {found.why or HONEST[found.mode]}")
    check_and_tell(replace(settings, mode=found.mode), _say)
    make_ready(_say)
    news = up(BedOrder(found.mode, found.why, arguments.model.resolve(), settings), _say)
    for name, address in news.addresses.items():
        print(f"{name}: {address}")
    print("It runs in the background until: airsplit testbed down")
    return 0


def _down(arguments: argparse.Namespace) -> int:
    from testbed.bed.updown import down

    print("All of it has ended." if down(_say) else "Nothing runs.")
    return 0


def _status(arguments: argparse.Namespace) -> int:
    import json

    from testbed.bed.status import look
    from testbed.bed.updown import clean_up

    clean_up(_say)
    found = look()
    if arguments.json:
        print(json.dumps(found.document(), indent=2))
    else:
        print(found.text())
    return found.exit_status


def _logs(arguments: argparse.Namespace) -> int:
    from testbed.bed.layout import folder_of
    from testbed.bed.logs import followed, last_lines
    from testbed.errors import TestbedFailure

    if arguments.lines < 0:
        raise TestbedFailure(f"--lines {arguments.lines} cannot be.", "Give 0 or more.")
    folder = folder_of()
    for part, line in last_lines(folder, arguments.parts, arguments.lines):
        print(f"{part}: {line}")
    if arguments.follow:
        sys.stdout.flush()
        for part, line in followed(folder, arguments.parts, threading.Event().wait):
            print(f"{part}: {line}", flush=True)
    return 0


def _doctor(arguments: argparse.Namespace) -> int:
    import dataclasses
    import json

    from testbed.bed.doctor import examine, sound
    from testbed.bed.layout import default_settings

    findings = examine(default_settings())
    if arguments.json:
        print(json.dumps([dataclasses.asdict(one) for one in findings], indent=2))
    else:
        for one in findings:
            print(_told(one))
    return 0 if sound(findings) else 1


def _told(one: Finding) -> str:
    remedy = f"\n{'':28}-> {one.remedy}" if one.remedy else ""
    return f"{one.grade:8} {one.what:18} {one.said}{remedy}"


def _say(text: str) -> None:
    print(f"airsplit testbed: {text}", file=sys.stderr, flush=True)


_RUN: dict[str, Callable[[argparse.Namespace], Any]] = {
    UP: _up, DOWN: _down, STATUS: _status, LOGS: _logs, DOCTOR: _doctor}
