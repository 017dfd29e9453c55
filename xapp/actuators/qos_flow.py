"""Better treatment of single QoS flows through E2SM-RC style 1 action 2: onto another DRB.

It sets no quota: of a wish for quotas it moves the QoS flow that carries split-LLM traffic, of the
UEs that the wish is for, to the DRB that the operator has configured for it. The label's 5-tuple
and the QoS flow are joined by configuration, as nothing in E2 links them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from xapp.actuators.base import (
    MOST_STEPS,
    E2Control,
    Function,
    NodeFacts,
    Refusal,
    Steps,
    scope_of,
    unusable,
    verified_of,
)
from xapp.actuators.targets import FlowTarget, Settings, Target, Value
from xapp.decisions import Decision, Scope, SetQuotas
from xapp.e2.common import RC_OIDS
from xapp.e2.profiles import Lever, Profile
from xapp.e2.rc_actions import FLOW_ACTION, FLOW_STYLE, FlowMapping, flow_control
from xapp.errors import ConfigurationError, PolicyError, ProtocolError
from xapp.observations import Observations

LEVER = Lever.RC_FLOW_MAPPING


@dataclass(frozen=True)
class FlowConfig:
    """Which QoS flow is moved, and where to."""

    qfi: int  # of the flow that carries split-LLM traffic, 0 to 63
    drb: int  # that it is moved to, 1 to 32
    usual_drb: int = 1  # that it is on otherwise

    def __post_init__(self) -> None:
        if not (0 <= self.qfi <= 63 and 1 <= self.drb <= 32 and 1 <= self.usual_drb <= 32):
            raise ConfigurationError(f"QoS flow {self.qfi}, DRB {self.drb} and {self.usual_drb} "
                                     "cannot be.", "Flows are 0 to 63, DRBs 1 to 32.")


@dataclass(frozen=True, slots=True)
class QosFlow:
    """RC 1/2 on one kind of base station."""

    profile: Profile
    config: FlowConfig | None = None

    @property
    def name(self) -> str:
        return LEVER.value

    @property
    def scope(self) -> Scope:
        known = self.profile.actuator(LEVER)
        return Scope.PER_FLOW if known is None else scope_of(known)

    @property
    def verified(self) -> str:
        return verified_of(self.profile, LEVER)

    def can(self, node: NodeFacts, decision: Decision) -> str | None:
        if not isinstance(decision, SetQuotas):
            return "It moves flows and hands nobody over."
        if self.config is None:
            return "Which QoS flow goes to which DRB is not configured."
        why = unusable(self.profile, LEVER)
        if why is None and self._function(node) is None:
            why = f"{node.name} announced no control of QoS flows."
        return why

    def plan(self, decision: Decision, node: NodeFacts,
             observations: Observations) -> Steps | Refusal:
        why = self.can(node, decision)
        if why is not None or self.config is None or not isinstance(decision, SetQuotas):
            return Refusal(why or "")
        settings: dict[Target, Value] = {
            target: value for target, value in node.touched.items()
            if isinstance(target, FlowTarget) and target.cell == decision.cell
            and target.ue in node.ues}
        settings |= {FlowTarget(ue, self.config.qfi, decision.cell): self.config.drb
                     for ue in decision.ues if ue in node.ues}
        if not settings:
            return Refusal("None of the UEs it is for is known by the name that a control needs.")
        made = self.put(node, settings)
        return made if isinstance(made, Refusal) else replace(made, shortfalls=(
            "It moves flows to a DRB of their own, and sets no quota.",))

    def reaches(self, target: Target) -> bool:
        return isinstance(target, FlowTarget)

    def put(self, node: NodeFacts, settings: Settings) -> Steps | Refusal:
        function = self._function(node)
        if function is None:
            return Refusal(f"{node.name} announced no control of QoS flows.")
        if len(settings) > MOST_STEPS:
            return Refusal(f"{len(settings)} flows are more than {MOST_STEPS} at once.")
        steps = []
        try:
            for target, drb in settings.items():
                if isinstance(target, FlowTarget) and isinstance(drb, int):
                    steps.append(self._step(node, function, target, drb))
        except (PolicyError, ProtocolError) as error:
            return Refusal(str(error))
        return Steps(tuple(steps))

    def _step(self, node: NodeFacts, function: Function, target: FlowTarget,
              drb: int) -> E2Control:
        if target.ue not in node.ues:
            raise PolicyError(f"{target.ue} is not known by the name that a control needs.")
        both_ways = (FlowMapping(target.qfi, uplink=True), FlowMapping(target.qfi, uplink=False))
        control = flow_control(self.profile, node.ues[target.ue], drb, both_ways)
        return E2Control(node.name, function.unit, function.oid, function.id, control.header,
                         control.message, ((target, drb),))

    def _function(self, node: NodeFacts) -> Function | None:
        known = self.profile.actuator(LEVER)
        action = FLOW_STYLE, FLOW_ACTION
        return None if known is None else node.function(RC_OIDS, known.unit, action)
