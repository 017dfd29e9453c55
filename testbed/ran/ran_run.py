"""Runs a cell until it is over: lets its time pass, draws it, keeps E2 beside it, sums it up.

    summary = run_cell(cell, RunOptions(seconds=30.0, view=True))

A cell is paced by the clock, or goes as fast as it can in simulated time. SIGINT and SIGTERM end it
in order; what happened until then is summed up all the same.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from testbed.errors import LinkFailure
from testbed.ran.cell_model import Ran, Snapshot
from testbed.ran.ran_control import served
from testbed.ran.ran_events import Carrier, EventConfig, Script, perform
from testbed.ran.ran_events import check as check_event
from testbed.ran.ran_view import Extras, Figures, Row, between, draw
from xapp.config_reading import build
from xapp.errors import ConfigurationError

if TYPE_CHECKING:
    from testbed.ran.pcf import Carrier as FlowCarrier
    from testbed.ran.ran_e2 import E2Config, E2Side
    from xapp.observations import Snssai

STEP = 0.01  # seconds of cell time between two looks of E2
CHUNK = 0.1  # seconds of simulated time at once
DRAW_SECONDS = 0.5


class Cell(Protocol):
    """A cell that runs, whatever carries it."""

    @property
    def ran(self) -> Ran: ...

    def advance(self, now: float) -> None:
        """It is `now`: by the monotonic clock where it is paced, else by the cell's own.

        Nothing is to do where a thread does it.
        """

    def extras(self) -> Extras: ...

    @property
    def carrier(self) -> Carrier:
        """What carries events out."""

    @property
    def pcf(self) -> PcfAt | None:
        """Where single flows are asked for; None where they stay in their sessions' slices."""

    def news(self) -> list[str]:
        """What happened unasked since the last time, in words."""

    def account(self) -> Mapping[str, Any]:
        """Where every packet went, and how late slots were."""


