"""Base stations of several associations: joined, split, gone, back with other numbers; and what is
wanted of them all the while."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

import pytest

from tests.xapp.e2.e2ap_examples import (
    CU_CP,
    CU_UP,
    DU,
    F1,
    KPM,
    KPM_OID,
    NG,
    PLMN,
    RC,
    RC_OID,
    RIC,
)
from tests.xapp.e2.pairs import ACTION
from xapp.e2.aper import BitString
from xapp.e2.common import KPM_OIDS, RC_OIDS
from xapp.e2.connection_events import (
    Closed,
    ControlAcknowledged,
    ControlAsked,
    Event,
    Indicated,
    NodeRefused,
    NodeUp,
    Send,
    Subscribed,
    SubscriptionAsked,
    SubscriptionEnded,
    SubscriptionLost,
    SubscriptionRefused,
    SubscriptionStopped,
    Unanswered,
)
from xapp.e2.connection_node import NodeConnection
from xapp.e2.connection_ric import Refusal
from xapp.e2.connection_table import E2Config
from xapp.e2.e2ap_causes import MiscCause, RicRequestCause
from xapp.e2.e2ap_identities import GlobalE2NodeId, GlobalGnbId, GnbNodeId
from xapp.e2.e2ap_types import RanFunction, RequestId
from xapp.e2.node import Unit, UnitKey, key_of
from xapp.e2.nodes import (
    MOST_ASSOCIATIONS,
    MOST_REFUSED_SECONDS,
    REFUSED_SECONDS,
    RENEW_SECONDS,
    SILENT_SECONDS,
    Drop,
    Happened,
    NodeAppeared,
    NodeEvent,
    NodeLost,
    Nodes,
    ToPeer,
    UnitLost,
    UnitUp,
)
from xapp.errors import ConfigurationError, TransportError

KEY = key_of(DU)
OTHER_GNB = GnbNodeId(GlobalGnbId(PLMN, BitString(500, 22)), du_id=0)
DU_FUNCTIONS, CU_FUNCTIONS = (KPM, RC), (RanFunction(5, b"rc", 1, RC_OID),)
T = TypeVar("T")


@dataclass
class Ran:
    """Base stations' units, each joined to one RIC."""

    nodes: Nodes = field(default_factory=lambda: Nodes(RIC, 7, E2Config(
        subscription_seconds=1, subscription_attempts=2)))
    now: float = 50.0
    peers: dict[int, NodeConnection] = field(default_factory=dict)
    events: list[NodeEvent] = field(default_factory=list)
    peer_events: list[Event] = field(default_factory=list)
    accepting: bool = True

    def join(self, node: GlobalE2NodeId, functions: tuple[RanFunction, ...] = DU_FUNCTIONS,
             ppid: int = 72) -> int:
        number = self.nodes.opened(self.now)
        peer = self.peers[number] = NodeConnection(node, functions, (F1, NG), ppid)
        self.to_ric(number, peer.set_up(self.now).data)
        return number

    def to_ric(self, number: int, data: bytes) -> None:
        self.spread(self.nodes.receive(number, data, self.peers[number].ppid, self.now))

    def spread(self, events: list[NodeEvent]) -> None:
        self.events += events
        for event in events:
            if isinstance(event, ToPeer):
                peer = self.peers[event.association]
                heard = peer.receive(event.data, event.ppid, self.now)
                self.peer_events += heard
                for one in heard:
                    if isinstance(one, Send):
                        self.to_ric(event.association, one.data)
                    elif isinstance(one, SubscriptionAsked) and self.accepting:
                        self.to_ric(event.association,
                                    peer.accept_subscription(one.message.request))
                    elif isinstance(one, ControlAsked):
                        self.to_ric(event.association, peer.acknowledge_control(one.message))

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.spread(self.nodes.tick(self.now))

    def close(self, number: int) -> None:
        self.spread(self.nodes.closed(number, self.now))

    def subscribe(self, oids: tuple[str, ...] = KPM_OIDS, unit: Unit | None = None) -> int:
        handle, events = self.nodes.subscribe(KEY, oids, b"t", ACTION, self.now, unit)
        self.spread(events)
        return handle

    def of(self, kind: type[T]) -> list[T]:
        """Events of this kind, those of associations too; they are told once."""
        inner: list[object] = [event.event if isinstance(event, Happened) else event
                               for event in self.events]
        found = [event for event in inner if isinstance(event, kind)]
        self.events = []
        return found


