"""The loop as an ordinary user: all of it in a user namespace, its pages reachable from outside.

    settings, status = standing(settings, arguments.mode, arguments.inside)
    if status is not None: return status      # it ran in there
    with Outside(settings, record) as outside:
        status = outside.run([sys.executable, "-m", "testbed.cli", "demo", ...])

What runs in there has a network of its own, with nothing of this machine's. Sockets with a name
lead in; whoever is outside listens at the machine's ports for them. Each of the two has a record of
its own: what one of them left that was killed is taken away by the next of its kind.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from testbed import namespaces
from testbed.bed.compiled_code import make_ready
from testbed.bed.modes import Mode, detect
from testbed.bed.record import Record, clean_leftovers
from testbed.loop.parts import PR_SET_PDEATHSIG, Part, stop_all, undisturbed
from testbed.loop.ports import with_free_ports
from testbed.loop.settings import LoopSettings
from testbed.ran.plane import user_namespace

PORTS = ("page_port", "console_port", "api_port")  # that a person's browser wants
OPTION = "--inside"  # how a command is told that it is in there: where the sockets are, and ports


def add_mode(parser: argparse.ArgumentParser) -> None:
    """The options by which a command finds its mode, and itself inside."""
    parser.add_argument("--mode", choices=[one.value for one in Mode],
                        help="what carries packets (default: the best that works here)")
    parser.add_argument(OPTION, help=argparse.SUPPRESS)


def standing(settings: LoopSettings, forced: str | None, inside: str | None,
             ) -> tuple[LoopSettings, int | None]:
    """The settings with the mode that works here; else the status of this command in there."""
    if inside is not None:
        return at_home(settings, inside), None
    found = detect(None if forced is None else Mode(forced))
    print(f"mode {found.mode}: {found.why}", flush=True)
    make_ready(lambda text: print(text, flush=True))
    if found.mode is not Mode.USER:
        return replace(settings, mode=found.mode), None
    name = f"{settings.name}-outside"  # what runs in there has the other name
    if told := clean_leftovers(name):
        print(told, flush=True)
    with Record.open(name) as record:
        settings = with_free_ports(settings, print)
        with Outside(settings, record) as outside:
            return settings, outside.run([sys.executable, "-m", "testbed.cli", *sys.argv[1:]])


class Outside:
    """Doors at this machine's ports, for as long as the block lasts."""

    def __init__(self, settings: LoopSettings, record: Record | None = None) -> None:
        """`record` is where all that is made is written down, in case of a kill."""
        self._settings, self._record = settings, record
        self._folder = Path(tempfile.mkdtemp(prefix="airsplit-"))
        if record is not None:
            record.folder(self._folder)
        self._doors: list[Part] = []

    def __enter__(self) -> Outside:
        for name in PORTS if self._settings.page else ():
            port = getattr(self._settings, name)
            self._doors.append(Part(
                f"the door at port {port}",
                [sys.executable, "-m", "testbed.loop.door", f"tcp:{port}",
                 f"unix:{self._folder}/{port}"], self._folder / f"{port}.log", None))
            if self._record is not None:
                self._record.process(self._doors[-1].process.pid)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        with undisturbed():
            stop_all([self._doors])
            shutil.rmtree(self._folder, ignore_errors=True)

    def run(self, words: Sequence[str]) -> int:
        """Run a command in there, with the terminal that this process has; its status."""
        ports = ",".join(str(getattr(self._settings, name)) for name in PORTS)
        process = subprocess.Popen(user_namespace.inside(
            [*words, OPTION, f"{self._folder}:{ports}"]))
        # Ctrl-C reaches that command too, which has something to end; SIGTERM is handed on.
        if self._record is not None:
            self._record.process(process.pid)
        before = {number: signal.signal(number, handler) for number, handler in (
            (signal.SIGINT, signal.SIG_IGN),
            (signal.SIGTERM, lambda *_: process.terminate()))}
        try:
            return process.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def at_home(settings: LoopSettings, told: str) -> LoopSettings:
    """In there: make the namespace fit to live in; the settings that fit the doors outside."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() == 1:
        raise SystemExit(1)  # whoever is outside is gone already
    namespaces.command("ip", "link", "set", "lo", "up")
    folder, _, ports = told.rpartition(":")
    numbers = dict(zip(PORTS, map(int, ports.split(",")), strict=True))
    return replace(settings, mode=Mode.USER, doors=folder, **numbers)  # type: ignore[arg-type]  # they are numbers