@dataclass(frozen=True)
class PcfAt:
    """Where single flows are asked for, and who carries them."""

    carrier: FlowCarrier
    into: Snssai
    port: int
    host: str = "127.0.0.1"


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How it is run."""

    seconds: float | None = None  # of the cell's time; None: until it is ended
    view: bool = False  # tables on the terminal
    paced: bool = True  # by the clock; else as fast as it goes
    e2: E2Config | None = None
    seed: int = 1
    events: tuple[EventConfig, ...] = ()
    pcf: PcfAt | None = None  # where single flows are asked for, where the cell can do that
    control: Path | None = None  # a socket for events that are told while it runs


def run_cell(cell: Cell, options: RunOptions,
             say: Callable[[str], None] = lambda text: None) -> dict[str, Any]:
    """Until it is over; what happened."""
    return asyncio.run(_Run(cell, options, say).run())


class _Run:
    def __init__(self, cell: Cell, options: RunOptions, say: Callable[[str], None]) -> None:
        self.cell, self.options, self.say = cell, options, say
        self.over = asyncio.Event()
        self.lines: list[str] = []  # the last of what was said, below the tables
        self.script = Script(options.events)
        self.happened: list[dict[str, Any]] = []
        self.asked: dict[int, asyncio.Future[str]] = {}  # by event: who waits for its outcome
        self.at = 0.0  # seconds of the cell's time
        self.first = self.last = Snapshot(0.0)

    async def run(self) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        async with AsyncExitStack() as stack:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, self.over.set)
                stack.callback(loop.remove_signal_handler, number)
            self.first = self.last = self.cell.ran.snapshot()
            side = await self._e2(stack)
            await self._pcf(stack)
            if self.options.control is not None:
                await stack.enter_async_context(served(self.options.control, self._told_of))
            show = self._view(stack)
            # What is paced began with the cell, whose clock is the monotonic one.
            began = self.first.at if self.options.paced else time.monotonic()
            await self._pass(began, side, show)
            took = time.monotonic() - began
        return self._summary(took)

    async def _e2(self, stack: AsyncExitStack) -> E2Side | None:
        if self.options.e2 is None:
            return None
        from testbed.ran.ran_e2 import e2_beside
        return await stack.enter_async_context(e2_beside(
            self.cell.ran, self.options.e2, self.options.seed, self._said))

    async def _pcf(self, stack: AsyncExitStack) -> None:
        at = self.options.pcf
        if at is None:
            return
        from testbed.ran.pcf import Pcf
        from testbed.ran.pcf_server import serve_pcf
        port = await stack.enter_async_context(serve_pcf(
            Pcf(at.carrier, at.into), at.host, at.port))
        self._said(f"single flows into slice {at.into}: a policy function (emulated, as no real "
                   f"core can) at http://{at.host}:{port}")

    def _view(self, stack: AsyncExitStack) -> Callable[[], None]:
        if not self.options.view:
            return lambda: None
        from rich.console import Console
        from rich.live import Live
        console = Console(file=sys.stderr)
        live = stack.enter_context(Live(console=console, auto_refresh=False, screen=True))

        def show() -> None:
            now = self.cell.ran.snapshot()
            if now.at > self.last.at:
                figures = between(self.last, now, self.cell.ran, self._extras())
                live.update(draw(replace(figures, at=now.at - self.first.at), console.width,
                                 console.height), refresh=True)
                self.last = now
        return show

    def _extras(self) -> Extras:
        extras = self.cell.extras()
        return Extras(extras.names, extras.queued_bytes, extras.mcs, extras.late_us,
                      (*extras.notes, *self.lines[-3:]))

    def _said(self, text: str) -> None:
        self.lines.append(text)
        del self.lines[:-100]
        if not self.options.view:
            self.say(text)

    async def _pass(self, began: float, side: E2Side | None, show: Callable[[], None]) -> None:
        """Time, until it is over."""
        options, shown = self.options, began
        base = self.first.at
        end = float("inf") if options.seconds is None else options.seconds
        while not self.over.is_set() and self.at < end:
            if options.paced:
                await asyncio.sleep(STEP)
                self.at = min(end, time.monotonic() - began)
            else:
                await asyncio.sleep(0)
                self.at = min(end, self.at + CHUNK)
            await self._happen(base)
            self.cell.advance(base + self.at)
            if side is not None:
                side.check()
            if time.monotonic() - shown >= DRAW_SECONDS:
                shown = time.monotonic()
                self._hear()
                show()
        self._hear()

    def _hear(self) -> None:
        for line in self.cell.news():
            self._said(line)

    async def _told_of(self, document: Mapping[str, Any]) -> str:
        """An event that somebody tells the running cell; what was done."""
        event = build(EventConfig, document)
        check_event(event, self.cell.extras().names.values(), len(self.cell.ran.cells), "event")
        self.script.add(event, self.at)
        if event.at:
            return f"{event.kind.value} in {event.at:g} s"
        outcome: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.asked[id(event)] = outcome
        return await outcome

    async def _happen(self, base: float) -> None:
        """What is due; where time is simulated, in the very slot."""
        for at, event, begins in self.script.due(self.at):
            outcome = self.asked.pop(id(event), None)
            if not self.options.paced:
                self.cell.advance(base + at)
            try:
                done = await asyncio.to_thread(perform, event, begins, self.cell.carrier)
            except (ConfigurationError, LinkFailure) as error:
                self._note(at, event, begins, f"{event.kind.value} was refused: {error}", False)
                if outcome is not None and not outcome.done():
                    outcome.set_exception(error)
                continue
            self._note(at, event, begins, done, True)
            if outcome is not None and not outcome.done():
                outcome.set_result(done)

    def _note(self, at: float, event: EventConfig, begins: bool, what: str, done: bool) -> None:
        self.happened.append({"at": at, "kind": event.kind.value, "begins": begins, "what": what,
                              "done": done})
        self._said(f"{at:.2f} s: {what}")

    def _summary(self, took: float) -> dict[str, Any]:
        figures = between(self.first, self.cell.ran.snapshot(), self.cell.ran, self._extras())
        return summary(figures, took) | {"events": self.happened,
                                         "account": dict(self.cell.account())}


def summary(figures: Figures, took: float) -> dict[str, Any]:
    """All figures of a run as plain values; None is what nobody measured."""
    def rows(found: tuple[Row, ...]) -> list[dict[str, Any]]:
        return [asdict(one) for one in found]

    return {"seconds": figures.seconds, "took_seconds": took,
            "times_real_time": figures.seconds / took if took > 0 else None,
            "ended": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "cells": rows(figures.cells), "slices": rows(figures.slices),
            "ues": rows(figures.ues), "late_us": dict(figures.extras.late_us)}


def told(found: Mapping[str, Any]) -> str:
    """A run's summary in lines."""
    lines = [f"{found['seconds']:,.1f} s of the cell's time in {found['took_seconds']:,.1f} s"]
    late = {name: value for name, value in found["late_us"].items() if value is not None}
    if late:
        lines.append("slots late by " + ", ".join(
            f"{name} {value / 1000:.2f} ms" for name, value in late.items()))
    account = found.get("account", {})
    if account.get("pauses"):
        lines.append(f"pauses of this process: {account['pauses']}, the longest of "
                     f"{1000 * account['longest_pause_seconds']:,.0f} ms; "
                     f"{account['slots_skipped']:,} "
                     "slots were skipped")
    lines += [f"at {one['at']:.2f} s {one['what']}" for one in found.get("events", ())]
    for one in found["slices"]:
        lines.append(f"slice {one['name']} of cell {one['where']}: " + "; ".join((
            _way("down", one), _way("up", one),
            f"lost {one['down_dropped'] + one['up_dropped']:,.0f} kbit/s")))
    return "\n".join(lines)


def _way(name: str, one: Mapping[str, Any]) -> str:
    wait = one[f"{name}_ms"]
    waited = "nothing delivered" if wait is None else f"waited {wait:,.1f} ms"
    return f"{name} {one[f'{name}_mbps']:,.2f} Mbit/s, {one[f'{name}_prbs']:.0f} % PRBs, {waited}"