def test_three_associations_are_one_base_station() -> None:
    ran = Ran()
    du, cu_cp = ran.join(DU), ran.join(CU_CP, CU_FUNCTIONS, 70)
    ran.join(CU_UP, (KPM,), 71)
    assert ran.of(NodeAppeared) == [NodeAppeared(KEY, again=False)]
    assert {key: list(node.members) for key, node in ran.nodes.nodes.items()} == {
        KEY: [UnitKey(Unit.DU, 0), UnitKey(Unit.CU_CP), UnitKey(Unit.CU_UP, 1)]}
    rc = ran.nodes.carriers(KEY, RC_OIDS)
    assert [(one.association, one.function.id) for one in rc] == [(du, 3), (cu_cp, 5)]
    assert [one.unit.unit for one in ran.nodes.carriers(KEY, KPM_OIDS)] == [Unit.DU, Unit.CU_UP]
    assert ran.nodes.carriers(KEY, RC_OIDS, Unit.CU_UP) == []
    assert ran.nodes.carriers(key_of(OTHER_GNB), RC_OIDS) == []


def test_units_are_lost_one_by_one_and_the_base_station_with_the_last() -> None:
    ran = Ran()
    du, cu_cp = ran.join(DU), ran.join(CU_CP, CU_FUNCTIONS, 70)
    ran.close(du)
    assert [event.unit for event in ran.events if isinstance(event, UnitLost)] == [
        UnitKey(Unit.DU, 0)]
    assert not ran.of(NodeLost)
    ran.close(cu_cp)
    assert ran.of(NodeLost) == [NodeLost(KEY)]
    ran.close(cu_cp)
    assert ran.events == []
    ran.join(DU)
    assert ran.of(NodeAppeared) == [NodeAppeared(KEY, again=True)]


def test_a_subscription_goes_to_the_unit_that_has_the_function() -> None:
    ran = Ran()
    du = ran.join(DU)
    ran.join(CU_CP, (*CU_FUNCTIONS, RanFunction(1, b"kpm", 1, KPM_OID)), 70)
    near, far = ran.subscribe(), ran.subscribe(unit=Unit.CU_CP)
    assert [event.handle for event in ran.of(Subscribed)] == [near, far]
    wanted = ran.nodes.nodes[KEY].wanted
    assert wanted[near].association == du != wanted[far].association
    peer = ran.peers[du]
    ran.to_ric(du, peer.indicate(RequestId(7, 0), 0, b"h", b"m"))
    happened = [event for event in ran.events if isinstance(event, Happened)
                and isinstance(event.event, Indicated)]
    assert [(event.key, event.unit) for event in happened] == [(KEY, UnitKey(Unit.DU, 0))]
    ran.spread(ran.nodes.unsubscribe(KEY, near, ran.now))
    assert ran.of(SubscriptionEnded) == [SubscriptionEnded(near, True)]
    assert set(wanted) == {far}
    assert ran.nodes.unsubscribe(KEY, near, ran.now) == []


def test_what_is_wanted_before_the_base_station_is_there_waits_for_it() -> None:
    ran = Ran()
    handle = ran.subscribe()
    assert ran.events == []
    assert ran.nodes.next_deadline() is None
    ran.join(DU)
    assert [event.handle for event in ran.of(Subscribed)] == [handle]


def test_a_unit_that_comes_back_with_other_functions_gets_its_subscriptions_again() -> None:
    ran = Ran()
    du = ran.join(DU)
    handle = ran.subscribe()
    ran.close(du)
    lost = [event for event in ran.events if isinstance(event, Happened)]
    assert [type(event.event) for event in lost][-2:] == [SubscriptionLost, Closed]
    ran.of(Subscribed)
    ran.join(DU, (RanFunction(77, b"kpm", 3, KPM_OIDS[1]),))
    assert [event.handle for event in ran.of(Subscribed)] == [handle]
    assert [one.function.id for one in ran.nodes.carriers(KEY, KPM_OIDS)] == [77]


def test_a_unit_that_comes_back_before_its_old_association_is_known_dead_replaces_it() -> None:
    ran = Ran()
    old = ran.join(DU)
    handle = ran.subscribe()
    ran.events.clear()
    new = ran.join(DU)
    assert [event.handle for event in ran.of(Subscribed)] == [handle]
    assert ran.nodes.nodes[KEY].members == {UnitKey(Unit.DU, 0): new}
    assert ran.nodes.receive(old, b"\0", 72, ran.now) == []
    ran.join(DU)
    dropped = [event for event in ran.events if isinstance(event, Drop)]
    assert dropped == [Drop(new, "its unit came back on another association")]


