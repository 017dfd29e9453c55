"""An OSC near-RT RIC as `Nodes` sees it: each RAN name is an association of a base station.

    session = OscSession(config, nodes, core)
    out = session.start(now)                 # likewise what `rmr`, `answered`, `notified`, `apply`
    out += session.tick(now)                 # no later than session.next_deadline()

On such a RIC no base station sets itself up with an xApp. The E2 manager tells which there are, the
subscription manager takes subscriptions over REST, and only indications and controls are E2AP, in
RMR messages. This makes of it what a base station would have said itself, so that all that is above
`Nodes` is the same as with a termination of our own. A1 policies and health checks come over RMR,
too. Sans-IO: what comes out is to be sent, called or told.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from xapp.a1_rmr import QUERY, REQUEST, RESPONSE, query
from xapp.a1_types import TYPES
from xapp.e2.e2ap import encode, read, read_indication
from xapp.e2.e2ap_causes import TransportCause
from xapp.e2.e2ap_components import Component, Configuration, Interface, NgComponent
from xapp.e2.e2ap_messages import (
    ControlAcknowledge,
    ControlFailure,
    ControlRequest,
    E2SetupRequest,
    Indication,
    SubscriptionDeleteRequest,
    SubscriptionRequest,
)
from xapp.e2.nodes import Drop, NodeEvent, Nodes, ToPeer
from xapp.errors import ProtocolError, TransportError
from xapp.events import Code, info, warning
from xapp.ric.osc_a1 import A1Desk, Policies
from xapp.ric.osc_config import OscConfig
from xapp.ric.osc_inventory import MOST_RANS, RanInfo, read_node, read_states
from xapp.ric.osc_messages import (
    ALARM,
    CONTROL,
    CONTROL_ACKNOWLEDGE,
    CONTROL_FAILURE,
    HEALTH_REQUEST,
    HEALTH_RESPONSE,
    INDICATION,
    METRICS,
    MOST_PAYLOAD,
    Answer,
    Ask,
    Call,
    Out,
    RmrMessage,
    Tell,
    Told,
    deregistration,
    registration,
)
from xapp.ric.osc_subscriptions import Reply, Said, Subscriptions
from xapp.ric.osc_watch import Watch

AGAIN_SECONDS = 10.0  # before registering, or asking for policies, is tried again
HEALTHY = b"OK\n"
_TAKERS = {ALARM: "The alarm manager", METRICS: "The metrics gateway"}
# A setup names a component; the E2 manager keeps none that anybody here asks for.
_COMPONENTS = (Component(Interface.NG, NgComponent("RIC"), Configuration(b"", b"")),)


@dataclass
class Ran:
    """A base station that is there."""

    info: RanInfo
    association: int


class OscSession:
    """Between `Nodes` and the RIC."""

    def __init__(self, config: OscConfig, nodes: Nodes, policies: Policies, pod: str = "airsplit",
                 version: str = "", descriptor: str = "{}") -> None:
        self.config, self._nodes = config, nodes
        self.subscriptions = Subscriptions(config)
        self.watch = Watch(config)
        self._desk = A1Desk(policies, config.name)
        self._pod, self._version, self._descriptor = pod, version, descriptor
        self._rans: dict[str, Ran] = {}
        self._names: dict[int, str] = {}  # by association
        self._asking: set[str] = set()  # RANs whose details are on their way
        self._poll: float | None = None  # when to ask for base stations; None: it is being asked
        self._register: float | None = None  # when to register; None: it is done or being done
        self._queries: dict[int, float] = {}  # policy types to be asked for, and when
        self._complaints: dict[str, str] = {}  # of services, told once each
        self.strangers = 0  # messages that are for somebody else, or of nobody known
        self.registered = self._stopping = False

    # Life.

    def start(self, now: float) -> list[Out]:
        self._poll = now
        self._register = now if self.config.appmgr is not None else None
        self._queries = {one.id: now for one in TYPES}
        return self.tick(now)

    def stop(self) -> list[Call]:
        """Delete all subscriptions and deregister; then it is over."""
        self._stopping = True
        calls = self.subscriptions.stop()
        if self.config.appmgr is not None:
            calls.append(Call(Ask.DEREGISTER, "POST", f"{self.config.appmgr}/ric/v1/deregister",
                              "", deregistration(self.config, self._pod)))
        return calls

    def tick(self, now: float) -> list[Out]:
        """Time has passed."""
        if self._stopping:
            return []
        out: list[Out] = []
        if self._register is not None and self._register <= now:
            self._register = None
            out.append(Call(
                Ask.REGISTER, "POST", f"{self.config.appmgr}/ric/v1/register", "",
                registration(self.config, self._pod, self._version, self._descriptor)))
        for type_id in [one for one, due in self._queries.items() if due <= now]:
            del self._queries[type_id]
            out.append(RmrMessage(QUERY, query(type_id)))
        if self._poll is not None and self._poll <= now:
            self._poll = None
            out.append(Call(Ask.STATES, "GET", f"{self.config.e2mgr}/v1/nodeb/states"))
        out += self._said(self.subscriptions.tick(now), now)
        return out + self.apply(self._nodes.tick(now), now)

    def next_deadline(self) -> float | None:
        """When `tick` has something to do, if nothing happens before."""
        times = [self._poll, self._register, self._nodes.next_deadline(), self.watch.due,
                 self.subscriptions.next_deadline(), *self._queries.values()]
        return min((one for one in times if one is not None), default=None)

    def name(self, association: int) -> str:
        """The RAN name of an association."""
        return self._names.get(association, "")

    # What `Nodes` says.

    def apply(self, events: Sequence[NodeEvent], now: float) -> list[Out]:
        """Do what it says to base stations, and tell the rest."""
        out: list[Out] = []
        told: list[NodeEvent] = []
        for event in events:
            if isinstance(event, ToPeer):
                out += self._to_ran(event, now)
                continue
            if isinstance(event, Drop):  # there is no association to close
                out += self._leave(event.association, now)
            told.append(event)
        return [*out, Told(tuple(told))] if told else out

    def _to_ran(self, event: ToPeer, now: float) -> list[Out]:
        """A message for a base station, as far as the RIC has a way for it."""
        name = self._names.get(event.association)
        message = read(event.data).message
        if name is None:
            return []  # its end is on the way
        if isinstance(message, ControlRequest):
            return [RmrMessage(CONTROL, event.data, name)]
        if isinstance(message, SubscriptionRequest):
            return self._said(self.subscriptions.ask(event.association, name, message), now)
        if isinstance(message, SubscriptionDeleteRequest):
            return self._said(self.subscriptions.delete(event.association, message), now)
        return []  # answers to setups and errors: the RIC gives its own

    def _said(self, said: Iterable[Said], now: float) -> list[Out]:
        out: list[Out] = []
        for one in said:
            if isinstance(one, Reply):
                out += self._from_ran(one.association, encode(one.message), now)
            else:
                out.append(one)
        return out

    def _from_ran(self, association: int, data: bytes, now: float) -> list[Out]:
        return self.apply(self._nodes.receive(association, data, 0, now), now)

    # What comes over RMR.

    def rmr(self, message: RmrMessage, now: float, wall: float) -> list[Out]:
        """A message; `wall` is seconds since 1970."""
        if self._stopping or len(message.payload) > MOST_PAYLOAD:
            return []
        if message.type == INDICATION:
            return self._indication(message, now)
        if message.type in (CONTROL_ACKNOWLEDGE, CONTROL_FAILURE):
            return self._control_answer(message, now)
        if message.type == HEALTH_REQUEST:
            return [RmrMessage(HEALTH_RESPONSE, HEALTHY, origin=message.origin)]
        if message.type == REQUEST:
            return self._policy(message, now, wall)
        self.strangers += 1
        return []

    def _indication(self, message: RmrMessage, now: float) -> list[Out]:
        found = read_indication(message.payload) or _message(message.payload)
        if isinstance(found, Indication):
            return self._said(self.subscriptions.indicated(found, message.meid, now), now)
        return self._garbage(message, now)

    def _control_answer(self, message: RmrMessage, now: float) -> list[Out]:
        """Answers to all xApps' controls come to all of them."""
        found = _message(message.payload)
        if not isinstance(found, ControlAcknowledge | ControlFailure):
            return self._garbage(message, now)
        ran = self._rans.get(message.meid)
        if ran is None or found.request.requestor != self._nodes.requestor:
            self.strangers += 1
            return []
        return self._from_ran(ran.association, message.payload, now)

    def _garbage(self, message: RmrMessage, now: float) -> list[Out]:
        """`Nodes` counts and tells it, where it is known whose it is."""
        ran = self._rans.get(message.meid)
        if ran is None or _message(message.payload) is not None:  # none that belongs here
            self.strangers += 1
            return []
        return self._from_ran(ran.association, message.payload, now)

    def _policy(self, message: RmrMessage, now: float, wall: float) -> list[Out]:
        answer, problem = self._desk.take(message.payload, now, wall)
        out: list[Out] = []
        if problem:
            out.append(Tell(warning(Code.POLICY, f"An A1 request cannot be done: {problem}")))
        if answer is not None:
            out.append(RmrMessage(RESPONSE, answer, origin=message.origin))
        return out

    def unsent(self, message: RmrMessage, why: str, now: float) -> list[Out]:
        """RMR did not take a message of ours: it has no route, or is too slow."""
        self.watch.unsent(message, now)
        out = self._complain(_TAKERS.get(message.type, "RMR"), why)
        if message.type == QUERY:
            waiting = next((one.id for one in TYPES if query(one.id) == message.payload), None)
            if waiting is not None:
                self._queries[waiting] = now + AGAIN_SECONDS
        elif message.type == CONTROL:
            asked, ran = _message(message.payload), self._rans.get(message.meid)
            if isinstance(asked, ControlRequest) and ran is not None:
                out += self._from_ran(ran.association, encode(ControlFailure(
                    asked.request, asked.function, TransportCause.RESOURCE_UNAVAILABLE)), now)
        return out

    # What comes over HTTP.

    def notified(self, body: bytes, now: float) -> list[Out]:
        """The subscription manager tells how a subscription fares."""
        if self._stopping:
            return []
        try:
            return self._said(self.subscriptions.notified(body, now), now)
        except ProtocolError as error:
            return [Tell(warning(Code.GARBAGE, f"A notification cannot be read: {error.problem}"))]

    def answered(self, call: Call, answer: Answer, now: float) -> list[Out]:
        """A call was answered, or will not be."""
        if self._stopping:
            return list(self.subscriptions.stopped(answer)) if call.ask is Ask.SUBSCRIBE else []
        if call.ask in (Ask.SUBSCRIBE, Ask.DELETE):
            return self._said(self.subscriptions.answered(call, answer, now), now)
        if call.ask is Ask.REGISTER:
            return self._registration_answered(answer, now)
        try:
            return self._inventory(call, answer, now)
        except ProtocolError as error:
            return self._complain("The E2 manager", error.problem)

    def _registration_answered(self, answer: Answer, now: float) -> list[Out]:
        if not answer.good:
            self._register = now + AGAIN_SECONDS
            return self._complain("The application manager", answer.said())
        self.registered = True
        return self._well("The application manager")

    # Base stations come and go.

    def _inventory(self, call: Call, answer: Answer, now: float) -> list[Out]:
        if call.ask is Ask.STATES:
            self._poll = now + self.config.poll_seconds
            if not answer.good:
                return self._complain("The E2 manager", answer.said())
            return self._well("The E2 manager") + self._states(read_states(answer.body), now)
        self._asking.discard(call.about)
        if answer.status == 404:
            return self._gone(call.about, "the E2 manager does not know it", now)
        if not answer.good:
            return self._complain(call.about, answer.said())
        found = read_node(answer.body, call.about)
        return self._well(call.about) + self._known(found, now)

    def _states(self, states: dict[str, bool], now: float) -> list[Out]:
        wanted = self.config.rans or tuple(states)[:MOST_RANS]
        out: list[Out] = []
        for name in set(self._rans) - {one for one in wanted if states.get(one)}:
            out += self._gone(name, "the E2 manager says that it is not connected", now)
        for name in wanted:
            if states.get(name) and name not in self._asking:
                self._asking.add(name)
                out.append(Call(Ask.NODE, "GET", f"{self.config.e2mgr}/v1/nodeb/{name}", name))
        return out

    def _known(self, found: RanInfo, now: float) -> list[Out]:
        ran = self._rans.get(found.name)
        if not found.connected:
            return self._gone(found.name, "the E2 manager says that it is not connected", now)
        if ran is not None and ran.info == found:
            return []
        out = self._gone(found.name, "it set itself up anew", now)
        try:
            association = self._nodes.opened(now)
        except TransportError as error:
            return out + self._complain(found.name, error.problem)
        self._rans[found.name] = Ran(found, association)
        self._names[association] = found.name
        setup = E2SetupRequest(0, found.node, found.functions, _COMPONENTS)
        return out + self._from_ran(association, encode(setup), now)

    def _gone(self, name: str, why: str, now: float) -> list[Out]:
        ran = self._rans.get(name)
        if ran is None:
            return []
        out = self._leave(ran.association, now)
        return out + self.apply(self._nodes.closed(ran.association, now, why), now)

    def _leave(self, association: int, now: float) -> list[Out]:
        """An association is over; what the subscription manager has of it is deleted."""
        self._rans.pop(self._names.pop(association, ""), None)
        return self._said(self.subscriptions.lost(association, now), now)

    # Telling.

    def _complain(self, who: str, why: str) -> list[Out]:
        """Said once, until it is well again or something else is wrong."""
        if self._complaints.get(who) == why:
            return []
        self._complaints[who] = why
        return [Tell(warning(Code.RIC_TROUBLE, f"{who}: {why.rstrip('.')}.", who))]

    def _well(self, who: str) -> list[Out]:
        if self._complaints.pop(who, None) is None:
            return []
        return [Tell(info(Code.RIC_WELL, f"{who} answers again.", who))]


def _message(data: bytes) -> object:
    """The E2AP message that bytes of a stranger are; None where they are none."""
    try:
        return read(data).message
    except ProtocolError:
        return None
