"""What the xApp remembers: one record for each thing that happened, as the audit log keeps it.

A record is a kind, what it is about, who did it and why, and a JSON object. It does not know how
it is kept (`xapp.store`) nor how it is shown.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from xapp import decisions
from xapp.actuators.targets import (
    RuleTarget,
    Settings,
    Target,
    Value,
    read_target,
    read_value,
    target_document,
    value_document,
)
from xapp.decisions import Decision, Expectation, HandOver, MapFlows, MovedFlow
from xapp.effect_watch import Effect, text_of
from xapp.events import Event

Document = Mapping[str, Any]


class Kind(enum.StrEnum):
    """What happened; the first word of a line of the audit log."""

    RUN_STARTED = "run_started"
    RUN_ENDED = "run_ended"
    MODE = "mode"  # dry run, kill switch
    DECISION = "decision"
    DECISION_ENDED = "decision_ended"
    ACTION = "action"  # an actuator is about to be used: what it will set, and what it was
    SENT = "sent"
    ANSWER = "answer"
    EFFECT = "effect"
    UNDO = "undo"
    ACTION_ENDED = "action_ended"
    TARGET = "target"  # what is in force on a slice, a UE, a flow
    FORGOTTEN = "forgotten"  # a target that is no more
    POLICY = "policy"
    POLICY_REMOVED = "policy_removed"
    EVENT = "event"


@dataclass(frozen=True, slots=True)
class Record:
    """One thing that happened."""

    kind: Kind
    subject: str  # the id or text form of what it is about
    who: str = "xapp"  # a policy, an actuator, an operator
    why: str = ""  # a sentence
    body: Document = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sample:
    """Figures of a subject at one moment, for the history; no part of the audit log."""

    kind: str  # cell, slice, ue, flow
    subject: str
    figures: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Held:
    """What is in force on a target, as far as is known; the book's and the store's word for it."""

    target: Target
    found: Value  # before the xApp touched it
    confirmed: Value  # in force, when last shown to be
    goal: Value  # what is to be in force
    actuator: str  # that set it last
    certain: bool  # the goal is in force, as far as reports can tell; see `proven`
    resting: bool = False  # it is as it was found
    assumed: bool = False  # nobody knows what was found: a default is taken for it
    since: float = 0.0  # monotonic seconds of this run, when `confirmed` was
    proven: bool = True  # reports could tell; else it was acknowledged, and nothing spoke against

    @property
    def doubted(self) -> bool:
        """It was acknowledged, it guards somebody, and no report could tell."""
        return (self.certain and not self.proven and not self.resting
                and not isinstance(self.target, RuleTarget))  # it guards nobody

    def record(self, who: str = "xapp", why: str = "") -> Record:
        return Record(Kind.TARGET, str(self.target), who, why, {
            "target": target_document(self.target), "found": value_document(self.found),
            "confirmed": value_document(self.confirmed), "goal": value_document(self.goal),
            "actuator": self.actuator, "certain": self.certain, "resting": self.resting,
            "assumed": self.assumed, "proven": self.proven})


def read_held(body: Document) -> Held:
    """The inverse of `Held.record`; what it was is not certain in another run."""
    return Held(read_target(body["target"]), read_value(body["found"]),
                read_value(body["confirmed"]), read_value(body["goal"]), body["actuator"],
                bool(body["certain"]), bool(body["resting"]), bool(body["assumed"]),
                proven=bool(body.get("proven", True)))


@dataclass(frozen=True, slots=True)
class Left:
    """What the last run left."""

    held: tuple[Held, ...] = ()
    actions: tuple[str, ...] = ()  # that never ended
    decisions: tuple[str, ...] = ()  # likewise
    killed: bool = False  # the kill switch is pulled
    clean: bool = True  # the last run ended as it should, or there was none


def uncertain(held: Held) -> Held:
    return replace(held, certain=False)


def settings_document(settings: Settings) -> list[dict[str, Any]]:
    return [{"target": target_document(target), "name": str(target),
             "value": value_document(value)} for target, value in settings.items()]


def decision_document(decision: Decision) -> dict[str, Any]:
    """For JSON."""
    document: dict[str, Any] = {
        "reason": decision.reason, "policy": decision.policy,
        "expected": [expectation_document(one) for one in decision.expected]}
    if isinstance(decision, HandOver):
        return document | {"do": "hand_over", "ue": str(decision.ue),
                           "source": str(decision.source), "target": str(decision.target)}
    if isinstance(decision, MapFlows):
        return document | {"do": "map_flows", "cell": str(decision.cell),
                           "into": str(decision.into), "moved": moved_document(decision.flows),
                           "back": moved_document(decision.back)}
    return document | {
        "do": "set_quotas", "cell": str(decision.cell),
        "quotas": {str(snssai): value_document(quota)
                   for snssai, quota in decision.quotas.items()},
        "flows": list(decision.flows), "ues": [str(one) for one in decision.ues]}


def moved_document(flows: tuple[MovedFlow, ...]) -> list[dict[str, str]]:
    return [{"flow": str(one.flow), "ue": str(one.ue), "home": str(one.home)} for one in flows]


def expectation_document(one: Expectation) -> dict[str, Any]:
    document: dict[str, Any] = {
        "subject": text_of(one.subject), "metric": one.metric.value, "within": one.within,
        "at_least": one.at_least, "at_most": one.at_most}
    if one.under is not None:
        document["under"] = one.under
    if not one.needed:
        document["needed"] = False
    if one.beside is not None:
        document["beside"] = one.beside
    if one.reports > 1:
        document["reports"] = one.reports
    if one.silence:
        document["silence"] = True
    if one.instead:
        document["instead"] = [expectation_document(other) for other in one.instead]
    return document


def effect_document(one: Effect) -> dict[str, Any]:
    return expectation_document(one.expected) | {
        "before": one.before, "seen": one.seen, "met": one.met, "negated": one.negated,
        "new": one.new, "idle": one.idle}


def cell_of(decision: Decision) -> str:
    return str(decisions.cell_of(decision))


def event_record(event: Event) -> Record:
    return Record(Kind.EVENT, event.subject, why=event.sentence, body=event.document())