def test_an_association_may_become_another_base_stations() -> None:
    ran = Ran()
    du = ran.join(DU)
    handle = ran.subscribe()
    ran.events.clear()
    other = ran.peers[du] = NodeConnection(OTHER_GNB, DU_FUNCTIONS, (F1,), 72)
    ran.to_ric(du, other.set_up(ran.now).data)
    kinds = [type(event) for event in ran.events if not isinstance(event, Happened | ToPeer)]
    assert kinds == [UnitLost, NodeLost, NodeAppeared, UnitUp]
    assert ran.nodes.nodes[KEY].members == {}
    assert ran.nodes.nodes[KEY].wanted[handle].association is None
    assert ran.of(Subscribed) == []


def test_a_base_station_that_is_refused_is_none() -> None:
    ran = Ran(Nodes(RIC, 7, judge=lambda message: Refusal(MiscCause.OM_INTERVENTION)))
    ran.join(DU)
    assert len(ran.of(NodeRefused)) == 1
    assert ran.nodes.nodes == {}


def test_subscriptions_come_back_after_a_reset() -> None:
    ran = Ran()
    du = ran.join(DU)
    handle = ran.subscribe()
    ran.events.clear()
    command, _ = ran.peers[du].reset(MiscCause.UNSPECIFIED, ran.now)
    ran.peers[du].state = type(ran.peers[du].state).READY  # this one does not wait for the answer
    ran.to_ric(du, command.data)
    assert [event.handle for event in ran.of(Subscribed)] == [handle]


def test_a_subscription_that_nobody_answers_is_asked_for_later() -> None:
    ran = Ran(accepting=False)
    ran.join(DU)
    handle = ran.subscribe()
    ran.wait(1)
    ran.wait(1)
    assert [event.handle for event in ran.of(Unanswered)] == [handle]
    assert ran.nodes.next_deadline() == ran.now + RENEW_SECONDS
    ran.accepting = True
    ran.wait(RENEW_SECONDS)
    assert [event.handle for event in ran.of(Subscribed)] == [handle]


def test_a_subscription_that_the_node_ends_is_asked_for_later() -> None:
    ran = Ran()
    du = ran.join(DU)
    handle = ran.subscribe()
    ran.to_ric(du, ran.peers[du].require_delete([(RequestId(7, 0), MiscCause.UNSPECIFIED)]))
    assert [event.handle for event in ran.of(SubscriptionLost)] == [handle]
    assert [event for event in ran.peer_events if isinstance(event, SubscriptionStopped)]
    ran.wait(RENEW_SECONDS)
    assert [event.handle for event in ran.of(Subscribed)] == [handle]


def refuse(ran: Ran, du: int) -> None:
    asked = [event.message.request for event in ran.peer_events
             if isinstance(event, SubscriptionAsked)]
    ran.to_ric(du, ran.peers[du].refuse_subscription(asked[-1],
                                                     RicRequestCause.ACTION_NOT_SUPPORTED))


def test_a_subscription_that_is_refused_is_asked_for_again_more_and_more_seldom() -> None:
    ran = Ran(accepting=False)
    du = ran.join(DU)
    handle = ran.subscribe()
    pauses = []
    for _ in range(12):
        refuse(ran, du)
        due = ran.nodes.asked_again(KEY, handle)
        assert due is not None
        assert due == ran.nodes.next_deadline()
        pauses.append(due - ran.now)
        ran.wait(pauses[-1])
    assert pauses[:5] == [REFUSED_SECONDS * one for one in (1, 2, 4, 8, 16)]
    assert set(pauses[5:]) == {MOST_REFUSED_SECONDS}
    assert [event.handle for event in ran.of(SubscriptionRefused)] == [handle] * 12


