"""A made-up base station that obeys as real ones were seen to, and a run of steering against it.

The station reads the very bytes that are sent, with the production codec, and shares its cell among
two slices that always want all of it. What goes wrong is set by the test.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from xapp.actuators.base import E2Control, Function, NodeFacts, RemoteRequest, Step
from xapp.actuators.registry import ActuatorConfig, for_node
from xapp.actuators.targets import SliceTarget, Target, UeTarget, Value
from xapp.decisions import Expectation, Metric, SetQuotas
from xapp.e2.ccc_quota import read_ccc_quotas
from xapp.e2.common import CCC_OIDS, RC_OIDS
from xapp.e2.profiles import PROFILES, Lever, Profile, Scope
from xapp.e2.quota import SliceQuota
from xapp.e2.rc import ControlHeader
from xapp.e2.rc_quota import read_slice_quota
from xapp.e2.ue_id import GnbDuUe, UeId
from xapp.events import Code, Event
from xapp.observations import Cell, CellKey, Load, Observations, Quota, Slice, Snssai, Ue, UeKey
from xapp.steering import Steering
from xapp.steering_types import Command, Remember, SendStep, SteeringConfig, Tell
from xapp.store_records import Held, Kind, Left, Record, read_held

NODE = "gnb_001_01_000019b"
CELL = CellKey(NODE, "00019b001")
LLM, REST = Snssai(1, 5), Snssai(1, 9)
FREE = Quota()
WISH = {LLM: Quota(70, 100, 0), REST: Quota(10, 30, 0)}
SHOWN = Expectation((CELL, LLM), Metric.DOWN_PRBS, 3.0, at_least=65.0)


def wish(quotas: dict[Snssai, Quota] | None = None, *, minimum: int | None = None,
         expected: tuple[Expectation, ...] | None = None, ues: tuple[UeKey, ...] = ()) -> SetQuotas:
    """A decision for the cell; `minimum` is the share of the split-LLM slice."""
    if minimum is not None:
        quotas = {LLM: Quota(minimum, 100, 0), REST: Quota(10, max(100 - minimum, 10), 0)}
        expected = (replace(SHOWN, at_least=minimum - 5.0),) if expected is None else expected
    return SetQuotas(CELL, WISH if quotas is None else quotas, "split-LLM flows need it.", "test",
                     (SHOWN,) if expected is None else expected, ues=ues)


def facts(kind: str = "ocudu", ues: Iterable[int] = (1, 2), remote: bool = True) -> NodeFacts:
    profile = PROFILES[kind]
    names: dict[UeKey, UeId] = {UeKey(NODE, f"du:{one}"): GnbDuUe(one) for one in ues}
    functions = (Function("du", RC_OIDS[0], 3, frozenset({(2, 6), (1, 2)})),
                 Function("du", CCC_OIDS[0], 4),
                 Function("cu_cp", RC_OIDS[0], 3, frozenset({(3, 1)})))
    return NodeFacts(NODE, profile, functions, names, remote=remote)


@dataclass
class Station:
    """A base station."""

    profile: Profile
    slices: dict[Snssai, Quota] = field(default_factory=lambda: {LLM: FREE, REST: FREE})
    ues: dict[int, Quota] = field(default_factory=dict)
    deaf: set[str] = field(default_factory=set)  # kinds of steps that are acknowledged, no more
    reports: bool = True

    def obey(self, step: Step) -> None:
        """Do what the bytes say, as this kind of base station does it."""
        kind = kind_of(step)
        if kind in self.deaf:
            return
        if isinstance(step, RemoteRequest):
            self._policies(json.loads(step.command)["policies"])
        elif kind == "ccc":
            for quotas in read_ccc_quotas(step.message).values():
                self._set(quotas, ("minimum", "maximum", "dedicated"))
        elif kind == "rc":
            self._rc(step)

    def _rc(self, step: E2Control) -> None:
        known = self.profile.actuator(Lever.RC_SLICE_QUOTA)
        assert known is not None
        quotas = read_slice_quota(self.profile, step.message)[:known.entries]
        if known.scope is Scope.PER_UE:
            header = self.profile.rc.header.decode(step.header)
            assert isinstance(header, ControlHeader)
            assert isinstance(header.ue, GnbDuUe)
            one = quotas[0]
            self.ues[header.ue.f1_id] = Quota(one.minimum, one.maximum, one.dedicated)
        else:
            self._set(quotas, known.obeys)

    def _set(self, quotas: Iterable[SliceQuota], obeys: tuple[str, ...]) -> None:
        for one in quotas:
            snssai = Snssai(one.slice.sst, one.slice.sd)
            if snssai in self.slices:
                self.slices[snssai] = Quota(
                    one.minimum if "minimum" in obeys else one.dedicated,
                    one.maximum if "maximum" in obeys else 100, one.dedicated)

    def _policies(self, policies: dict[str, object]) -> None:
        members = policies["rRMPolicyMemberList"]
        assert isinstance(members, list)
        snssai = Snssai(members[0]["sst"], members[0]["sd"])
        if snssai in self.slices:
            shares = [policies[name] for name in (
                "min_prb_policy_ratio", "max_prb_policy_ratio", "dedicated_ratio")]
            self.slices[snssai] = Quota(*shares)  # type: ignore[arg-type]  # they are integers

    def shares(self) -> dict[Snssai, float]:
        """What each slice uses, both wanting all of it."""
        llm, rest = self.slices[LLM], self.slices[REST]
        used = min(llm.maximum, max(llm.minimum, 100 - rest.maximum, 50), 100 - rest.minimum)
        return {LLM: float(used), REST: float(min(rest.maximum, 100 - used))}

    def restart(self) -> None:
        """It comes back as its configuration says, and its UEs with other numbers."""
        self.slices = dict.fromkeys(self.slices, FREE)
        self.ues = {}


def kind_of(step: Step) -> str:
    if isinstance(step, RemoteRequest):
        return "remote"
    return "ccc" if step.oid in CCC_OIDS else "rc"


Answers = Callable[[SendStep], str]  # ack, refuse, silence: what a step gets


class Scene:
    """Steering, a station, and a store that is a list."""

    def __init__(self, config: SteeringConfig | None = None, kind: str = "ocudu",
                 ues: Iterable[int] = (1, 2), actuators: ActuatorConfig | None = None) -> None:
        self.now = 100.0
        self.station = Station(PROFILES[kind])
        self.facts = facts(kind, ues)
        self.config = config or SteeringConfig()
        self.actuators = actuators or ActuatorConfig(remote=True)
        self.answers: Answers = lambda sent: "ack"
        self.commits = True  # the disk takes what it is given, at once
        self.records: list[Record] = []
        self.written = 0  # of them, that are on disk
        self.events: list[Event] = []
        self.sent: list[SendStep] = []
        self.tickets: list[str] = []
        self.unanswered: list[SendStep] = []
        self.reported = self.now
        self.runs = 1
        self.steering = self.new_steering(1)
        self.do(self.steering.node(self.facts, self.now))
        self.report()

    def new_steering(self, run: int) -> Steering:
        return Steering(self.config, lambda node: for_node(
            node.profile, node.functions, self.actuators), run)

    # What happens.

    def do(self, commands: list[Command]) -> None:
        """Carry out commands, and what follows from them."""
        waiting = list(commands)
        while waiting:
            command = waiting.pop(0)
            if isinstance(command, Tell):
                self.events.append(command.event)
            elif isinstance(command, Remember):
                self.records.append(command.record)
                if self.commits:
                    self.written = len(self.records)
                if command.ticket is not None:
                    self.tickets.append(command.ticket)
                    if self.commits:
                        waiting += self.steering.committed(command.ticket, self.now)
            else:
                waiting += self.send(command)

    def send(self, sent: SendStep) -> list[Command]:
        self.sent.append(sent)
        answer = self.answers(sent)
        if answer == "ack":
            self.station.obey(sent.step)
            return self.steering.acknowledged(sent.call, self.now)
        if answer == "refuse":
            return self.steering.failed(sent.call, "semantic error", self.now)
        if answer == "obey silently":
            self.station.obey(sent.step)
        self.unanswered.append(sent)
        return []

    def decide(self, decision: SetQuotas | None = None) -> None:
        self.do(self.steering.decide(decision or wish(), self.now))

    def report(self) -> None:
        """The station reports now."""
        if self.station.reports:
            self.reported = self.now
        self.do(self.steering.observe(self.observations(), self.now))

    def observations(self) -> Observations:
        shares, at = self.station.shares(), self.reported
        slices = {snssai: Slice(snssai, None, 0.0, Load(at, down_prbs=shares[snssai],
                                                        down_kbps=shares[snssai] * 100))
                  for snssai in self.station.slices}
        ues = {key: Ue(key, CELL, LLM if number == 0 else REST, Load(at, down_kbps=100.0))
               for number, key in enumerate(self.facts.ues)}
        return Observations(self.now, {CELL: Cell(CELL, 106, Load(at, down_prbs=100.0), slices)},
                            ues)

    def wait(self, seconds: float, step: float = 0.5) -> None:
        """Time passes, with reports."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + step)
            self.report()
            self.do(self.steering.tick(self.now))

    def lose_node(self) -> None:
        self.do(self.steering.node_lost(NODE, self.now))

    def return_node(self, ues: Iterable[int] = (1, 2)) -> None:
        self.facts = replace(self.facts, ues=facts(ues=ues).ues)
        self.do(self.steering.node(self.facts, self.now))

    def restart(self) -> None:
        """The xApp is killed and begins anew with what is on disk; all else is gone."""
        del self.records[self.written:]
        self.runs += 1
        self.unanswered.clear()
        self.steering = self.new_steering(self.runs)
        self.do(self.steering.start(self.kept(), self.now))

    # What is seen.

    def kept(self) -> Left:
        """What a store would read from the records."""
        held: dict[str, Held] = {}
        actions: dict[str, None] = {}
        decisions: dict[str, None] = {}
        killed = False
        for record in self.records:
            if record.kind is Kind.TARGET:
                held[record.subject] = read_held(record.body)
            elif record.kind is Kind.FORGOTTEN:
                held.pop(record.subject, None)
            elif record.kind in (Kind.ACTION, Kind.DECISION):
                (actions if record.kind is Kind.ACTION else decisions)[record.subject] = None
            elif record.kind in (Kind.ACTION_ENDED, Kind.DECISION_ENDED):
                ended = actions if record.kind is Kind.ACTION_ENDED else decisions
                ended.pop(record.subject, None)  # it ends again where doubt ends
            elif record.kind is Kind.MODE:
                killed = bool(record.body["killed"])
        return Left(tuple(held.values()), tuple(actions), tuple(decisions), killed)

    def codes(self) -> list[Code]:
        return [event.code for event in self.events]

    def of(self, kind: Kind) -> list[Record]:
        return [record for record in self.records if record.kind is kind]

    def outcomes(self) -> list[str]:
        """How actions ended, in order."""
        return [str(record.body["outcome"]) for record in self.of(Kind.ACTION_ENDED)]

    def ends(self) -> list[str]:
        """How decisions ended, in order."""
        return [str(record.body["state"]) for record in self.of(Kind.DECISION_ENDED)]

    def believed(self) -> dict[Target, Value]:
        return {held.target: held.confirmed for held in self.steering.held()}

    def real(self, target: Target) -> Value:
        """What is in force on the station."""
        if isinstance(target, SliceTarget):
            return self.station.slices[target.snssai]
        assert isinstance(target, UeTarget)
        return self.station.ues.get(int(target.ue.ue.removeprefix("du:")), FREE)
