"""The core on a made-up OSC RIC: what the session says is carried, in an order that a test sets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tests.xapp.core_scene import Scene
from tests.xapp.ric.osc_ric import MadeRic
from xapp.core_config import CoreConfig
from xapp.e2.nodes import NodeEvent
from xapp.ric.osc import OscSession
from xapp.ric.osc_condition import condition_of
from xapp.ric.osc_config import OscConfig
from xapp.ric.osc_messages import Answer, Call, Out, RmrMessage, Tell, Told

WALL = 1_700_000_000.0
QUIET = 30.0


class OscScene(Scene):
    """`Scene`, with a RIC in the place of associations."""

    def __init__(self, ric: MadeRic | None = None, config: CoreConfig | None = None,
                 osc: OscConfig | None = None) -> None:
        self.ric = ric or MadeRic()
        self.osc = osc or OscConfig(quiet_seconds=QUIET)
        self.notify_first = True  # a notification overtakes the response
        self.notify = True
        self.away: str | None = None  # why calls are not answered
        self.routed = True  # RMR takes what is sent
        self.calls: list[Call] = []
        self.sent: list[RmrMessage] = []
        super().__init__(self.ric.gnb.kind, config)
        self.nodes.requestor = self.osc.requestor
        self.nodes.config = self.osc.e2
        self.session = OscSession(self.osc, self.nodes, self.core, "pod", "1", "{}")

    def begin(self) -> None:
        self.carry(self.session.start(self.now))
        self.pump()

    def transmit(self, events: Sequence[NodeEvent]) -> None:
        if events:
            self.later += self.session.apply(events, self.now)

    @property
    def later(self) -> list[Out]:
        """What the core caused, to be carried when it is done."""
        found: list[Out] = self.__dict__.setdefault("_later", [])
        return found

    @later.setter
    def later(self, value: list[Out]) -> None:
        self.__dict__["_later"] = value

    def carry(self, out: Iterable[Out]) -> None:
        for one in out:
            if isinstance(one, Told):
                self.core.node_events(one.events, self.now)
            elif isinstance(one, Tell):
                self.core.tell(one.event, self.now)
            elif isinstance(one, RmrMessage):
                self.sent.append(one)
                if self.routed:
                    self.ric.rmr(one)
                else:
                    self.later += self.session.unsent(one, "no route", self.now)
            else:
                self._call(one)

    def _call(self, call: Call) -> None:
        self.calls.append(call)
        answer = self.ric.call(call) if self.away is None else Answer(0, b"", self.away)
        if self.notify_first:
            self._notify()
        self.carry(self.session.answered(call, answer, self.now))
        self._notify()

    def _notify(self) -> None:
        waiting, self.ric.notifications = self.ric.notifications, []
        for one in waiting if self.notify else ():
            self.carry(self.session.notified(one, self.now))

    def deliver(self) -> None:
        """What came over RMR, and what follows from everything."""
        self.pump()
        while self.ric.messages or self.later:
            later, self.later = self.later, []
            self.carry(later)
            messages, self.ric.messages = self.ric.messages, []
            for one in messages:
                self.carry(self.session.rmr(one, self.now, WALL))
            self.pump()

    def receive_rmr(self, message: RmrMessage) -> list[RmrMessage]:
        """What is sent because of a message."""
        before = len(self.sent)
        self.carry(self.session.rmr(message, self.now, WALL))
        self.deliver()
        return self.sent[before:]

    def report(self) -> None:
        self.ric.now = self.now
        if self.ric.connected and self.ric.gnb.reports:
            self.ric.report()
        self.deliver()

    def wait(self, seconds: float, step: float = 0.5, tap: bool = True) -> None:
        end = self.now + seconds
        while self.now < end - 1e-9:
            self.now = min(end, self.now + step)
            if tap and self.core.flows.heard is not None:
                self.tap_lives()
            self.report()
            self.carry(self.session.tick(self.now))
            self.core.tick(self.now)
            if self.session.watch.due <= self.now:
                self.carry(self.session.watch.look(
                    condition_of(self.core, self.now), self.now, WALL + self.now))
            self.deliver()

    def asked(self, method: str) -> list[Call]:
        """Calls of the subscription manager."""
        return [one for one in self.calls
                if one.method == method and "/ric/v1/subscriptions" in one.url]