def test_a_subscription_that_was_refused_and_is_granted_begins_anew() -> None:
    ran = Ran(accepting=False)
    du = ran.join(DU)
    handle = ran.subscribe()
    refuse(ran, du)
    ran.accepting = True
    ran.wait(REFUSED_SECONDS)
    assert [event.handle for event in ran.of(Subscribed)] == [handle]
    assert ran.nodes.asked_again(KEY, handle) is None
    ran.accepting = False
    ran.to_ric(du, ran.peers[du].require_delete([(RequestId(7, 1), MiscCause.UNSPECIFIED)]))
    ran.wait(RENEW_SECONDS)
    refuse(ran, du)
    assert ran.nodes.asked_again(KEY, handle) == ran.now + REFUSED_SECONDS


def test_what_a_unit_refused_is_asked_at_once_when_it_is_back_or_can_do_something_else() -> None:
    ran = Ran(accepting=False)
    du = ran.join(DU)
    handle = ran.subscribe(unit=Unit.DU)
    refuse(ran, du)
    ran.join(CU_CP, CU_FUNCTIONS, 70)
    assert ran.nodes.asked_again(KEY, handle) == ran.now + REFUSED_SECONDS  # another unit
    ran.close(du)
    du = ran.join(DU)
    refuse(ran, du)
    assert ran.nodes.asked_again(KEY, handle) == ran.now + REFUSED_SECONDS
    ran.accepting = True
    ran.to_ric(du, ran.peers[du].update_functions(ran.now, modified=(KPM,)).data)
    assert [event.handle for event in ran.of(Subscribed)] == [handle]


def test_what_was_refused_and_is_asked_for_again_just_now_is_not_asked_for_twice() -> None:
    ran = Ran(accepting=False)
    du = ran.join(DU)
    handle = ran.subscribe(unit=Unit.DU)
    refuse(ran, du)
    ran.wait(REFUSED_SECONDS)
    asked = len([event for event in ran.peer_events if isinstance(event, SubscriptionAsked)])
    ran.to_ric(du, ran.peers[du].update_functions(ran.now, modified=(KPM,)).data)
    assert len([event for event in ran.peer_events
                if isinstance(event, SubscriptionAsked)]) == asked == 2
    refuse(ran, du)
    assert ran.nodes.asked_again(KEY, handle) == ran.now + REFUSED_SECONDS


def test_what_was_refused_and_is_not_wanted_any_more_is_not_asked_for() -> None:
    ran = Ran(accepting=False)
    du = ran.join(DU)
    handle = ran.subscribe()
    refuse(ran, du)
    assert ran.nodes.unsubscribe(KEY, handle, ran.now) == []
    assert ran.nodes.asked_again(KEY, handle) is None
    assert ran.nodes.next_deadline() is None


def test_controls_go_where_the_function_is() -> None:
    ran = Ran()
    ran.join(DU)
    ran.join(CU_CP, CU_FUNCTIONS, 70)
    handle, events = ran.nodes.control(KEY, RC_OIDS, b"h", b"m", ran.now, Unit.CU_CP)
    ran.spread(events)
    assert [event.handle for event in ran.of(ControlAcknowledged)] == [handle]
    asked = [event for event in ran.peer_events if isinstance(event, ControlAsked)]
    assert [event.message.function for event in asked] == [5]
    with pytest.raises(ConfigurationError, match="gNB 00101-00019b"):
        ran.nodes.control(KEY, ("1.2.3",), b"h", b"m", ran.now)


def test_whoever_says_nothing_is_shown_out() -> None:
    nodes = Nodes(RIC, 7)
    number = nodes.opened(0.0)
    assert nodes.next_deadline() == SILENT_SECONDS
    assert nodes.tick(SILENT_SECONDS - 1) == []
    events = nodes.tick(SILENT_SECONDS)
    assert events[-1] == Drop(number, "no E2 setup within 30 s")
    assert nodes.connections == {}
    assert nodes.next_deadline() is None


def test_there_are_only_so_many_associations() -> None:
    nodes = Nodes(RIC, 7)
    for _ in range(MOST_ASSOCIATIONS):
        nodes.opened(0.0)
    with pytest.raises(TransportError, match="256 associations"):
        nodes.opened(0.0)


def test_base_stations_that_are_away_are_forgotten_when_there_are_too_many(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xapp.e2.nodes.MOST_NODES", 3)
    ran = Ran()
    ran.join(DU)
    for number in range(10):
        other = ran.join(GnbNodeId(GlobalGnbId(PLMN, BitString(number, 22))))
        ran.close(other)
    assert len(ran.nodes.nodes) == 3
    assert KEY in ran.nodes.nodes
    assert len(ran.of(NodeUp)) == 11
