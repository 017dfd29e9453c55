"""The xApp's own core beside simulated base stations: E2 messages by hand, the disk a list.

Nothing is left out of what the xApp does with a report: bytes are decoded, observed, judged and
decided on, and controls are encoded. Only sockets and the disk are not there. It counts the time
that this takes.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from classifier.labels import LLM_SPLIT
from classifier.messages import Labelled, TapStatus
from testbed.errors import TestbedFailure
from testbed.experiments.simulated.audit import Audit
from testbed.experiments.simulated.settings import SimulatedSettings, SimulatedSteering
from testbed.experiments.simulated.station import EPOCH_NS, INTERNET, LLM, Station
from testbed.experiments.simulated.users import User
from testbed.loop.relay import rotated
from testbed.loop.settings import Arm
from testbed.ran.e2_agent import Ends, Out, ToRic
from testbed.ran.emulator_config import ue_map
from xapp.actuators.base import RemoteRequest
from xapp.base_stations_config import NodeConfig, RanConfig
from xapp.core import Core
from xapp.core_config import CoreConfig
from xapp.e2.e2ap_identities import GlobalRicId
from xapp.e2.nodes import NodeEvent, Nodes, ToPeer
from xapp.events import Event
from xapp.observations import Quota, UeKey
from xapp.observations import Snssai as SliceName
from xapp.steering_types import SteeringConfig
from xapp.store import Committed
from xapp.store_records import Kind, Left, Record, Sample
from xapp.ue_map import Origin, UeEntry

RIC = GlobalRicId(b"\x00\xf1\x10", 1)
LABEL_AGAIN = 5.0  # seconds between a tap's words on a flow that lives
MAP_EVERY = 1.0  # seconds between two looks at who has which address
TAP = "tcp://simulated"


class Ric:
    """One xApp, all base stations; it is the core's `Outward`."""

    def __init__(self, settings: SimulatedSettings, stations: Sequence[Station]) -> None:
        self._settings, self._turn = settings, stations
        self._places: set[int] = set()
        self._by_link: dict[int, tuple[Station, str]] = {}
        self._links: dict[tuple[int, str], int] = {}
        self._tickets: deque[str] = deque()
        self._to_nodes: deque[ToPeer] = deque()
        self._next_label: dict[tuple[int, int], float] = {}
        self._status = 0.0
        self._entries: list[UeEntry] = []  # of all that are connected; nobody moves here
        self._mapped = float("-inf")
        self._labels = self._statuses = 0  # messages of the tap
        self._label = rotated(LLM_SPLIT, settings.arm is Arm.SHUFFLED_LABELS)  # by one
        self.cpu = self.node_cpu = self.longest = 0.0  # seconds
        self.ended: dict[str, int] = {}  # decisions, by state
        self.decisions = self.reports = self.controls = 0
        self.audit, self._now = Audit(EPOCH_NS / 1e9), 0.0
        self.nodes = Nodes(RIC, 1)
        found = {INTERNET: Quota(0, 100, 0), LLM: Quota(0, 100, 0)}
        if settings.steering is SimulatedSteering.STATIC:
            found = {INTERNET: Quota(settings.floor, 100, 0),
                     LLM: Quota(settings.static_percent, 100, 0)}
        self.core = Core(core_config(settings, stations, found), self.nodes, self, 1)
        self.core.start(Left(), (), 0.0)

    # `Outward`.

    def transmit(self, events: Sequence[NodeEvent]) -> None:
        self._to_nodes.extend(event for event in events if isinstance(event, ToPeer))

    def put(self, what: Record | Sample, ticket: str | None = None) -> bool:
        if isinstance(what, Record):
            self.audit.put(what, self._now)
            self.decisions += what.kind is Kind.DECISION
            if what.kind is Kind.DECISION_ENDED:
                state = str(what.body["state"])
                self.ended[state] = self.ended.get(state, 0) + 1
        if ticket is not None:
            self._tickets.append(ticket)
        return True

    def ask_remote(self, call: int, step: RemoteRequest) -> None:
        raise AssertionError("no remote control is connected")

    def say(self, event: Event) -> None:
        """Nobody reads the log."""

    # Driving.

    def turn(self, stations: Sequence[Station], now: float) -> None:
        """These are seen to now; what the xApp has for others waits until it is their turn."""
        self._turn, self._now = stations, now
        self._places = {one.place for one in stations}
        self._exchange(now)

    def connect(self, station: Station, now: float) -> None:
        """A base station introduces itself."""
        for unit in station.agent.units:
            link = self.nodes.opened(now)
            self._by_link[link] = station, unit.name
            self._links[station.place, unit.name] = link
            self._from_node(station, station.agent.opened(unit.name, now), now)
        wrong = self._settings.arm is Arm.WRONG_SLICE  # then all are in the others', as it is told
        self._entries += [
            UeEntry(one["address"], UeKey(station.agent.name, one["ue"]),
                    INTERNET if wrong else SliceName.parse(one["slice"]))
            for one in ue_map(station.ran, station.agent.name,
                              station.agent.behaviour.ue_ran_ids)["ues"]]
        self._exchange(now)

    def tick(self, now: float) -> None:
        """Everybody does what is due."""
        for station in self._turn:
            if not self.knows(station):
                continue
            due = station.agent.next_deadline()
            if due is not None and due <= now:
                began = time.thread_time()
                outs = station.agent.tick(now)
                self.node_cpu += time.thread_time() - began
                self._from_node(station, outs, now)
        with self._timed():
            if now - self._mapped >= MAP_EVERY:
                self._mapped = now
                self.core.mapped(Origin.EMULATOR, self._entries, now)
            self._taps(now)
            due = self.nodes.next_deadline()
            if due is not None and due <= now:
                self._taken(self.nodes.tick(now), now)
            if self.core.next_deadline() <= now:
                self.core.tick(now)
            self._commit(now)
        self._exchange(now)

    def knows(self, station: Station) -> bool:
        return (station.place, station.agent.units[0].name) in self._links

    def _from_node(self, station: Station, outs: Sequence[Out], now: float) -> None:
        for out in outs:
            if isinstance(out, Ends):
                raise TestbedFailure(f"A simulated base station ended itself: {out.why}", "")
            if isinstance(out, ToRic):
                self.reports += 1
                with self._timed():
                    self._taken(self.nodes.receive(self._links[station.place, out.unit], out.data,
                                                   out.ppid, now), now)
        self._exchange(now)

    def _exchange(self, now: float) -> None:
        """What the xApp sends reaches base stations, until nobody has more to say."""
        while due := [event for event in self._to_nodes if self._is_due(event)]:
            self._to_nodes = deque(event for event in self._to_nodes if not self._is_due(event))
            for event in due:
                station, unit = self._by_link[event.association]
                began = time.thread_time()
                outs = station.agent.receive(unit, event.data, event.ppid, now)
                self.node_cpu += time.thread_time() - began
                self._from_node(station, outs, now)

    def _is_due(self, event: ToPeer) -> bool:
        return self._by_link[event.association][0].place in self._places

    def _taken(self, events: Sequence[NodeEvent], now: float) -> None:
        self.transmit(events)
        told = [event for event in events if not isinstance(event, ToPeer)]
        if told:
            self.core.node_events(told, now)
        self._commit(now)

    def _commit(self, now: float) -> None:
        while self._tickets:
            self.core.stored(Committed(self._tickets.popleft()), now)

    @contextmanager
    def _timed(self) -> Iterator[None]:
        began = time.thread_time()
        try:
            yield
        finally:
            spent = time.thread_time() - began
            self.cpu += spent
            self.longest = max(self.longest, spent)

    def _taps(self, now: float) -> None:
        """Labels, as a tap would say them: some time after a flow's first packet, and again."""
        settings = self._settings
        for station in self._turn:
            for user, began in enumerate(station.users.llm[:, User.BEGAN].tolist()):
                key = station.place, user
                due = self._next_label.get(key, began / 1e9 + settings.label_seconds)
                if began >= 0 and now >= due:
                    self._next_label[key] = now + LABEL_AGAIN
                    self.core.label(self._labelled(station, user, now), TAP, now)
        if now - self._status >= 1.0:
            self._status = now
            self._statuses += 1
            self.core.label(TapStatus(EPOCH_NS + round(now * 1e9), now, 1, 1, 0, self._labels,
                                      self._labels, 0, self._labels, 0.0, tap="tap",
                                      sequence=self._statuses), TAP, now)

    def _labelled(self, station: Station, user: int, now: float) -> Labelled:
        settings = self._settings
        step_us = round(1e6 * (settings.edge_seconds + settings.phone_seconds + 0.01))
        self._labels += 1
        return Labelled(
            station.place * 256 + user, self._label, 0.97, "AFTER_1_S",
            EPOCH_NS + round(now * 1e9),
            station.ran.ues[user].sessions[0].address, "192.0.2.9", 40000, 443, 6, tap="tap",
            sequence=self._labels, up_rate=round(settings.token_bytes / step_us * 1e6),
            down_rate=round(settings.answer_bytes / step_us * 1e6),
            step_bytes=settings.token_bytes, step_us=step_us)


def core_config(settings: SimulatedSettings, stations: Sequence[Station],
                found: dict[SliceName, Quota]) -> CoreConfig:
    nodes = tuple(NodeConfig(station.agent.name, settings.profile, {
        f"{one.nci:09x}": one.prbs for one in station.ran.cells}) for station in stations)
    acts = settings.steering is SimulatedSteering.XAPP and settings.arm is not Arm.DRY_RUN
    policy, limits = settings.policy_and_limits()
    return CoreConfig(
        ran=RanConfig(nodes, (INTERNET, LLM), settings.period_ms), policies=(policy,),
        steering=SteeringConfig(found=found, dry_run=not acts), limits=limits,
        evaluate_every=settings.look_every_ms / 1000)
