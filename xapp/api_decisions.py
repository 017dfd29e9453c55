"""Decisions as the REST API shows them: what was changed, why, what was expected, what was seen.

Made of the records that `operations` describes; it knows no routes.
"""

from __future__ import annotations

from pydantic import BaseModel, Field

from xapp.api_views import QuotaModel
from xapp.decisions import Expectation, MapFlows, SetQuotas
from xapp.observations import CellKey, UeKey
from xapp.operations import Clock, DecisionView, Effect


class ChangeModel(BaseModel):
    """A slice's quota before and after."""

    snssai: str
    before: QuotaModel | None = Field(description="null: not known")
    after: QuotaModel


class StepModel(BaseModel):
    at: float
    what: str
    actuator: str
    detail: str


class EffectModel(BaseModel):
    """What was expected, and what was seen."""

    subject: str = Field(description="the cell, slice or UE, as in its own list")
    metric: str
    at_least: float | None
    at_most: float | None
    beside: float | None = Field(default=None, description=(
        "of a wait: times the longest one of the others that it may be at most; null: as it may"))
    needed: bool = Field(default=True, description=(
        "false: it would prove an effect, and that it is missing proves nothing"))
    within: float = Field(description="seconds after the node was told")
    before: float | None
    seen: float | None = Field(description="last report since; null: none came")
    met: bool | None = Field(description="null: not decided yet")


class DecisionModel(BaseModel):
    """A decision, and all that became of it."""

    number: int
    at: float
    kind: str = Field(description="set_quotas, hand_over or map_flows")
    cell: str = Field(description="that it acts on; of a handover, the source")
    target: str | None = Field(description="cell that a UE is handed to")
    changes: list[ChangeModel]
    ues: list[str]
    flows: list[str] = Field(description="keys of flows it is for; of map_flows, 5-tuples")
    reason: str
    policy: str
    state: str = Field(description="planned, sent, acknowledged, confirmed, unproven, "
                                   "rolled_back, failed, recorded (in a dry run) or superseded")
    actuator: str
    steps: list[StepModel]
    effects: list[EffectModel]

    @classmethod
    def of(cls, view: DecisionView, clock: Clock) -> DecisionModel:
        decision, target = view.decision, None
        changes: list[ChangeModel] = []
        if isinstance(decision, SetQuotas):
            kind, cell, ues, flows = "set_quotas", decision.cell, decision.ues, decision.flows
            changes = [ChangeModel(
                snssai=str(snssai), after=QuotaModel.of(after),
                before=QuotaModel.of(view.before[snssai]) if snssai in view.before else None)
                for snssai, after in decision.quotas.items()]
        elif isinstance(decision, MapFlows):
            kind, cell, target = "map_flows", decision.cell, None
            moved = (*decision.flows, *decision.back)
            ues = tuple(dict.fromkeys(one.ue for one in moved))
            flows = tuple(str(one.flow) for one in moved)
        else:
            kind, cell, ues, flows = "hand_over", decision.source, (decision.ue,), ()
            target = str(decision.target)
        return cls(
            number=view.number, at=clock.wall_time(view.at), kind=kind, cell=str(cell),
            target=target, changes=changes, ues=[str(ue) for ue in ues], flows=list(flows),
            reason=decision.reason, policy=decision.policy, state=view.state.value,
            actuator=view.actuator, effects=[_effect(one) for one in view.effects],
            steps=[StepModel(at=clock.wall_time(step.at), what=step.what, actuator=step.actuator,
                             detail=step.detail) for step in view.steps])


def subject_of(expected: Expectation) -> str:
    """Of what something is expected, in the text form of its own list."""
    subject = expected.subject
    if isinstance(subject, CellKey | UeKey):
        return str(subject)
    cell, snssai = subject
    return f"{cell}/{snssai}"


def _effect(effect: Effect) -> EffectModel:
    expected = effect.expected
    return EffectModel(subject=subject_of(expected), metric=expected.metric.value,
                       at_least=expected.at_least, at_most=expected.at_most,
                       beside=expected.beside, needed=expected.needed,
                       within=expected.within, before=effect.before, seen=effect.seen,
                       met=effect.met)
