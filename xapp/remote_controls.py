"""Connections to the remote controls of base stations that are there, and what goes over them.

    remotes = RemoteControls(core, now, spawn, after)
    remotes.look()                       # for base stations that came
    await remotes.ask(call, step)

Which base station has one, its configuration says. It decides nothing, and keeps a connection for
as long as the xApp runs: `SrsranRemote` connects again by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from xapp.actuators.base import RemoteRequest
from xapp.base_stations import MOST_BAD
from xapp.core import Core
from xapp.errors import ProtocolError, XappError
from xapp.events import Code, warning
from xapp.ric.srsran_metrics import read_metrics
from xapp.ric.srsran_remote import (
    Heard,
    RemoteConfig,
    RemoteDown,
    RemoteGarbage,
    RemoteMetrics,
    RemoteUp,
    SrsranRemote,
    Unanswered,
)

Spawn = Callable[[Coroutine[Any, Any, None]], None]


class RemoteControls:
    """Of all base stations."""

    def __init__(self, core: Core, now: Callable[[], float], spawn: Spawn,
                 after: Callable[[], None]) -> None:
        """`after` is called when anything was answered."""
        self._core, self._now, self._spawn, self._after = core, now, spawn, after
        self._remotes: dict[str, SrsranRemote] = {}

    def look(self) -> None:
        """Connect to those that are not connected to yet."""
        for station in self._core.stations.stations:
            if station.config.remote is not None and station.name not in self._remotes:
                self._connect(station.name, station.config.remote)

    async def ask(self, call: int, step: RemoteRequest) -> None:
        """One request, and its answer for the core, whatever that is."""
        remote, answered, why = self._remotes.get(step.node), True, ""
        try:
            if remote is None:
                raise XappError(f"{step.node} has no remote control.", "Name its address.")
            await remote.request(step.command)
        except Unanswered as error:
            answered, why = False, str(error)
        except XappError as error:
            why = str(error)
        self._core.remote_answered(call, "websocket", not why, why, self._now(), answered)
        self._after()

    def _connect(self, name: str, url: str) -> None:
        up, bad = False, 0

        def damaged(problem: str) -> None:
            nonlocal bad
            bad += 1
            if bad <= MOST_BAD:
                self._core.tell(warning(Code.GARBAGE, f"The remote control of {name} sent what "
                                        f"cannot be read: {problem}.", name), self._now())

        def heard(what: Heard) -> None:
            nonlocal up
            if isinstance(what, RemoteMetrics):
                try:
                    self._core.observer.stream_is(name, read_metrics(what.metrics), self._now())
                except ProtocolError as problem:
                    damaged(problem.problem)
            elif isinstance(what, RemoteGarbage):
                damaged(what.problem)
            elif isinstance(what, RemoteUp) or (isinstance(what, RemoteDown) and up):
                up = isinstance(what, RemoteUp)
                why = what.why if isinstance(what, RemoteDown) else ""
                self._core.remote(name, up, self._now(), why)

        self._remotes[name] = remote = SrsranRemote(RemoteConfig(url), heard)
        self._spawn(remote.run())
