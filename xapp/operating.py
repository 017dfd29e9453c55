"""What an operator sees and does, of a running xApp: `Operations` over its core and its store.

The picture is made in the xApp's loop, a few times a second; it is handed on to the process that
serves the REST API, which reads lists and histories from the store itself. Commands are run in the
loop. It knows no HTTP.
"""

from __future__ import annotations

import asyncio
import dataclasses
import enum
import importlib.metadata
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from xapp.a1 import NEW
from xapp.actuators.registry import for_node
from xapp.api_commands import on_loop
from xapp.base_stations import Station
from xapp.core import Core
from xapp.e2.common import CCC_OIDS, KPM_OIDS, RC_OIDS
from xapp.errors import XappError
from xapp.events import Code, Level, warning
from xapp.operations import (
    AssociationView,
    Clock,
    Counts,
    DecisionState,
    Document,
    FunctionView,
    Health,
    Modes,
    NodeState,
    NodeView,
    Picture,
    PolicyView,
)
from xapp.recorded import Recorded
from xapp.slice_policy import SlicePolicy
from xapp.timings import EFFECT_SECONDS, LOOP_SECONDS, Timer

PICTURE_SECONDS = 0.2  # between two pictures
UES_A_PICTURE = 512  # beyond which the pause grows with their number
HURRIED_SECONDS = 0.5  # between two pictures at most, where something is more urgent
_MODELS = {**dict.fromkeys(KPM_OIDS, "KPM"), **dict.fromkeys(RC_OIDS, "RC"),
           **dict.fromkeys(CCC_OIDS, "CCC")}
_ALWAYS = ("strategy", "inter_token_ms")  # of a policy
_SECRET = ("token", "secret", "key", "password")


