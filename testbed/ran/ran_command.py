"""`airsplit ran`: options and start of an emulated cell that carries packets."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from xapp.errors import ConfigurationError

if TYPE_CHECKING:
    from testbed.ran.ran_config import RanConfig

PATIENCE = 3.0  # seconds until somebody who waits is told why
COMPILES = "the scheduler is being compiled; the first time this takes a minute or two"
EXAMPLES = """examples:
  airsplit ran --config docs/examples/cell.yaml               real packets, tables until Ctrl-C
  airsplit ran --config cell.yaml --check                     is it sound? then show it whole
  airsplit ran --config cell.yaml --simulated --seconds 60 --json run.json
  airsplit ran --config cell.yaml --ric 192.0.2.7             let a RIC steer it
  airsplit ran --config cell.yaml --backend htb               rates alone, by the kernel

  While it runs, from another terminal (the words are those of `events` in the file):
    airsplit ran --config cell.yaml --tell "{kind: outage, cell: 0, seconds: 5}"
    airsplit ran --config cell.yaml --tell "{kind: leave, ue: phone, seconds: 2}"
    airsplit ran --config cell.yaml --tell "{kind: handover, ue: phone, cell: 1}"
    airsplit ran --config cell.yaml --tell "{kind: channel, ue: phone, channel: {snr_db: 2}}"
    airsplit ran --config cell.yaml --tell "{kind: backhaul, loss: 0.2, seconds: 10}"

  With packets each UE is a network namespace; use it while the cell runs:
    ip netns exec airsplit-ran-phone ping 10.45.0.1
  A program that binds to a session's address uses that session. Packets need root;
  --simulated needs none, and goes as fast as it can unless a RIC is to steer it.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.description = (
        "An emulated cell: slots, resource blocks, HARQ, slices and schedulers, with real IP\n"
        "packets between network namespaces, or in simulated time without any.")
    parser.epilog = EXAMPLES
    parser.add_argument("--config", type=Path, metavar="FILE", required=True,
                        help="carriers, slices, UEs, traffic and E2 in YAML; there is an example "
                             "in docs/examples/cell.yaml")
    parser.add_argument("--check", action="store_true",
                        help="print the whole configuration as JSON, and end")
    parser.add_argument("--simulated", action="store_true",
                        help="no packets and no root: arrivals in simulated time")
    parser.add_argument("--seconds", type=float, metavar="N",
                        help="end after so much of the cell's time (default: on Ctrl-C)")
    parser.add_argument("--json", type=Path, metavar="FILE",
                        help="write the summary there when it ends; - for stdout")
    parser.add_argument("--ric", metavar="ADDRESS",
                        help="put E2 on it, for the RIC that listens there")
    parser.add_argument("--backend", choices=("slots", "htb"),
                        help="slots: a scheduler, radio and HARQ; htb: the kernel's token buckets, "
                             "rates alone (default: the file's)")
    parser.add_argument("--tell", metavar="EVENT",
                        help="have something happen in the cell of this file that runs already")
    parser.add_argument("--control", type=Path, metavar="SOCKET",
                        help="where the running cell is told of events (default: "
                             "/run/airsplit/<way.name>.control; simulated: nowhere)")
    parser.add_argument("--seed", type=int, help="of all that is by chance (default: the file's)")
    parser.add_argument("--quiet", action="store_true", help="no tables")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the cell until it is over, and say what happened."""
    if arguments.seconds is not None and not 0 < arguments.seconds < 1e7:
        raise ConfigurationError(f"--seconds {arguments.seconds:g} is no time.",
                                 "Give a number above 0.")
    config = _config(arguments)
    if arguments.check:
        import json

        from xapp.operating import plain
        print(json.dumps(plain(config), indent=2))
        return 0
    if arguments.tell is not None:
        print(_tell(config, arguments))
        return 0
    if arguments.json is not None and str(arguments.json) != "-":
        _check_place(arguments.json)  # before a long run, not after it
    htb = config.backend.value == "htb"
    found = _run_htb(config, arguments) if htb else _run(config, arguments)
    if arguments.json is not None:
        _write(found, arguments.json)
    if str(arguments.json) != "-":
        from testbed.ran import ran_htb, ran_run
        print(ran_htb.told(found) if htb else ran_run.told(found))
    return 0


def _tell(config: RanConfig, arguments: argparse.Namespace) -> str:
    """Tell the running cell of an event; what it did."""
    import yaml

    from testbed.errors import LinkFailure
    from testbed.ran.ran_control import door_of, tell

    try:
        event = yaml.safe_load(arguments.tell)
    except yaml.YAMLError:
        event = None
    if not isinstance(event, dict):
        raise ConfigurationError(f"--tell {arguments.tell!r} is no event.",
                                 'Write such as "{kind: outage, cell: 0, seconds: 5}".')
    try:
        return tell(arguments.control or door_of(config.way.name), event)
    except LinkFailure as error:
        if config.backend.value != "htb":
            raise
        raise ConfigurationError(
            "Backend htb takes no events: the kernel's token buckets have no radio to change.",
            "Run the cell with `backend: slots`, or --backend slots.") from error


def _run_htb(config: RanConfig, arguments: argparse.Namespace) -> dict[str, Any]:
    from testbed.ran.ran_htb import run_htb

    if arguments.simulated:
        raise ConfigurationError("Backend htb has no simulated time.", "Leave --simulated out.")
    return run_htb(config, arguments.seconds,
                   (lambda text: None) if arguments.quiet else _say)


def _config(arguments: argparse.Namespace) -> RanConfig:
    from dataclasses import replace

    from testbed.ran.ran_config import Backend, load
    from testbed.ran.ran_e2 import E2Config

    config = load(arguments.config)
    if arguments.seed is not None:
        config = replace(config, seed=arguments.seed)
    if arguments.backend is not None:
        config = replace(config, backend=Backend(arguments.backend))
    if arguments.ric is not None:
        config = replace(config, e2=replace(config.e2 or E2Config(), ric=arguments.ric))
    return config


def _run(config: RanConfig, arguments: argparse.Namespace) -> dict[str, Any]:
    from dataclasses import replace

    from testbed.ran.ran_cell import opened
    from testbed.ran.ran_control import door_of
    from testbed.ran.ran_run import RunOptions, run_cell

    paced = not arguments.simulated or config.e2 is not None
    if not paced and arguments.seconds is None:
        raise ConfigurationError("Simulated time has no end of its own.", "Give --seconds.")
    door = arguments.control
    if door is None and not arguments.simulated:
        door = door_of(config.way.name)
    options = RunOptions(
        seconds=arguments.seconds, view=not arguments.quiet and sys.stderr.isatty(), paced=paced,
        e2=config.e2, seed=config.seed, events=config.events, control=door)
    patience = threading.Timer(PATIENCE, _say, (COMPILES,))
    patience.daemon = True
    patience.start()
    # Ended while it starts, it takes away what it made; the run itself has handlers of its own.
    before = signal.signal(signal.SIGTERM, _ended)
    try:
        with opened(config, arguments.simulated, paced) as cell:
            patience.cancel()
            return run_cell(cell, replace(options, pcf=cell.pcf), _say)
    finally:
        signal.signal(signal.SIGTERM, before)
        patience.cancel()
        patience.join()


def _ended(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


def _say(text: str) -> None:
    print(f"airsplit ran: {text}", file=sys.stderr, flush=True)


def _check_place(path: Path) -> None:
    """Whether a summary can be written there when the cell ends."""
    if path.is_dir():
        problem = "it is a folder"
    elif not path.parent.is_dir():
        problem = "there is no such folder"
    elif not os.access(path if path.exists() else path.parent, os.W_OK):
        problem = "you have no permission to write there"
    else:
        return
    raise ConfigurationError(f"{path} cannot be written: {problem}.", "Choose another --json.")


def _write(found: dict[str, Any], path: Path) -> None:
    import json

    text = json.dumps(found, indent=2) + "\n"
    if str(path) == "-":
        sys.stdout.write(text)
        return
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        sys.stdout.write(text)  # what a long run found is not lost
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}.",
                                 "The summary is on stdout; choose another --json.") from error
