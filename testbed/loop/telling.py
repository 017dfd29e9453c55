"""The loop told while it runs: a live view or plain lines, then the table and the report.

    tell(LoopSettings(page=True), Options(folder, model, keep=False, live=True))

Whatever ends it, Ctrl-C at any moment too, what it made is taken away before it returns. Figures
and pictures are made elsewhere.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.live import Live

from testbed.bed.modes import Mode
from testbed.bed.record import Record, clean_leftovers
from testbed.loop.chronicle import Event, chronicle
from testbed.loop.grounds import require
from testbed.loop.live_view import Scene, draw
from testbed.loop.outcome import LoopResult
from testbed.loop.parts import undisturbed, written_to
from testbed.loop.ports import with_free_ports
from testbed.loop.programs import Programs
from testbed.loop.report import show, write, write_summary
from testbed.loop.run import Run
from testbed.loop.run_folder import alone
from testbed.loop.settings import LoopSettings

KEEP_LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class Options:
    """How it is told."""

    folder: Path
    model: Path
    keep: bool = False  # everything stays up until Ctrl-C
    live: bool = False  # a view that changes in its place; else lines


def tell(settings: LoopSettings, options: Options) -> LoopResult:
    """All of it. With `keep` it returns by KeyboardInterrupt alone."""
    console = Console(highlight=False)
    require(settings)
    if told := clean_leftovers(settings.name):
        console.print(told, soft_wrap=True)
    with (written_to(options.folder), alone(options.folder),
          Record.open(settings.name) as record):
        if settings.doors is None:  # else whoever is outside has seen to it
            settings = with_free_ports(settings,
                                       lambda text: console.print(text, soft_wrap=True))
        teller = LiveTeller(settings, console) if options.live else LineTeller(console)
        with (contextlib.ExitStack() as ended,
              Programs(settings, options.folder, options.model, teller.say, record) as programs):
            run = Run(programs, teller.looked)
            with teller:
                run.start()
                teller.up(programs.addresses)
                run.phases()
                run.rest()
            if options.keep:
                programs.ground.end_capture()
                result = _report(run, options.folder, console)
                ended.callback(_add_cell, result, run, options.folder)
                if options.live:  # the view is gone, and its addresses with it
                    _say_addresses(programs.addresses, console)
                _keep(programs, console)
        return _report(run, options.folder, console)


def _report(run: Run, folder: Path, console: Console) -> LoopResult:
    result = run.result()
    show(result, console)
    write(result, folder)
    console.print(f"Figures, picture, report and logs are in {folder}/: summary.json, loop.png, "
                  "report.html.", soft_wrap=True)
    return result


def _add_cell(result: LoopResult, run: Run, folder: Path) -> None:
    """What the cell says of itself, which it does at its end; else the figures are those shown."""
    with undisturbed():
        write_summary(replace(result, cell=run.result().cell), folder)


def _say_addresses(addresses: Mapping[str, str], console: Console) -> None:
    for name, url in addresses.items():
        console.print(f"           {name}: {url}", soft_wrap=True)


def _keep(programs: Programs, console: Console) -> None:
    """Until Ctrl-C, or until one of them ends."""
    if programs.settings.mode is not Mode.USER:  # a user's namespaces are not entered from out here
        console.print(f"As the phone: {programs.ground.hint()}", soft_wrap=True)
    console.print("All of it stays up until Ctrl-C.")
    while True:
        programs.check()
        time.sleep(KEEP_LOOK_SECONDS)


class LineTeller:
    """A line for each thing that happens, once."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._told: set[Event] = set()

    def __enter__(self) -> LineTeller:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is open."""

    def say(self, text: str) -> None:
        self._console.print(f"           {text}", soft_wrap=True)

    def up(self, addresses: Mapping[str, str]) -> None:
        """All of it is, there."""
        _say_addresses(addresses, self._console)

    def looked(self, run: Run, now: float) -> None:
        for event in chronicle(run.facts()):
            if event not in self._told:
                self._told.add(event)
                self._console.print(f"{event.at:8.1f} s  {event.what.value}: {event.text}",
                                    soft_wrap=True)


class LiveTeller:
    """A view of everything, drawn anew at each look."""

    def __init__(self, settings: LoopSettings, console: Console) -> None:
        self._console = console
        self._scene = Scene(settings)
        self._live = Live(console=console, auto_refresh=False, screen=True)

    def __enter__(self) -> LiveTeller:
        self._live.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.__exit__(None, None, None)

    def say(self, text: str) -> None:
        self._scene.said.append(text)
        self._show()

    def up(self, addresses: Mapping[str, str]) -> None:
        """All of it is, there."""
        self._scene.addresses = addresses

    def looked(self, run: Run, now: float) -> None:
        scene, facts = self._scene, run.facts()
        scene.now, scene.tokens, scene.samples = now, facts.tokens, run.samples
        scene.quotas = run.cell_quotas[-1][1] if run.cell_quotas else {}
        scene.flow, scene.decisions = run.flow, run.decisions
        scene.dry_run = run.allowed_at is None
        scene.events = chronicle(facts)
        self._show()

    def _show(self) -> None:
        if self._live.is_started:
            width, height = self._console.size
            self._live.update(draw(self._scene, width, height), refresh=True)
