"""A RIC's and a node's end of one association, joined without a network; the clock is a number."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeVar

from tests.xapp.e2.e2ap_examples import CCC, DU, F1, KPM, RC, RIC
from xapp.e2.connection import Connection
from xapp.e2.connection_events import Command, Event, Send
from xapp.e2.connection_node import NodeConnection
from xapp.e2.connection_ric import RicConnection
from xapp.e2.connection_table import E2Config
from xapp.e2.e2ap import decode, encode, parse
from xapp.e2.e2ap_container import Pdu, RawIe, build
from xapp.e2.e2ap_messages import Message
from xapp.e2.e2ap_types import Action, Criticality

DU_PPID = 72
ACTION = Action(0, definition=b"style 4")
T = TypeVar("T")


def of(events: list[Event], kind: type[T]) -> list[T]:
    """The events of one kind."""
    return [event for event in events if isinstance(event, kind)]


def one(events: list[Event], kind: type[T]) -> T:
    """The only event of this kind."""
    found = of(events, kind)
    assert len(found) == 1, events
    return found[0]


def sent(events: list[Event]) -> list[Message]:
    """The messages that go to the peer."""
    return [decode(event.data) for event in of(events, Send)]


def broken(message: Message) -> bytes:
    """The message with an element that nobody knows and everybody must."""
    pdu = parse(encode(message))
    return build(Pdu(pdu.kind, pdu.procedure, pdu.criticality, (
        *pdu.ies, RawIe(999, Criticality.REJECT, b"x"))))


@dataclass
class Pair:
    """Two ends; what one sends, the other gets at once, unless `mute` holds it back."""

    config: E2Config = field(default_factory=E2Config)
    judge: Any = lambda message: None
    now: float = 100.0
    mute: bool = False  # the node's answers are lost
    ric_events: list[Event] = field(default_factory=list)
    node_events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ric = RicConnection(RIC, 7, self.config, self.judge)
        self.node = NodeConnection(DU, (KPM, RC, CCC), (F1,), DU_PPID, self.config)

    def set_up(self) -> Pair:
        self.to_ric(self.node.set_up(self.now).data)
        return self

    def to_ric(self, data: bytes) -> list[Event]:
        return self._pass(self.ric, data)

    def to_node(self, data: bytes) -> list[Event]:
        return self._pass(self.node, data)

    def command(self, command: Command) -> int:
        """Deliver what a command of the RIC's made."""
        self.to_node(command.data)
        return command.handle

    def subscribe(self, function: int = 2) -> int:
        """Ask, and let the node accept."""
        handle = self.command(self.ric.subscribe(function, b"trigger", ACTION, self.now))
        self.to_ric(self.node.accept_subscription(self.ric.subscriptions[handle].request))
        return handle

    def wait(self, seconds: float) -> list[Event]:
        """Let time pass for both ends; the RIC's events."""
        self.now += seconds
        before = len(self.ric_events)
        for end in (self.ric, self.node):
            self._spread(end, end.tick(self.now))
        return self.ric_events[before:]

    def _pass(self, end: Connection, data: bytes) -> list[Event]:
        events = end.receive(data, DU_PPID, self.now)
        self._spread(end, events)
        return events

    def _spread(self, end: Connection, events: list[Event]) -> None:
        (self.ric_events if end is self.ric else self.node_events).extend(events)
        for event in of(events, Send):
            if end is self.ric:
                self.to_node(event.data)
            elif not self.mute:
                self.to_ric(event.data)