class Operating(Recorded):
    """`Operations` of one xApp, in its own process."""

    def __init__(
        self, core: Core, store: Path, loop: asyncio.AbstractEventLoop, shown: object,
        now: Callable[[], float], wall: Callable[[], float], peer: Callable[[int], str],
    ) -> None:
        super().__init__(store, lambda: Clock(now(), wall()))
        self._core, self._loop, self._shown = core, loop, shown
        self._now, self._wall, self._peer = now, wall, peer
        self.loop_times, self.acknowledgements = Timer(LOOP_SECONDS), Timer(LOOP_SECONDS)
        self.effects, tally = Timer(EFFECT_SECONDS), core.tally
        tally.acknowledgement, tally.effect = self.acknowledgements.measured, self.effects.measured
        tally.control_sent = lambda arrived: self.loop_times.measured(now() - arrived)
        self.looked_at: Callable[[Picture], None] = lambda picture: None  # each new one
        self._started, self._made = now(), float("-inf")
        self._killed: tuple[float, str] | None = None
        self._bad_labels: Callable[[], int] = lambda: 0
        self.priority: Callable[[], int] = lambda: 0  # of the loop, in real time
        self._picture = Picture(self._clock(), self._started, Health(True))
        self._began = wall()
        self._configured = {one.name: policy_document(one) for one in core.config.policies}
        self._version = importlib.metadata.version("airsplit")

    # In the loop.

    def refresh(self, force: bool = False, hurried: bool = False) -> None:
        """A new picture, unless the last one is still new; `hurried`: or can do for a while."""
        now = self._now()
        # Of many UEs it takes longer to make and to hand on, and is asked for less often.
        pause = PICTURE_SECONDS * max(1.0, len(self._core.observations.ues) / UES_A_PICTURE)
        if not force and now - self._made < (max(pause, HURRIED_SECONDS) if hurried else pause):
            return
        self._made = now
        core = self._core
        killed_at, killed_by = self._killed or (None, "")
        self._picture = Picture(
            self._clock(), self._started, self._health(now),
            Modes(core.steering.dry_run, core.steering.killed, killed_at, killed_by),
            tuple(self._node(one) for one in core.stations.stations), core.observations,
            self._counts(), self._version, self.loop_times.times(), self.acknowledgements.times(),
            self.effects.times(), self.priority())
        self.looked_at(self._picture)

    def count_bad_labels(self, count: Callable[[], int]) -> None:
        self._bad_labels = count

    def _health(self, now: float) -> Health:
        core, reasons = self._core, []
        if not any(one.there for one in core.stations.stations):
            reasons.append("No base station is connected.")
        elif not any(cell.load.at > now - core.config.observing.gone
                     for cell in core.observations.cells.values()):
            reasons.append("No base station reports.")
        heard = core.flows.heard
        if heard is not None and now - heard > core.config.limits.silent:
            reasons.append(f"No tap has spoken for {now - heard:.0f} s.")
        if core.store_why is not None:
            reasons.append(f"Nothing can be kept: {core.store_why}")
        return Health(True, tuple(reasons))

    def _node(self, station: Station) -> NodeView:
        facts = self._core.stations.facts(station.name)
        functions = tuple(
            FunctionView(_MODELS.get(oid, oid), oid, number,
                         oid in KPM_OIDS and station.reports(unit))
            for unit, found in station.functions.items() for number, oid in found)
        actuators = () if facts is None else tuple(
            one.name for one in for_node(facts.profile, facts.functions, dataclasses.replace(
                self._core.config.actuators, remote=facts.remote)))
        associations = tuple(AssociationView(str(unit), self._peer(number), since)
                             for unit, (number, since) in station.associations.items())
        return NodeView(station.name, station.profile.name,
                        NodeState.CONNECTED if station.there else NodeState.LOST, station.since,
                        associations, functions, actuators)

    def _counts(self) -> Counts:
        core = self._core
        return Counts(
            core.observer.counters.reports, core.observer.counters.lost,
            core.flows.counters.labels, core.flows.counters.lost, self._bad_labels(),
            {DecisionState(name): count for name, count in core.tally.ends.items()},
            {Level(name): count for name, count in core.tally.events.items()},
            dict(core.tally.controls), core.flows.counters.evicted)

    # From any thread.

    def picture(self) -> Picture:
        return self._picture

    def limits(self) -> Document:
        shown = plain(self._shown)
        return shown if isinstance(shown, dict) else {}

    def policy_types(self) -> Mapping[int, Document]:
        return {one.id: one.document() for one in self._core.a1.types()}

    def policies(self, type_id: int | None) -> Sequence[PolicyView]:
        if type_id is None:
            reasons, since = self._core.reasons, self._began
            return [PolicyView(None, name, body, since, not reasons.get(name, NEW),
                               reasons.get(name, NEW)) for name, body in self._configured.items()]
        return [PolicyView(one.type_id, one.name, one.body, one.created, one.in_effect, one.reason)
                for one in self._core.a1.instances(type_id)]

    # Commands.

    def create_policy_type(self, type_id: int, document: Document) -> Future[None]:
        return self._do(lambda: self._core.a1.add_type(type_id, document))

    def delete_policy_type(self, type_id: int) -> Future[None]:
        return self._do(lambda: self._core.a1.delete_type(type_id))

    def put_policy(self, type_id: int, instance: str, body: Document, who: str) -> Future[None]:
        return self._do(lambda: self._core.put_policy(type_id, instance, body, who, self._now(),
                                                      self._wall()))

    def delete_policy(self, type_id: int, instance: str, who: str) -> Future[None]:
        return self._do(lambda: self._core.delete_policy(type_id, instance, who, self._now()))

    def set_dry_run(self, on: bool, who: str) -> Future[None]:
        return self._do(lambda: self._core.set_dry_run(on, who, self._now()))

    def pull_kill_switch(self, reason: str, who: str) -> Future[None]:
        def pull() -> None:
            self._killed = self._now(), who
            self._core.kill(who, reason, self._now())

        return self._do(pull)

    def release_kill_switch(self, who: str) -> Future[None]:
        def release() -> None:
            self._killed = None
            self._core.release(who, self._now())

        return self._do(release)

    def _do(self, act: Callable[[], None]) -> Future[None]:
        """`act` in the loop; the picture shows it before anybody is told that it was done."""
        async def run() -> None:
            try:
                act()
            except XappError:
                raise
            except Exception as fault:
                # The boundary between an operator's request and the loop: it is told, and goes on.
                self._core.tell(warning(Code.FAULT, f"An operator's command failed: {fault!r}"),
                                self._now())
                raise
            finally:
                self.refresh(force=True)

        return on_loop(self._loop, run)


def policy_document(policy: SlicePolicy) -> Document:
    """One of the configuration's, in its words: what it asks for, and what is not as usual."""
    usual = SlicePolicy(policy.name)
    return {one.name: plain(getattr(policy, one.name), one.name)
            for one in dataclasses.fields(policy) if one.name != "name" and (
                one.name in _ALWAYS or getattr(policy, one.name) != getattr(usual, one.name))}


def plain(value: Any, name: str = "") -> Any:
    """A configuration for JSON, without what is nobody's business."""
    # A figure is no secret: `inter_token_ms` has the word in it, too.
    if (value and any(word in name for word in _SECRET)
            and not isinstance(value, bool | int | float)):
        return "set"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        # What has a text form of its own is shown by it.
        if type(value).__str__ is not object.__str__:
            return str(value)
        return {one.name: plain(getattr(value, one.name), one.name)
                for one in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key) if not isinstance(key, tuple) else "/".join(map(str, key)):
                plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(one) for one in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)
