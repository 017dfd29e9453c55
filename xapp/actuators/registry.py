"""Which actuators a node has, in the order in which they are tried.

The wider scope goes first, as only a slice's guarantee holds for UEs that come later; then what was
seen to work, what was read in source, what acknowledges anything. An operator may order otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from xapp.actuators.base import Actuator, Function, NodeFacts, function_of
from xapp.actuators.ccc import CccQuota
from xapp.actuators.flow_promotion import FlowPromotion, PromotionConfig
from xapp.actuators.handover import RcHandover
from xapp.actuators.qos_flow import FlowConfig, QosFlow
from xapp.actuators.rc_quota import RcQuota
from xapp.actuators.srsran_ws import SrsranWebsocket
from xapp.decisions import Scope
from xapp.e2.common import CCC_OIDS, RC_OIDS
from xapp.e2.profiles import Lever, Profile, Trust
from xapp.e2.rc_actions import FLOW_ACTION, FLOW_STYLE, HANDOVER_ACTION, HANDOVER_STYLE
from xapp.e2.rc_quota import ACTION, STYLE
from xapp.errors import ConfigurationError

_ACTIONS = {  # RC's style and action, which a node has to announce
    Lever.RC_SLICE_QUOTA: (STYLE, ACTION), Lever.RC_HANDOVER: (HANDOVER_STYLE, HANDOVER_ACTION),
    Lever.RC_FLOW_MAPPING: (FLOW_STYLE, FLOW_ACTION)}
_SCOPES = (Scope.PER_SLICE, Scope.PER_FLOW, Scope.PER_UE)
_TRUST = (Trust.SEEN, Trust.READ, Trust.NONE)


@dataclass(frozen=True)
class ActuatorConfig:
    """What an operator says about actuators."""

    order: tuple[str, ...] = ()  # names, first tried first; empty: by scope and trust
    off: tuple[str, ...] = ()  # names that are never used
    flow: FlowConfig | None = None  # for RC 1/2
    promotion: PromotionConfig | None = None  # of single flows, by the core
    remote: bool = False  # srsRAN's remote control has an address

    def __post_init__(self) -> None:
        names = {lever.value for lever in Lever}
        strange = [name for name in (*self.order, *self.off) if name not in names]
        if strange:
            raise ConfigurationError(f"There is no actuator {', '.join(strange)}.",
                                     f"There are {', '.join(sorted(names))}.")


def for_node(profile: Profile, functions: Sequence[Function],
             config: ActuatorConfig | None = None) -> tuple[Actuator, ...]:
    """The actuators of a node of that kind, which announced these functions."""
    config = config or ActuatorConfig()
    every: dict[Lever, Actuator] = {
        Lever.RC_SLICE_QUOTA: RcQuota(profile), Lever.CCC_SLICE_QUOTA: CccQuota(profile),
        Lever.WEBSOCKET_SLICE_QUOTA: SrsranWebsocket(profile),
        Lever.RC_FLOW_MAPPING: QosFlow(profile, config.flow),
        Lever.RC_HANDOVER: RcHandover(profile),
        Lever.CORE_FLOW_PROMOTION: FlowPromotion(config.promotion)}
    usable = [(lever, actuator) for lever, actuator in every.items()
              if actuator.name not in config.off and _there(lever, profile, functions, config)]

    def rank(item: tuple[Lever, Actuator]) -> tuple[int, int, int]:
        lever, actuator = item
        known = profile.actuator(lever)
        named = (config.order.index(actuator.name) if actuator.name in config.order
                 else len(config.order))
        return (named, _SCOPES.index(actuator.scope),
                _TRUST.index(known.trust) if known else len(_TRUST))

    return tuple(actuator for _, actuator in sorted(usable, key=rank))


class OfNodes:
    """The actuators of each node, worked out anew only where it announced another thing."""

    def __init__(self, config: ActuatorConfig) -> None:
        self._config = config
        self._known: dict[str, tuple[NodeFacts, tuple[Actuator, ...]]] = {}

    def of(self, facts: NodeFacts) -> tuple[Actuator, ...]:
        known = self._known.get(facts.name)
        if known is not None and known[0].profile is facts.profile and (
                known[0].functions is facts.functions and known[0].remote == facts.remote):
            return known[1]
        found = for_node(facts.profile, facts.functions, replace(self._config, remote=facts.remote))
        self._known[facts.name] = facts, found
        return found


def _there(lever: Lever, profile: Profile, functions: Sequence[Function],
           config: ActuatorConfig) -> bool:
    if lever is Lever.CORE_FLOW_PROMOTION:  # whatever the base station is
        return config.promotion is not None
    known = profile.actuator(lever)
    if known is None or not known.usable:
        return False
    if lever is Lever.WEBSOCKET_SLICE_QUOTA:
        return config.remote
    if lever is Lever.RC_FLOW_MAPPING and config.flow is None:
        return False
    oids = CCC_OIDS if lever is Lever.CCC_SLICE_QUOTA else RC_OIDS
    return function_of(functions, oids, known.unit, _ACTIONS.get(lever)) is not None
