"""The xApp without sockets, disk and clock: what comes in, what is made of it, what goes out.

    core = Core(config, nodes, outward, left, run)
    core.node_events(events, now)        # likewise labels, commits, answers, an operator's wishes
    core.tick(now)                       # no later than core.next_deadline()

Every report is observed, judged against what was expected, and may lead to a decision, all in one
go: the time from an indication to a control is the time that this takes. What goes out goes through
`Outward`. It reads no clock and waits for nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from classifier.messages import Labelled, Message
from xapp.a1 import A1
from xapp.a1_types import Document
from xapp.actuators.base import E2Control, RemoteRequest
from xapp.actuators.registry import OfNodes
from xapp.base_stations import Answered, BaseStations, Gone, Heard, Ready, Reported
from xapp.core_config import CoreConfig, Outward
from xapp.decisions import Decision, HandOver, cell_of
from xapp.doubting import Weighing, doubts
from xapp.e2.common import CCC_OIDS
from xapp.e2.nodes import NodeEvent, Nodes
from xapp.errors import XappError
from xapp.events import Code, Event, error, info, warning
from xapp.flows import FlowTable
from xapp.kpi_flows import KpiFlows
from xapp.limits import Limits
from xapp.looking import Looking
from xapp.matching import Matching
from xapp.movable import movable
from xapp.observations import CellKey, Observations, Quota, Snssai, UeKey
from xapp.observing import Observer
from xapp.policy import STRATEGIES, decide, standing
from xapp.promoting import placed, promoted
from xapp.sampling import samples
from xapp.slice_policy import SlicePolicy, check_all
from xapp.steering import Steering
from xapp.steering_types import AtStart, Command, Remember, SendStep, Tell
from xapp.store import Committed, Down, Dropped, NotCommitted, Report
from xapp.store_records import Kind, Left, Record, Sample, event_record
from xapp.tally import Tally
from xapp.taps import Taps
from xapp.ue_map import CoreNames, Origin, UeEntry, UeMap
from xapp.wishes import Wishes

MOST_EVENTS = 1000  # of the last ones, for the console while the disk is away


class Core:
    """All of it, joined."""

    def __init__(self, config: CoreConfig, nodes: Nodes, outward: Outward, run: int = 0,
                 kpi_flows: KpiFlows | None = None) -> None:
        check_all(config.policies, config.limits, STRATEGIES)
        self.config, self._outward = config, outward
        self.observer = Observer(config.observing)
        self._weighing = Weighing(self.observer.histories)
        self.stations = BaseStations(nodes, self.observer, config.ran, self._tell)
        self.steering = Steering(config.steering, OfNodes(config.actuators).of, run)
        self.flows, self.ue_map = FlowTable(config.flows), UeMap(config.ue_map)
        self.a1 = A1(config.limits, STRATEGIES)
        self.observations = Observations(0.0)
        self.events: deque[tuple[float, Event]] = deque(maxlen=MOST_EVENTS)
        self.tally = Tally()
        self.store_why: str | None = None  # why nothing can be kept
        self.reasons: Mapping[str, str] = {}  # why policies are not in effect; empty: they are
        self._kpi, self._limits = kpi_flows, config.limits
        self._taps = Taps(self.flows, Matching() if config.correlate else None,
                          config.limits.silent, config.tapped)
        self._handles: dict[int, tuple[int, str, float]] = {}  # E2 handle: call, actuator, sent
        self._wishes = Wishes(config.repeat_every, config.limits.smallest_step)
        self._sampled = self._stood = float("-inf")
        self.looking = Looking(config.evaluate_every)
        self._adopted: float | None = None  # when what the last run left was taken over
        self._sent: list[Remember] = []  # that something was, which is sent right after this
        self._cause: float | None = None  # when what led to what is on disk now came in

    # What happens.

    def start(self, left: Left, policies: Iterable[tuple[int, str, Document, str, float]],
              now: float) -> None:
        """What the last run left, and the A1 policies that were in force."""
        for type_id, instance, body, who, wall in policies:
            try:
                self.a1.put(type_id, instance, body, who, wall)
            except XappError as problem:
                self._tell(warning(Code.POLICY, f"The A1 policy {instance} of the last run is "
                                   f"left out: {problem}"), now)
        adopts = self.config.steering.at_start is AtStart.ADOPT and not left.killed
        if self.config.tapped and adopts and any(not held.resting for held in left.held):
            self._adopted = now
        self._do(self.steering.start(left, now), now)

    def node_events(self, events: Sequence[NodeEvent], now: float,
                    arrived: float | None = None) -> None:
        """What base stations sent, or how they fare; `arrived`: when its bytes came in."""
        self.looking.arrived = arrived
        self._heard(self.stations.take(events, now), now)
        self.looking.arrived = None
        self._flush()

    def label(self, message: Message, source: str, now: float) -> None:
        """A tap spoke."""
        for event in self._taps.heard(message, source, now):
            self._tell(event, now)
        if isinstance(message, Labelled):
            self._look_soon(now)

    def mapped(self, origin: Origin, entries: Iterable[UeEntry], now: float) -> None:
        """A source of the UE map told all that it knows."""
        self.ue_map.put(origin, entries, now)

    def stored(self, report: Report, now: float) -> None:
        """The store did what it was asked, or cannot."""
        if isinstance(report, Committed):
            self._cause = self.looking.cause(report.ticket)
            self._do(self.steering.committed(report.ticket, now), now)
            self._cause = None
        elif isinstance(report, NotCommitted):
            self.looking.cause(report.ticket)
            self._do(self.steering.not_committed(report.ticket, report.why, now), now)
        elif isinstance(report, Down):
            self.store_why = report.why
            self._do(self.steering.store_down(report.why, now), now)
        elif isinstance(report, Dropped):
            self._tell(error(Code.STORE_DROPPED, f"{report.count} records were not kept: "
                             f"{report.what}."), now)
        else:
            self.store_why = None
            self._do(self.steering.store_up(now), now)

    def remote(self, node: str, connected: bool, now: float, why: str = "") -> None:
        """A base station's remote control came or went."""
        self._tell(info(Code.REMOTE_UP, f"The remote control of {node} is connected.", node)
                   if connected else warning(Code.REMOTE_DOWN, f"The remote control of {node} is "
                                             f"not connected: {why}.", node), now)
        self._heard(self.stations.remote(node, connected), now)

    def remote_answered(self, call: int, actuator: str, acknowledged: bool, why: str,
                        now: float, answered: bool = True) -> None:
        self._answered(call, actuator, acknowledged, why, answered, now)

    def tick(self, now: float) -> None:
        """Time has passed."""
        if self.looking.due is not None and now >= self.looking.due:
            self.evaluate(now)
        self._do(self.steering.tick(now), now)
        if now - self._stood >= 1.0:
            self._stood = now
            self._each_second(now)

    def next_deadline(self) -> float:
        """When `tick` has something to do, if nothing happens before."""
        due = self._stood + 1.0, self.looking.due, self.steering.next_deadline()
        return min(one for one in due if one is not None)

    @property
    def idle(self) -> bool:
        """Nothing is to be looked at, and nothing to be sent as soon as it is on disk."""
        return self.looking.due is None and not self.looking.waiting

    def evaluate(self, now: float) -> None:
        """Look at everything that is known, and act on it."""
        self.looking.begin(now, len(self.observations.ues))
        for cell in self.observations.cells:
            for snssai, (quota, since) in self.steering.quotas(cell).items():
                self.observer.quota_is(cell, snssai, quota, since)
        flows = self.flows.flows(self.ue_map, now)
        if self._kpi is not None:
            flows |= self._kpi.flows()
        flows = placed(flows, self.steering.held(), self.config.actuators.promotion)
        # Taps that have not spoken since the start are silent ones: nothing they said is over.
        heard = self._adopted if self.flows.heard is None else self.flows.heard
        self.observations = self.observer.observe(flows, self.ue_map, heard, now,
                                                  self._taps.sessions)
        if self._taps.matching is not None:
            self._taps.matching.reported(self.observations)
        # Where an action ends with this look, the quotas above are those from before it.
        moving = {cell for cell in self.observations.cells if self.steering.busy(cell)}
        self._do(self.steering.observe(self.observations, now), now)
        if not (self.steering.killed or self.steering.stopping):
            self._decide(moving, now)
        self.looking.end()

    # What an operator does.

    @property
    def policies(self) -> tuple[SlicePolicy, ...]:
        return (*self.config.policies, *self.a1.policies())

    def put_policy(self, type_id: int, instance: str, body: Document, who: str, now: float,
                   wall: float) -> None:
        kept = self.a1.put(type_id, instance, body, who, wall)
        self._outward.put(Record(Kind.POLICY, f"{type_id}/{instance}", who, "put", {
            "type_id": type_id, "instance": instance, "policy": dict(kept.body)}))
        self._tell(info(Code.POLICY, f"{who} put the A1 policy {instance}.", instance), now)
        self._look_soon(now)

    def delete_policy(self, type_id: int, instance: str, who: str, now: float) -> None:
        self.a1.delete(type_id, instance)
        self._outward.put(Record(Kind.POLICY_REMOVED, f"{type_id}/{instance}", who, "removed", {
            "type_id": type_id, "instance": instance}))
        self._tell(info(Code.POLICY, f"{who} removed the A1 policy {instance}.", instance), now)
        self._look_soon(now)

    def set_dry_run(self, on: bool, who: str, now: float) -> None:
        self._wishes.forget()
        self._do(self.steering.set_dry_run(on, who, now), now)

    def kill(self, who: str, why: str, now: float) -> None:
        self._do(self.steering.kill(who, why, now), now)

    def release(self, who: str, now: float) -> None:
        self._wishes.forget()
        self._do(self.steering.release(who, now), now)

    def stop(self, now: float) -> None:
        """Begin to end; over when `steering.quiet`."""
        self._do(self.steering.stop(now), now)

    # Deciding.

    def _decide(self, moving: Collection[CellKey], now: float) -> None:
        limits = self._bounds()
        moved, settled = self._promoted(limits)
        for decision in (*moved, *decide(settled, self.policies, limits, now)):
            cell = cell_of(decision)
            if (cell not in moving and not self.steering.busy(cell)
                    and self._wishes.is_new(decision, now, self.steering.dry_run)):
                if isinstance(decision, HandOver):
                    self.observer.moves(decision.ue, self.ue_map.addresses_of(decision.ue), now)
                self._do(self.steering.decide(decision, now), now)

    def _promoted(self, limits: Limits) -> tuple[Sequence[Decision], Observations]:
        """Flows that are to move or come back, and all but those that have yet to."""
        return promoted(self.observations, self.policies, limits, self.config.actuators.promotion,
                        self.steering.held(), self._taps.sessions.carried)

    def _bounds(self) -> Limits:
        """The limits, with what slices had when they were found."""
        base: dict[tuple[CellKey, Snssai], Quota] = {
            (cell, snssai): quota for cell in self.observations.cells
            for snssai, quota in self.config.steering.found.items()}
        base |= self.steering.base()
        if base != self._limits.base:
            self._limits = replace(self._limits, base=base)
        return self._limits

    # What follows from what was heard.

    def _heard(self, heard: Iterable[Heard], now: float) -> None:
        for one in heard:
            if isinstance(one, Reported):
                self._look_soon(now)
            elif isinstance(one, Answered):
                if (known := self._handles.pop(one.handle, None)) is not None:
                    call, actuator, sent = known
                    self.tally.acknowledgement(now - sent)
                    self._answered(call, actuator, one.acknowledged, one.why, one.answered, now)
            elif isinstance(one, Ready):
                facts = replace(one.facts, core_names=CoreNames(self.ue_map))
                self._do(self.steering.node(facts, now), now)
                self._look_soon(now)
            elif isinstance(one, Gone):
                self._do(self.steering.node_lost(one.name, now), now)
                self._look_soon(now)

    def _answered(self, call: int, actuator: str, acknowledged: bool, why: str, answered: bool,
                  now: float) -> None:
        word = "acknowledged" if acknowledged else "refused" if answered else "silent"
        self.tally.controls[actuator, word] += 1
        if acknowledged:
            self._do(self.steering.acknowledged(call, now), now)
        elif answered:
            self._do(self.steering.failed(call, why, now), now)
        else:
            self._do(self.steering.unanswered(call, why, now), now)

    def _look_soon(self, now: float) -> None:
        """At once, unless too much was looked at lately; what comes meanwhile is seen together."""
        if self.looking.came(now, len(self.observations.ues)):
            self.evaluate(now)

    def _do(self, commands: Iterable[Command], now: float) -> None:
        for command in commands:
            if isinstance(command, SendStep):
                self._send(command, now)
                self._keep_sent(now)
            elif isinstance(command, Tell):
                self._note(command.event, now)
            elif command.record.kind is Kind.SENT:
                self._sent.append(command)  # behind the sending, which waits for no other thread
            else:
                self._remember(command, now)

    def _keep_sent(self, now: float) -> None:
        while self._sent:
            self._remember(self._sent.pop(0), now)

    def _send(self, command: SendStep, now: float) -> None:
        if isinstance(command.step, RemoteRequest):
            self._outward.ask_remote(command.call, command.step)
            return
        try:
            handle = self.stations.control(command.step, now)
        except XappError as problem:
            self._keep_sent(now)
            self._do(self.steering.failed(command.call, str(problem), now), now)
            return
        self._handles[handle] = command.call, _name(command.step), now
        self._flush()
        if self._cause is not None:
            self.tally.control_sent(self._cause)

    def _remember(self, command: Remember, now: float) -> None:
        self.tally.kept(command.record, now)
        if command.ticket is not None:
            self.looking.wait(command.ticket)
        if not self._outward.put(command.record, command.ticket) and command.ticket is not None:
            self.looking.cause(command.ticket)
            self._do(self.steering.not_committed(command.ticket, "too much waits for the disk",
                                                 now), now)

    def _flush(self) -> None:
        waiting, self.stations.outbox = self.stations.outbox, []
        if waiting:
            self._outward.transmit(waiting)

    # Telling.

    def _tell(self, event: Event, now: float | None = None) -> None:
        """An event of the core's own; steering remembers its own."""
        self._note(event, self.observations.now if now is None else now)
        self._outward.put(event_record(event))

    def tell(self, event: Event, now: float) -> None:
        """An event of whoever drives this."""
        self._tell(event, now)

    def _note(self, event: Event, now: float) -> None:
        self.events.append((now, event))
        self.tally.events[event.level.value] += 1
        self._outward.say(event)

    # Once a second.

    def _each_second(self, now: float) -> None:
        for origin in self.ue_map.expire(now):
            self._tell(warning(Code.MAP_FAILED, f"The UE map of {origin.value} is too old; what "
                               "it said is forgotten."), now)
        for event in self._taps.watch(now):
            self._tell(event, now)
        if (matching := self._taps.matching) is not None:
            self.mapped(Origin.CORRELATION, matching.each_second(self.observations, now), now)
        if self._kpi is not None:
            self._kpi.take(self.observations.ues.values(), self._covered(now), now)
        self.evaluate(now)
        reasons = self._standing(now)
        if self.steering.killed or self.steering.dry_run:
            why = "the kill switch is pulled" if self.steering.killed else "this is a dry run"
            reasons = dict.fromkeys(reasons, why)
        self.reasons = reasons
        for one in self.a1.told(reasons):
            state = "in effect" if one.in_effect else f"not in effect: {one.reason}"
            self._tell(info(Code.POLICY, f"The A1 policy {one.name} is {state}.", one.name), now)
        if now - self._sampled >= self.config.sample_every:
            self._sampled = now
            for kind, subject, figures in samples(self.observations):
                self._outward.put(Sample(kind, subject, figures))

    def _standing(self, now: float) -> dict[str, str]:
        """Why policies are not in effect, after a look at what nothing has proven yet."""
        limits = self._bounds()
        known = self._promoted(limits)[1], self.policies, limits, now
        for cell, evidence in self._weighing.weighed(
                self.steering.doubted(), self.steering.doubted_since(), *known).items():
            self._do(self.steering.weigh(cell, evidence, now), now)
        reasons = standing(*known, movable(self.observations, self.stations,
                                           self.config.actuators))
        unsure = doubts(self.steering.doubted(), self.steering.unsettled(), *known)
        for name, why in unsure.items():
            reasons[name] = reasons.get(name) or why
        return reasons

    def _covered(self, now: float) -> set[UeKey]:
        """UEs that a tap sees: whose address is known, while a tap speaks."""
        return {key for key, ue in self.observations.ues.items()
                if ue.address is not None} if self._taps.speak(now) else set()


def _name(step: E2Control) -> str:
    return "ccc" if step.oid in CCC_OIDS else "rc"
