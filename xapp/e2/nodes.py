"""All associations of a RIC, joined into base stations; what is wanted of them is renewed.

Sans-IO like `connection`: it is told of associations that open, speak and end, and of the time, and
answers with events: what goes to whom, which association is to be closed, and what happened where.
A subscription is wanted of a base station, by the OID of its service model: it is placed as soon as
a unit has that function, again after a reset or when the unit comes back, and later where nobody
answered. What the base station refuses is asked for again more and more seldom: a cell that is not
active yet, or a node that is overloaded, refuses what it grants afterwards.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from xapp.e2.connection_events import (
    Event,
    FunctionsChanged,
    Indicated,
    NodeRefused,
    NodeUp,
    Send,
    Subscribed,
    SubscriptionEnded,
    SubscriptionLost,
    SubscriptionRefused,
    Unanswered,
)
from xapp.e2.connection_ric import Judge, RicConnection
from xapp.e2.connection_table import E2Config
from xapp.e2.e2ap_identities import GlobalRicId
from xapp.e2.e2ap_types import Action, Procedure
from xapp.e2.node import (
    Carrier,
    LogicalNode,
    NodeKey,
    Unit,
    UnitKey,
    Wanted,
    carriers,
    key_of,
    unit_of,
)
from xapp.errors import ConfigurationError, TransportError

MOST_ASSOCIATIONS = 256  # of a RIC: a process keeps up with some ten base stations
MOST_NODES = 1024  # base stations remembered, those that are away too
SILENT_SECONDS = 30.0  # an association that has not set up by then is a stranger's
RENEW_SECONDS = 10.0  # before a subscription that nobody answered is asked for again
REFUSED_SECONDS = 60.0  # before one that was refused is, and twice as long each further time
MOST_REFUSED_SECONDS = 960.0  # at most


@dataclass(frozen=True, slots=True)
class ToPeer:
    """Bytes for one association."""

    association: int
    data: bytes
    ppid: int


@dataclass(frozen=True, slots=True)
class Drop:
    """An association to be closed; it is forgotten here already."""

    association: int
    why: str


@dataclass(frozen=True, slots=True)
class NodeAppeared:
    """A base station that was not there, with its first unit."""

    key: NodeKey
    again: bool  # it was there before


@dataclass(frozen=True, slots=True)
class UnitUp:
    """A unit set itself up; its functions are those of `Happened` with NodeUp, just before."""

    key: NodeKey
    unit: UnitKey
    association: int


@dataclass(frozen=True, slots=True)
class UnitLost:
    key: NodeKey
    unit: UnitKey
    why: str


@dataclass(frozen=True, slots=True)
class NodeLost:
    """The last unit of a base station is gone."""

    key: NodeKey


@dataclass(frozen=True, slots=True)
class Happened:
    """Something on one association; of a unit once that is known."""

    association: int
    key: NodeKey | None
    unit: UnitKey | None
    event: Event


NodeEvent = ToPeer | Drop | NodeAppeared | UnitUp | UnitLost | NodeLost | Happened


class Nodes:
    """The RIC's base stations."""

    def __init__(self, ric: GlobalRicId, requestor: int, config: E2Config | None = None,
                 judge: Judge = lambda message: None) -> None:
        self.ric, self.requestor, self.config = ric, requestor, config or E2Config()
        self.nodes: dict[NodeKey, LogicalNode] = {}
        self.connections: dict[int, RicConnection] = {}
        self._judge = judge
        self._handles = itertools.count(1)
        self._associations = itertools.count(1)
        self._places: dict[int, tuple[NodeKey, UnitKey]] = {}  # of an association
        self._silent: dict[int, float] = {}  # until when an association may be without a setup
        self._now = 0.0

    # What the shell tells.

    def opened(self, now: float) -> int:
        """A new association; its number here."""
        if len(self.connections) >= MOST_ASSOCIATIONS:
            raise TransportError(f"There are {MOST_ASSOCIATIONS} associations already.",
                                 "Close some, or run another RIC for other base stations.")
        number = next(self._associations)
        self.connections[number] = RicConnection(self.ric, self.requestor, self.config,
                                                 self._judge, self._handles)
        self._silent[number] = now + SILENT_SECONDS
        return number

    def receive(self, association: int, data: bytes, ppid: int, now: float) -> list[NodeEvent]:
        """A message on an association; nothing where that was dropped."""
        connection = self.connections.get(association)
        if connection is None:
            return []
        return self._spread(association, connection.receive(data, ppid, now), now)

    def closed(self, association: int, now: float,
               why: str = "the association was lost") -> list[NodeEvent]:
        """An association is gone."""
        connection = self.connections.get(association)
        if connection is None:
            return []
        events = self._spread(association, connection.lost(now, why), now)
        del self.connections[association]
        self._silent.pop(association, None)
        return [*events, *self._leave(association, why), *self._place_all(now)]

    def tick(self, now: float) -> list[NodeEvent]:
        """Time has passed."""
        events: list[NodeEvent] = []
        for association, connection in list(self.connections.items()):
            events += self._spread(association, connection.tick(now), now)
        for association in [one for one, until in self._silent.items() if until <= now]:
            events += self._drop(association, f"no E2 setup within {SILENT_SECONDS:.0f} s", now)
        return events + self._place_all(now)

    def next_deadline(self) -> float | None:
        """When `tick` has something to do, if nothing happens before."""
        times: list[float | None] = [one.next_deadline() for one in self.connections.values()]
        times += self._silent.values()
        times += [wanted.due for node in self.nodes.values() if node.members
                  for wanted in node.wanted.values()
                  if wanted.due and self._carrier(node, wanted) is not None]
        return min((one for one in times if one is not None), default=None)

    # What the application asks for.

    def subscribe(self, key: NodeKey, oids: Iterable[str], trigger: bytes, action: Action,
                  now: float, unit: Unit | None = None) -> tuple[int, list[NodeEvent]]:
        """Want a subscription of a base station; its handle, and what to send for it, if it can
        be placed now."""
        wanted = Wanted(next(self._handles), tuple(oids), trigger, action, unit)
        self._node(key).wanted[wanted.handle] = wanted
        return wanted.handle, self._place_all(now)

    def unsubscribe(self, key: NodeKey, handle: int, now: float) -> list[NodeEvent]:
        """Want it no longer."""
        wanted = self._node(key).wanted.pop(handle, None)
        if wanted is None or wanted.association is None:
            return []
        command = self.connections[wanted.association].delete(handle, now)
        return [self._to_peer(wanted.association, command.data)]

    def asked_again(self, key: NodeKey, handle: int) -> float | None:
        """When a subscription that is not placed is asked for again; None where it is placed, or
        nobody wants it."""
        node = self.nodes.get(key)
        wanted = node.wanted.get(handle) if node else None
        return None if wanted is None else wanted.due

    def control(self, key: NodeKey, oids: Collection[str], header: bytes, message: bytes,
                now: float, unit: Unit | None = None) -> tuple[int, list[NodeEvent]]:
        """Ask a base station for an action; a handle, and what to send."""
        found = self.carriers(key, oids, unit)
        if not found:
            raise ConfigurationError(
                f"No unit of {key} has a function with the OID {' or '.join(sorted(oids))}.",
                "Wait until it has set up, or choose what it announced.")
        place = found[0]
        command = self.connections[place.association].control(place.function.id, header, message,
                                                              now)
        return command.handle, [self._to_peer(place.association, command.data)]

    def carriers(self, key: NodeKey, oids: Collection[str], unit: Unit | None = None,
                 ) -> list[Carrier]:
        """Which units of a base station have such a function, nearest to the radio first."""
        node = self.nodes.get(key)
        return carriers(node, self.connections, oids, unit) if node else []

    # Joining.

    def _node(self, key: NodeKey) -> LogicalNode:
        if key not in self.nodes:
            self._make_room()
            self.nodes[key] = LogicalNode(key)
        return self.nodes[key]

    def _make_room(self) -> None:
        """Forget those that are away, the ones that came first before others."""
        away = [key for key, node in self.nodes.items() if not node.members]
        for key in away[:max(0, len(self.nodes) + 1 - MOST_NODES)]:
            del self.nodes[key]

    def _to_peer(self, association: int, data: bytes) -> ToPeer:
        return ToPeer(association, data, self.connections[association].ppid)

    def _spread(self, association: int, events: list[Event], now: float) -> list[NodeEvent]:
        """An association's events as those of its base station, and what follows from them."""
        self._now = max(self._now, now)
        spread: list[NodeEvent] = []
        for event in events:
            if isinstance(event, Send):
                spread.append(self._to_peer(association, event.data))
                continue
            if isinstance(event, NodeUp | NodeRefused):
                spread += self._moved(association, event)
            key, unit = self._places.get(association, (None, None))
            spread.append(Happened(association, key, unit, event))
            if isinstance(event, NodeUp) and key is not None and unit is not None:
                spread.append(UnitUp(key, unit, association))
            elif key is not None:
                self._note(self.nodes[key], event)
                if isinstance(event, FunctionsChanged) and unit is not None:
                    self._another_mind(self.nodes[key], unit)
        quiet = all(isinstance(event, Indicated) for event in events)
        return spread if quiet else spread + self._place_all(now)

    def _moved(self, association: int, event: NodeUp | NodeRefused) -> list[NodeEvent]:
        """An association is a unit's now, or nobody's."""
        events: list[NodeEvent] = []
        accepted = isinstance(event, NodeUp)
        key, unit = key_of(event.node), unit_of(event.node, self.connections[association].ppid)
        if self._places.get(association) != (key, unit) or not accepted:
            events += self._leave(association, "another unit set up on its association")
        if not accepted:
            return events
        self._silent.pop(association, None)
        node = self._node(key)
        if not node.members:
            events.append(NodeAppeared(key, node.seen))
            node.seen = True
        before = node.members.get(unit)
        node.members[unit] = association
        self._another_mind(node, unit)
        self._places[association] = key, unit
        if before is not None and before != association:
            events += self._drop(before, "its unit came back on another association", self._now)
        return events

    def _drop(self, association: int, why: str, now: float) -> list[NodeEvent]:
        """End an association from here."""
        key, unit = self._places.pop(association, (None, None))
        events: list[NodeEvent] = []
        for event in self.connections.pop(association).lost(now, why):
            if key is not None:
                self._note(self.nodes[key], event)
            events.append(Happened(association, key, unit, event))
        self._silent.pop(association, None)
        return [*events, Drop(association, why)]

    def _leave(self, association: int, why: str) -> list[NodeEvent]:
        """An association is no unit's any more."""
        place = self._places.pop(association, None)
        if place is None:
            return []
        key, unit = place
        node = self.nodes[key]
        del node.members[unit]
        for wanted in node.wanted.values():
            if wanted.association == association:
                wanted.association, wanted.due = None, self._now
        events: list[NodeEvent] = [UnitLost(key, unit, why)]
        return events if node.members else [*events, NodeLost(key)]

    # Renewing.

    def _note(self, node: LogicalNode, event: Event) -> None:
        """What an event means for what is wanted."""
        if isinstance(event, SubscriptionLost):
            later = RENEW_SECONDS if event.why.startswith("the node ends it") else 0.0
            self._unplace(node, event.handle, later)
        elif isinstance(event, Unanswered) and event.procedure is Procedure.SUBSCRIPTION:
            self._unplace(node, event.handle, RENEW_SECONDS)
        elif isinstance(event, SubscriptionRefused):
            wanted = node.wanted.get(event.handle)
            if wanted is not None:
                self._unplace(node, event.handle, min(
                    REFUSED_SECONDS * 2.0 ** wanted.refused, MOST_REFUSED_SECONDS))
                wanted.refused = min(wanted.refused + 1, 10)
        elif isinstance(event, Subscribed) and event.handle in node.wanted:
            node.wanted[event.handle].refused = 0
        elif isinstance(event, SubscriptionEnded):
            node.wanted.pop(event.handle, None)

    def _another_mind(self, node: LogicalNode, unit: UnitKey) -> None:
        """A unit is new, or can do something else: what it refused before it may grant now."""
        for wanted in node.wanted.values():
            if wanted.refused and wanted.unit in (None, unit.unit):
                wanted.refused = 0
                if wanted.association is None:  # else it is being asked for already
                    wanted.due = self._now

    def _unplace(self, node: LogicalNode, handle: int, later: float) -> None:
        wanted = node.wanted.get(handle)
        if wanted is not None:
            wanted.association, wanted.due = None, self._now + later

    def _carrier(self, node: LogicalNode, wanted: Wanted) -> Carrier | None:
        found = carriers(node, self.connections, wanted.oids, wanted.unit)
        return found[0] if found else None

    def _place_all(self, now: float) -> list[NodeEvent]:
        """Ask for all that is wanted, due, and can be had."""
        self._now = max(self._now, now)
        events: list[NodeEvent] = []
        for node in self.nodes.values():
            if not node.members:
                continue
            for wanted in node.wanted.values():
                if wanted.due is not None and wanted.due <= self._now:
                    events += self._place(node, wanted)
        return events

    def _place(self, node: LogicalNode, wanted: Wanted) -> list[NodeEvent]:
        place = self._carrier(node, wanted)
        if place is None:
            return []
        connection = self.connections[place.association]
        try:
            command = connection.subscribe(place.function.id, wanted.trigger, wanted.action,
                                           self._now, wanted.handle)
        except TransportError:  # too much waits for its answers
            wanted.due = self._now + RENEW_SECONDS
            return []
        wanted.association, wanted.due = place.association, None
        return [self._to_peer(place.association, command.data)]
