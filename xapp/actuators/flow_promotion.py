"""Single flows into another slice, by asking the core: one flow, by its 5-tuple, at a time.

A core's policy function is asked over Npcf_PolicyAuthorization. That a flow leaves its session's
slice by that is the emulated cell's own: on a real network it gets a QoS flow of its own, within
its slice. It sets no quota, and plans alone: see `xapp.promoter` for who asks.
"""

from __future__ import annotations

from dataclasses import dataclass

from xapp.actuators.base import MOST_STEPS, NodeFacts, Refusal, RemoteRequest, Steps
from xapp.actuators.targets import RuleTarget, Settings, Target, Value
from xapp.decisions import Decision, MapFlows, Scope
from xapp.e2.profiles import Lever
from xapp.errors import ConfigurationError
from xapp.flow_ends import FlowEnds
from xapp.observations import Observations, Snssai

LEVER = Lever.CORE_FLOW_PROMOTION


@dataclass(frozen=True)
class PromotionConfig:
    """Whom to ask, and where flows go."""

    pcf: str  # address of the policy function, such as http://127.0.0.1:8004
    slice: Snssai  # that flows are put into
    dnn: str = "internet"  # of sessions of which the UE map names none
    least_bytes: int = 200  # a second, of a flow's address: who pauses shows no effect
    ask_seconds: float = 2.0  # for an answer

    def __post_init__(self) -> None:
        if not self.pcf.startswith(("http://", "https://")):
            raise ConfigurationError(f"{self.pcf[:80]!r} is no address of a policy function.",
                                     "Write `actuators.promotion.pcf` such as "
                                     "http://127.0.0.1:8004.")
        if self.ask_seconds <= 0 or self.least_bytes < 0:
            raise ConfigurationError("`actuators.promotion` has a time or rate that cannot be.",
                                     "Leave it out for the default.")


@dataclass(frozen=True, slots=True)
class FlowRequest(RemoteRequest):
    """One flow: into a slice, or back into its session's."""

    flow: FlowEnds
    home: Snssai
    into: Snssai

    @property
    def back(self) -> bool:
        return self.into == self.home


@dataclass(frozen=True, slots=True)
class FlowPromotion:
    """The core's policy function."""

    config: PromotionConfig | None = None

    @property
    def name(self) -> str:
        return LEVER.value

    @property
    def scope(self) -> Scope:
        return Scope.PER_FLOW

    @property
    def verified(self) -> str:
        return ("The emulated cell: a flow leaves its session's slice, as on no real network. "
                "Open5GS gives it a QoS flow within its slice, which was not tried from here.")

    def can(self, node: NodeFacts, decision: Decision) -> str | None:
        if not isinstance(decision, MapFlows):
            return "It moves single flows and sets no quota."
        if self.config is None:
            return "Which policy function to ask is not configured."
        return None

    def plan(self, decision: Decision, node: NodeFacts,
             observations: Observations) -> Steps | Refusal:
        why = self.can(node, decision)
        if why is not None or not isinstance(decision, MapFlows):
            return Refusal(why or "")
        settings: dict[Target, Value] = {
            RuleTarget(one.ue, one.flow, one.home, decision.cell): one.home
            for one in decision.back}
        settings |= {RuleTarget(one.ue, one.flow, one.home, decision.cell): decision.into
                     for one in decision.flows}
        return self.put(node, settings)

    def reaches(self, target: Target) -> bool:
        return isinstance(target, RuleTarget)

    def put(self, node: NodeFacts, settings: Settings) -> Steps | Refusal:
        if self.config is None:
            return Refusal("Which policy function to ask is not configured.")
        if len(settings) > MOST_STEPS:
            return Refusal(f"{len(settings)} flows are more than {MOST_STEPS} at once.")
        return Steps(tuple(
            FlowRequest(node.name, f"{target.flow} into {slice_}", ((target, slice_),),
                        target.flow, target.home, slice_)
            for target, slice_ in settings.items()
            if isinstance(target, RuleTarget) and isinstance(slice_, Snssai)))
