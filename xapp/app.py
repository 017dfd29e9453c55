"""The xApp as a process: its event loop, with everything that has a socket, a thread or a file.

    asyncio.run(XappServer(config).run())

A thin shell around `core`. The loop never waits for a disk or a console: the store, the log and the
capture have threads of their own, what asks a core network does so in another, and the REST API is
a process of its own. It ends in order on SIGINT and SIGTERM: quotas are put back first; a second
signal waits for that no longer. Until all is closed no signal ends it in the middle, so that the
store always says that the run ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from classifier.messages import Message
from classifier.publisher import read_keys, read_public
from xapp.a1_types import Document
from xapp.access import default_token_file, load_or_make_token
from xapp.actuators.base import RemoteRequest
from xapp.actuators.flow_promotion import FlowRequest
from xapp.api_process import ApiProcess, ApiSettings
from xapp.config import TapSource, XappConfig
from xapp.core import Core
from xapp.e2.capture import Capture
from xapp.e2.common import plmn_octets
from xapp.e2.e2ap_identities import GlobalRicId
from xapp.e2.nodes import NodeEvent, Nodes
from xapp.errors import ConfigurationError, XappError
from xapp.events import Code, Event, Level, warning
from xapp.kpi_flows import KpiFlows, load_or_none
from xapp.label_source import LabelSource
from xapp.map_source import MapSource
from xapp.observations import CellKey
from xapp.operating import Operating
from xapp.promoter import Promoter
from xapp.remote_controls import RemoteControls
from xapp.ric.osc_shell import OscTermination
from xapp.ric.termination import Termination
from xapp.store import Report, Store
from xapp.store_read import Reader
from xapp.store_records import Left, Record, Sample
from xapp.sweeping import Sweep, sweeping
from xapp.urgency import Urgency

REQUESTOR = 1  # of our RIC request ids; an own termination has no other
SWITCH_SECONDS = 0.0005  # that the store's thread may keep the loop waiting: Python's own is 5 ms
TICK_LEAST = 0.001  # seconds between ticks
FAULT_SECONDS = 0.5  # after one that failed
# Signals so close together are one, sent to the process and to its group as `timeout` does it.
ONE_SIGNAL_SECONDS = 0.03
LEVELS = {Level.INFO: logging.INFO, Level.WARNING: logging.WARNING, Level.ERROR: logging.ERROR}
_log = logging.getLogger("xapp")


class XappServer:
    """One xApp, from `run` to its end; it is its core's way out, too."""

    def __init__(self, config: XappConfig, capture: Path | None = None,
                 started: Callable[[XappServer], None] = lambda server: None) -> None:
        self.config, self._capture_file, self._started = config, capture, started
        self._now, self._wall = time.monotonic, time.time
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._signals, self._signalled_at = 0, -math.inf
        self._owed = False  # `_after` is, as soon as nothing more is to be taken in
        self._sweep: Sweep | None = None  # from when it is up
        self._over = asyncio.Event()

    # Life.

    async def run(self) -> None:
        """Until `stop`, or a signal."""
        self._loop = asyncio.get_running_loop()
        sys.setswitchinterval(SWITCH_SECONDS)
        async with AsyncExitStack() as outer, AsyncExitStack() as stack:
            await self._start(stack)
            self._catch_signals(outer)
            self._sweep = stack.enter_context(sweeping())
            self._hurry(stack)
            self._started(self)
            await self._over.wait()
            await self._put_back()

    def _hurry(self, stack: AsyncExitStack) -> None:
        """What takes long at the start is done: from here on it is to be in time."""
        urgency = Urgency(self.config.scheduling, self._loop, self._tell)
        self.operating.priority = lambda: urgency.got.priority
        stack.callback(urgency.close)
        urgency.take([self._store.thread])

    def stop(self) -> None:
        """Begin to end."""
        self._over.set()

    async def _start(self, stack: AsyncExitStack) -> None:
        config = self.config
        # First of all: one that cannot be used keeps no base station waiting, and no store open.
        token = (load_or_make_token(config.api.token_file or default_token_file())
                 if config.api.on else None)
        self._store = Store(config.store, self._report, config.keeping)
        stack.callback(self._close_store)
        left, policies = _left(config.store, self._store.run)
        osc = config.osc
        self.nodes = Nodes(GlobalRicId(plmn_octets(config.plmn), config.ric_id),
                           REQUESTOR if osc is None else osc.requestor,
                           None if osc is None else osc.e2)
        bundle = load_or_none() if config.kpi_labels else None
        kpi = None if bundle is None else KpiFlows(bundle, config.ran.period_ms / 1000)
        self.core = Core(config.core, self.nodes, self, self._store.run, kpi)
        capture = None
        if self._capture_file is not None:
            if osc is not None:
                raise ConfigurationError("On an OSC RIC there are no E2 associations to capture.",
                                         "Leave out --e2-capture, or `osc`.")
            capture = Capture(self._capture_file, self._capture_ended)
            stack.callback(capture.close)
        self.termination: Termination | OscTermination = (
            Termination(self.nodes, self._hear, self._now, capture) if osc is None
            else OscTermination(osc, self.nodes, self.core, self._hear, self._tell,
                                lambda: self.operating.picture().health, self._now, self._wall))
        self.operating = Operating(self.core, config.store, self._loop, config, self._now,
                                   self._wall, self.termination.peer)
        self._remotes = RemoteControls(self.core, self._now, self._spawn, self._after)
        self._promoter: Promoter | None = None
        if (promotion := config.actuators.promotion) is not None:
            self._promoter = Promoter(self.core, promotion, self._now, self._after)
            stack.callback(self._promoter.close)
        self._listen_to_taps(stack)
        self.core.start(left, policies, self._now())
        stack.push_async_callback(self._close_tasks)
        stack.push_async_callback(self.termination.close)
        if isinstance(self.termination, OscTermination):
            await self.termination.start()
        else:
            for address in config.listen:
                await self.termination.listen(address)
        self._ask_maps()
        self.api = await self._serve(stack, token) if config.api.on else None
        self._tick()
        stack.callback(self._stop_timer)

    def _catch_signals(self, outer: AsyncExitStack) -> None:
        """Until all else is closed: one that comes meanwhile would end it in the middle."""
        for number in (signal.SIGINT, signal.SIGTERM):
            self._loop.add_signal_handler(number, self._signalled)
            outer.callback(self._loop.remove_signal_handler, number)

    async def _serve(self, stack: AsyncExitStack, token: str | None) -> ApiProcess:
        config = self.config.api
        api = ApiProcess(self.operating, ApiSettings(
            self.config.store, token, config.host, config.port,
            logging.getLevelName(_log.getEffectiveLevel())), self._now, self._tell)
        stack.push_async_callback(api.stop)
        self.operating.refresh(force=True)
        await api.start()
        self.operating.looked_at = api.show
        return api

    async def _put_back(self) -> None:
        """Leave base stations as configured, as far as they let us in time."""
        self.core.stop(self._now())
        deadline = self._now() + self.config.exit_seconds
        while not self.core.steering.quiet and self._now() < deadline and self._signals < 2:
            await asyncio.sleep(0.02)
        if not self.core.steering.quiet:
            _log.error("The xApp ends before everything is put back; its next start goes on.")

    def _signalled(self) -> None:
        before, self._signalled_at = self._signalled_at, self._now()
        if self._signalled_at - before < ONE_SIGNAL_SECONDS:
            return
        self._signals += 1
        self._over.set()
        if self._signals > 1:
            _log.warning("It is closing already, and waits no longer for base stations; only "
                         "SIGKILL would end it sooner, and the next start clears up after that.")

    async def _close_tasks(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _close_store(self) -> None:
        try:
            self._store.close()
        except XappError as error:
            _log.error("%s", error)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    # What comes in.

    def _hear(self, events: Sequence[NodeEvent]) -> None:
        here, arrived = self.termination, None
        if isinstance(here, Termination):
            arrived, self.core.looking.more = here.arrived, here.more
        self.core.node_events(events, self._now(), arrived)
        if not self.core.looking.more:
            self._after()
            return
        self.core.looking.more = False
        if not self._owed:  # once for all that is taken in now
            self._owed = True
            self._loop.call_soon(lambda: self._after() if self._owed else None)

    def _tell(self, event: Event) -> None:
        self.core.tell(event, self._now())

    def _label(self, message: Message, source: str, now: float) -> None:
        self.core.looking.patient = True
        try:
            self.core.label(message, source, now)
        finally:
            self.core.looking.patient = False
        self._after()

    def _report(self, report: Report) -> None:
        """In the store's thread."""
        with contextlib.suppress(RuntimeError):  # the loop is over: nobody waits for it
            self._loop.call_soon_threadsafe(self._stored, report)

    def _stored(self, report: Report) -> None:
        self.core.stored(report, self._now())
        self._after()

    def _capture_ended(self, why: str) -> None:
        """In the capture's thread."""
        with contextlib.suppress(RuntimeError):  # as above
            self._loop.call_soon_threadsafe(lambda: self.core.tell(
                warning(Code.CAPTURE_ENDED, why), self._now()))

    def _tick(self) -> None:
        self._timer, least = None, FAULT_SECONDS
        try:
            self.core.tick(self._now())
            self._remotes.look()
            if self._sweep is not None and self.core.idle:
                self._sweep.idle(self._now())
            least = TICK_LEAST
        finally:
            # A fault of ours is logged by the loop; without a next tick nothing were put back.
            self._after(least)

    def _after(self, least: float = TICK_LEAST) -> None:
        """After anything happened: a picture for readers, and the next time to wake."""
        self._owed = False
        self.operating.refresh(hurried=self.core.looking.waiting)
        wait = max(self.core.next_deadline() - self._now(), least)
        due = self._loop.time() + wait
        if self._timer is None or due < self._timer.when():  # to wake too early does no harm
            self._stop_timer()
            self._timer = self._loop.call_at(due, self._tick)

    def _listen_to_taps(self, stack: AsyncExitStack) -> None:
        sources = [_source(tap, self._label, self._now) for tap in self.config.taps]
        self.operating.count_bad_labels(lambda: sum(one.counters.garbage for one in sources))
        for source in sources:
            stack.callback(source.close)
            source.start(self._loop)

    def _ask_maps(self) -> None:
        source = MapSource(self.config.ue_map, self._cells)
        self._spawn(source.run(
            lambda origin, entries: self.core.mapped(origin, entries, self._now()),
            lambda why: self.core.tell(warning(Code.MAP_FAILED, why), self._now())))

    def _cells(self) -> dict[str, CellKey]:
        return {key.cell: key for key in self.core.observations.cells if key.cell}

    # What goes out (`Outward`).

    def transmit(self, events: Sequence[NodeEvent]) -> None:
        self.termination.apply(events)

    def put(self, what: Record | Sample, ticket: str | None = None) -> bool:
        return self._store.put(what, ticket)

    def say(self, event: Event) -> None:
        _log.log(LEVELS[event.level], "%s", event.sentence,
                 extra={"code": event.code.value, "subject": event.subject})

    def ask_remote(self, call: int, step: RemoteRequest) -> None:
        if isinstance(step, FlowRequest) and self._promoter is not None:
            self._spawn(self._promoter.ask(call, step))
        else:
            self._spawn(self._remotes.ask(call, step))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("A task of the xApp ended.", exc_info=error)


_Kept = list[tuple[int, str, Document, str, float]]  # type, instance, body, who, seconds since 1970


def _left(path: Path, run: int) -> tuple[Left, _Kept]:
    """What the run before left, and the A1 policies that were in force."""
    with Reader(path) as reader:
        return reader.left(run), [
            (int(row["type_id"]), str(row["instance"]), row["body"], str(row["who"]),
             float(row["time"])) for row in reader.policies()]


def _source(tap: TapSource, take: Callable[[Message, str, float], None],
            now: Callable[[], float]) -> LabelSource:
    server = None if tap.server_key is None else read_public(tap.server_key)
    return LabelSource(tap.address, take, now, server,
                       None if tap.keys is None else read_keys(tap.keys))
