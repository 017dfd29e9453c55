"""An emulated base station's end of E2, all its units together; sans-IO.

    agent = E2Agent(NodeConfig(profile="oai"), ran, random.Random(1), now)
    outs = agent.opened("gnb", now)             # ToRic, Ends, Said
    outs = agent.receive("gnb", data, ppid, now)
    outs = agent.tick(now)                      # when next_deadline() says so

The kind's traps are data (`e2_profiles`); faults can be switched on and off while it runs, in
`faults`. Whoever has the associations closes them all on `Ends`, calls `restarted` after its
seconds, and opens them again.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from testbed.ran import reports
from testbed.ran.cell_model import Ran, Snapshot
from testbed.ran.controls import Done, Failed, Hung, Verdict, obey
from testbed.ran.e2_profiles import BEHAVIOURS, UnitBehaviour, functions_of
from testbed.ran.faults import Fault
from testbed.ran.node_config import (
    NodeConfig,
    components,
    identity,
    node_name,
    units_of,
)
from testbed.ran.reports import Asked, Fatal
from xapp.e2.announced import narrowed, read_functions
from xapp.e2.ccc import CccCell
from xapp.e2.common import KPM_OIDS
from xapp.e2.connection_events import (
    Accepted,
    ControlAsked,
    Event,
    HeldOff,
    Send,
    SubscriptionAsked,
    SubscriptionStopped,
)
from xapp.e2.connection_node import NodeConnection
from xapp.e2.connection_table import E2Config, State
from xapp.e2.e2ap_causes import RicRequestCause
from xapp.e2.e2ap_messages import ControlRequest, SubscriptionRequest
from xapp.e2.e2ap_types import RanFunction, RequestId
from xapp.e2.profiles import Profile

GARBAGE = bytes.fromhex("00ffdeadbeef") * 4
MOST_LATER = 65_536  # things that wait for their time; beyond it, they are not done
NUMBERS = 65_536  # of indications, then from 0 again
SHIFT = 100  # of numbers of RAN functions after a death


@dataclass(frozen=True, slots=True)
class ToRic:
    """Bytes for the association of one unit."""

    unit: str
    data: bytes
    ppid: int


@dataclass(frozen=True, slots=True)
class Ends:
    """The whole base station is gone, for so many seconds."""

    why: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence for whoever watches."""

    text: str


Out = ToRic | Ends | Said


@dataclass
class Counts:
    """What was done since the start."""

    subscriptions: int = 0
    indications: int = 0
    dropped: int = 0  # on purpose
    controls: int = 0
    failures: int = 0
    ends: int = 0


@dataclass
class _Unit:
    behaviour: UnitBehaviour
    connection: NodeConnection | None = None
    asked: dict[RequestId, tuple[Asked, ...]] = field(default_factory=dict)
    hung: bool = False
    era: int = 0  # of its association: what waits for an older one is forgotten


