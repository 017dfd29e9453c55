"""The store's rows as the operator's views: decisions with their steps and effects, events, audit.

Rows carry wall time; views are on the xApp's monotonic clock, so `Clock` translates. Rows were
written by this program, or an older one: what is not understood of one is left out, never made up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from xapp.actuators.targets import SliceTarget, read_target, read_value
from xapp.decisions import (
    Decision,
    Expectation,
    HandOver,
    MapFlows,
    Metric,
    MovedFlow,
    SetQuotas,
)
from xapp.errors import ConfigurationError, StoreError
from xapp.events import Code, Event, Level
from xapp.flow_ends import FlowEnds
from xapp.observations import CellKey, Quota, Snssai, UeKey
from xapp.operations import (
    AuditEntry,
    Clock,
    DecisionState,
    DecisionView,
    Effect,
    EventView,
    Step,
)

Row = Mapping[str, Any]
_WORDS = {"sent": "sent", "undo": "undo", "effect": "effect", "action": "planned"}


def at_of(clock: Clock, wall: float) -> float:
    return wall - clock.wall + clock.monotonic


def cell_of(text: str) -> CellKey:
    node, _, cell = text.rpartition("/")
    return CellKey(node, cell)


def ue_of(text: str) -> UeKey:
    node, _, ue = text.rpartition("/")
    return UeKey(node, ue)


def quota_of(body: Row) -> Quota:
    value = read_value(body)
    if not isinstance(value, Quota):
        raise StoreError(f"{body} is no quota.", "The store is of another version.")
    return value


def subject_of(text: str) -> tuple[CellKey, Snssai] | UeKey | CellKey:
    """What an expectation is of, from its text."""
    head, _, last = text.rpartition("/")
    if ":" in last:
        return UeKey(head, last)
    if "/" in head:
        with suppress(ConfigurationError):
            return cell_of(head), Snssai.parse(last)
    return CellKey(head, last)


def expectation_of(body: Row) -> Expectation:
    return Expectation(subject_of(str(body["subject"])), Metric(body["metric"]),
                       float(body["within"]), body.get("at_least"), body.get("at_most"),
                       under=body.get("under"), needed=bool(body.get("needed", True)),
                       instead=tuple(expectation_of(one) for one in body.get("instead", ())),
                       beside=body.get("beside"), reports=int(body.get("reports", 1)),
                       silence=bool(body.get("silence", False)))


def decision_of(body: Row) -> Decision:
    """The inverse of `store_records.decision_document`."""
    expected = tuple(expectation_of(one) for one in body.get("expected", ()))
    if body["do"] == "hand_over":
        return HandOver(ue_of(body["ue"]), cell_of(body["source"]), cell_of(body["target"]),
                        body["reason"], body["policy"], expected)
    if body["do"] == "map_flows":
        return MapFlows(cell_of(body["cell"]), Snssai.parse(body["into"]),
                        _moved(body.get("moved", ())), _moved(body.get("back", ())),
                        body["reason"], body["policy"], expected)
    return SetQuotas(
        cell_of(body["cell"]),
        {Snssai.parse(name): quota_of(one) for name, one in body["quotas"].items()},
        body["reason"], body["policy"], expected, tuple(body.get("flows", ())),
        tuple(ue_of(one) for one in body.get("ues", ())))


def _moved(rows: Iterable[Row]) -> tuple[MovedFlow, ...]:
    return tuple(MovedFlow(FlowEnds.parse(one["flow"]), ue_of(one["ue"]),
                           Snssai.parse(one["home"])) for one in rows)


def decision_view(row: Row, steps: Iterable[Row], actions: Iterable[Row],
                  clock: Clock) -> DecisionView:
    """A decision, and all that became of it."""
    steps, actions = list(steps), list(actions)
    state = DecisionState(row["state"])
    shown = [_step(one, clock) for one in steps]
    if row["ended"] is not None:
        shown.append(Step(at_of(clock, row["ended"]), state.value.replace("_", " "),
                          detail=row["detail"]))
    return DecisionView(
        int(row["number"]), at_of(clock, row["time"]), decision_of(row["body"]), state,
        _before(actions), tuple(shown), _effects(steps), actions[-1]["actuator"] if actions else "")


def _before(actions: Iterable[Row]) -> dict[Snssai, Quota]:
    """What slices had before the first action touched them."""
    before: dict[Snssai, Quota] = {}
    for action in actions:
        for one in action["body"].get("before", ()):
            target, value = read_target(one["target"]), read_value(one["value"])
            if isinstance(target, SliceTarget) and isinstance(value, Quota):
                before.setdefault(target.snssai, value)
    return before


def _step(row: Row, clock: Clock) -> Step:
    body, kind = row["body"], str(row["kind"])
    what = _WORDS.get(kind, kind.replace("_", " "))
    if kind == "answer":
        what = str(body.get("answer", "answered"))
    elif kind == "effect":
        what = f"effect {str(body.get('verdict', '')).replace('_', ' ')}".strip()
    elif kind == "action_ended":
        what = str(body.get("outcome", "ended")).replace("_", " ")
    if body.get("undo") is True:
        what = f"undo {what}"
    if body.get("late"):
        what = f"late {what}"
    return Step(at_of(clock, row["time"]), what, row["actuator"],
                str(body.get("detail") or body.get("why") or ""))


def _effects(steps: Iterable[Row]) -> tuple[Effect, ...]:
    """As last judged before anything was undone."""
    found: tuple[Effect, ...] = ()
    for row in steps:
        if row["kind"] != "effect":
            continue
        judged = [one for one in row["body"].get("effects", ()) if not one.get("negated")]
        if judged:
            found = tuple(Effect(expectation_of(one), one.get("before"), one.get("seen"),
                                 one.get("met")) for one in judged)
    return found


def event_view(row: Row, clock: Clock) -> EventView:
    return EventView(int(row["number"]), at_of(clock, row["time"]), Event(
        Level(row["level"]), Code(row["code"]), row["sentence"], row["subject"]))


def audit_entry(row: Row) -> AuditEntry:
    body = row["body"]
    effect = body.get("verdict") or body.get("outcome") or body.get("answer") or ""
    return AuditEntry(int(row["number"]), float(row["time"]), row["who"],
                      f"{row['kind']} {row['subject']}".strip(), row["why"], str(effect), body)