class E2Agent:
    """One base station."""

    def __init__(self, config: NodeConfig, ran: Ran, chance: random.Random, now: float,
                 e2: E2Config | None = None,
                 wall_ns: Callable[[float], int] = lambda now: round(now * 1e9)) -> None:
        """`wall_ns` gives the time of day, in nanoseconds since 1970, of a time of our clock."""
        self.config, self.ran, self._chance, self._e2 = config, ran, chance, e2 or E2Config()
        self._wall_ns = wall_ns
        behaviour = BEHAVIOURS[config.profile]
        if config.report_period is not None and behaviour.stale_seconds:
            behaviour = replace(behaviour, stale_seconds=config.report_period)
        self.behaviour = behaviour
        self.faults: set[Fault] = set()
        self.counts = Counts()
        self._shift = 0
        self._order = itertools.count()
        self._units = {one.name: _Unit(one) for one in units_of(config, behaviour)}
        self.wire: Profile = narrowed(behaviour.wire, read_functions(
            (one.id, one.oid, one.definition) for unit in self._units.values()
            for one in self._functions(unit)))
        self._forget(now)

    def _forget(self, now: float) -> None:
        self.ran.advance(now)
        # What happens at a time: when, in which order of asking, in which era of which unit, what.
        self._later: list[tuple[float, int, str, int, Callable[[float], list[Out]]]] = []
        self._old = self._new = self.ran.snapshot()
        self._renewed = now

    @property
    def units(self) -> tuple[UnitBehaviour, ...]:
        return tuple(one.behaviour for one in self._units.values())

    @property
    def name(self) -> str:
        """As an xApp of ours names it."""
        return node_name(self.config, self.ran.plmn)

    def ready(self, unit: str) -> bool:
        connection = self._units[unit].connection
        return connection is not None and connection.state is State.READY

    @property
    def subscribed(self) -> int:
        """Subscriptions that are alive."""
        return sum(len(one.asked) for one in self._units.values())

    def subscriptions(self, unit: str) -> tuple[SubscriptionRequest, ...]:
        """Those of one unit."""
        connection = self._units[unit].connection
        return () if connection is None else connection.subscriptions

    # What the shell tells.

    def opened(self, unit: str, now: float) -> list[Out]:
        """A unit's association is up: it introduces itself."""
        one = self._units[unit]
        one.era += 1
        one.asked.clear()
        one.connection = NodeConnection(
            identity(self.config, one.behaviour, self.ran.plmn), self._functions(one),
            components(self.config, one.behaviour), one.behaviour.ppid, self._e2)
        return [self._to_ric(one, one.connection.set_up(now).data)]

    def receive(self, unit: str, data: bytes, ppid: int, now: float) -> list[Out]:
        one = self._units[unit]
        if one.connection is None or one.hung:
            return []
        return self._spread(one, one.connection.receive(data, ppid, now), now)

    def closed(self, unit: str, now: float) -> list[Out]:
        """The association is gone."""
        one = self._units[unit]
        one.connection, one.era = None, one.era + 1
        one.asked.clear()
        return []

    def restarted(self, now: float) -> None:
        """The base station starts anew, after `Ends` or because somebody restarts it."""
        for one in self._units.values():
            one.hung = False
            self.closed(one.behaviour.name, now)
        self.ran.restart(now)
        self._forget(now)

    def tick(self, now: float) -> list[Out]:
        """Time has passed."""
        self.ran.advance(now)
        self._renew(now)
        outs: list[Out] = []
        for one in self._units.values():
            if one.connection is not None and not one.hung:
                outs += self._spread(one, one.connection.tick(now), now)
        while self._later and self._later[0][0] <= now:
            _, _, unit, era, act = heapq.heappop(self._later)
            if self._units[unit].era == era and not self._units[unit].hung:
                outs += act(now)
        return outs

    def next_deadline(self) -> float | None:
        times = [one.connection.next_deadline() for one in self._units.values()
                 if one.connection is not None and not one.hung]
        times += [self._later[0][0]] if self._later else []
        times += ([self._renewed + self.behaviour.stale_seconds]
                  if self.behaviour.stale_seconds and self.subscribed else [])
        return min((one for one in times if one is not None), default=None)

    def _do_at(self, when: float, unit: _Unit, act: Callable[[float], list[Out]]) -> None:
        if len(self._later) < MOST_LATER:
            heapq.heappush(self._later, (when, next(self._order), unit.behaviour.name, unit.era,
                                         act))

    # What happens on an association.

    def _spread(self, unit: _Unit, events: list[Event], now: float) -> list[Out]:
        outs: list[Out] = []
        for event in events:
            if isinstance(event, Send):
                outs.append(self._to_ric(unit, event.data))
            elif isinstance(event, SubscriptionAsked):
                outs += self._subscription(unit, event.message, now)
            elif isinstance(event, SubscriptionStopped):
                unit.asked.pop(event.request, None)
            elif isinstance(event, ControlAsked):
                outs += self._control(unit, event.message, now)
            elif isinstance(event, Accepted):
                outs.append(Said(f"{unit.behaviour.name} is accepted"))
            elif isinstance(event, HeldOff):
                outs.append(Said(f"{unit.behaviour.name} is not accepted; it asks again in "
                                 f"{event.seconds:g} s"))
        return outs

    def _to_ric(self, unit: _Unit, data: bytes) -> ToRic:
        return ToRic(unit.behaviour.name, data, unit.behaviour.ppid)

    # Subscriptions.

    def _subscription(self, unit: _Unit, asked: SubscriptionRequest, now: float) -> list[Out]:
        connection = unit.connection
        assert connection is not None
        if Fault.REFUSE_SUBSCRIPTIONS in self.faults:
            return [self._to_ric(unit, connection.refuse_subscription(
                asked.request, RicRequestCause.FUNCTION_RESOURCE_LIMIT))]
        if connection.functions[asked.function].oid not in KPM_OIDS:
            return [self._to_ric(unit, connection.refuse_subscription(
                asked.request, RicRequestCause.ACTION_NOT_SUPPORTED))]
        self.ran.advance(now)
        found = reports.judge(asked, self.behaviour, self.wire, unit.behaviour, self.ran)
        if isinstance(found, Fatal):
            return [Said(f"it ends itself on a subscription: {found.why}"), self._end(found.why)]
        if not isinstance(found, reports.Admitted):
            return [self._to_ric(unit, connection.refuse_subscription(asked.request, found))]
        self.counts.subscriptions += 1
        unit.asked[asked.request] = found.asked
        for one in found.asked:
            one.before, one.due = self.ran.snapshot(), now + one.period
            self._schedule(unit, asked.request, one)
        return [self._to_ric(unit, connection.accept_subscription(asked.request, found.named))]

    def _schedule(self, unit: _Unit, request: RequestId, asked: Asked) -> None:
        def report(now: float) -> list[Out]:
            if asked not in unit.asked.get(request, ()):
                return []  # deleted meanwhile
            asked.due = max(asked.due + asked.period, now)  # after a pause, no burst
            self._schedule(unit, request, asked)
            return self._report(unit, request, asked, now)

        self._do_at(asked.due, unit, report)

    def _report(self, unit: _Unit, request: RequestId, asked: Asked, now: float) -> list[Out]:
        if self.config.test_mode and asked.definition.style == 4:
            return []
        before, after = self._window(asked, now)
        body = reports.message(asked, before, after, self.behaviour, self.wire, self.ran,
                               Fault.UNKNOWN_UE in self.faults)
        connection = unit.connection
        if body is None or connection is None:
            return []
        number = asked.number if self.wire.counts_indications else None
        asked.number = (asked.number + 1) % NUMBERS
        # Its period, whenever the figures are from: so stale ones look new, as they do with srsRAN.
        head = reports.header(self.wire, self._wall_ns(now - asked.period))
        return self._indicate(unit, connection.indicate(
            request, asked.action, head, body, number), now)

    def _window(self, asked: Asked, now: float) -> tuple[Snapshot, Snapshot]:
        """Begin and end of what a report covers; the same again until figures are renewed."""
        self.ran.advance(now)
        self._renew(now)
        if not self.behaviour.stale_seconds:
            before, after = asked.before or self._old, self.ran.snapshot()
            asked.before = after
            return before, after
        return self._old, self._new

    def _renew(self, now: float) -> None:
        """Figures of the last period, where they are renewed by a clock of their own."""
        stale = self.behaviour.stale_seconds
        if stale and now - self._renewed >= stale - 1e-9:
            self._old, self._new = self._new, self.ran.snapshot()
            # It goes on, whoever asks and when.
            self._renewed += stale * int((now - self._renewed + 1e-9) / stale)

    def _indicate(self, unit: _Unit, data: bytes, now: float) -> list[Out]:
        """Send an indication, as far as faults let it."""
        self.counts.indications += 1
        out: Out = self._to_ric(unit, data)
        outs = [out]
        share, struck = self.config.faults.share, self._chance.random
        if Fault.DROP_INDICATIONS in self.faults and struck() < share:
            self.counts.dropped += 1
            outs = []
        elif Fault.DELAY_INDICATIONS in self.faults and struck() < share:
            self._do_at(now + self.config.faults.late_seconds, unit, lambda _: [out])
            outs = []
        elif Fault.DUPLICATE_INDICATIONS in self.faults and struck() < share:
            outs = [out, out]
        if Fault.GARBAGE in self.faults:
            outs.append(self._to_ric(unit, GARBAGE))
        return outs

    # Controls.

    def _control(self, unit: _Unit, asked: ControlRequest, now: float) -> list[Out]:
        self.counts.controls += 1
        if Fault.DIE_ON_CONTROL in self.faults:
            self._shift = SHIFT - self._shift
            return [Said("it dies instead of answering a control"), self._end("it died")]
        connection = unit.connection
        assert connection is not None
        verdict: Verdict
        if Fault.CONTROL_FAILURE in self.faults:
            verdict = Failed(RicRequestCause.CONTROL_FAILED_TO_EXECUTE, "as it was told to")
        else:
            self.ran.advance(now)
            verdict = obey(asked, connection.functions[asked.function].oid, self.behaviour,
                           self.wire, unit.behaviour.actions, self.ran,
                           Fault.NO_EFFECT not in self.faults)
        if isinstance(verdict, Hung):
            unit.hung = True
            return [Said(f"{verdict.why}; it says nothing until it is restarted")]
        self._answer(unit, connection, asked, verdict, now)
        if isinstance(verdict, Failed):
            self.counts.failures += 1
            return [Said(f"a control fails: {verdict.why}")]
        return [Said(verdict.what)]

    def _answer(self, unit: _Unit, connection: NodeConnection, asked: ControlRequest,
                verdict: Done | Failed, now: float) -> None:
        if isinstance(verdict, Done) and asked.acknowledge is False:
            return
        if Fault.NO_ACK in self.faults:
            return
        after = self._chance.uniform(self.behaviour.least_ack_seconds,
                                     self.behaviour.most_ack_seconds)
        if Fault.LATE_ACK in self.faults:
            after += self.config.faults.late_ack_seconds
        data = (connection.acknowledge_control(asked, verdict.outcome)
                if isinstance(verdict, Done)
                else connection.fail_control(asked, verdict.cause, verdict.outcome))
        self._do_at(now + after, unit, lambda _: [self._to_ric(unit, data)])

    def _end(self, why: str) -> Ends:
        self.counts.ends += 1
        return Ends(why, self.config.restart_seconds)

    def _functions(self, unit: _Unit) -> tuple[RanFunction, ...]:
        cells = tuple(CccCell(self.ran.plmn, one.nci) for one in self.ran.cells)
        return functions_of(self.behaviour, unit.behaviour, cells, self._shift)
