"""Handover through E2SM-RC style 3 action 1, between cells of one CU.

A CU-CP wants the UE by its AMF's number, GUAMI and an F1AP id; a UE that is known by another name
cannot be handed over.
"""

from __future__ import annotations

from dataclasses import dataclass

from xapp.actuators.base import (
    E2Control,
    Function,
    NodeFacts,
    Refusal,
    Steps,
    scope_of,
    unusable,
    verified_of,
)
from xapp.actuators.targets import PlaceTarget, Settings, Target
from xapp.decisions import Decision, HandOver, Scope
from xapp.e2.common import RC_OIDS, NrCgi, plmn_octets
from xapp.e2.profiles import Lever, Profile
from xapp.e2.rc_actions import HANDOVER_ACTION, HANDOVER_STYLE, handover_control
from xapp.e2.ue_id import GnbUe
from xapp.errors import PolicyError, ProtocolError
from xapp.observations import CellKey, Observations

LEVER = Lever.RC_HANDOVER


@dataclass(frozen=True, slots=True)
class RcHandover:
    """RC 3/1 on one kind of base station."""

    profile: Profile

    @property
    def name(self) -> str:
        return LEVER.value

    @property
    def scope(self) -> Scope:
        known = self.profile.actuator(LEVER)
        return Scope.PER_UE if known is None else scope_of(known)

    @property
    def verified(self) -> str:
        return verified_of(self.profile, LEVER)

    def can(self, node: NodeFacts, decision: Decision) -> str | None:
        if not isinstance(decision, HandOver):
            return "It hands UEs over and sets no quota."
        why = unusable(self.profile, LEVER)
        if why is None and self._function(node) is None:
            why = f"{node.name} announced no control of handovers."
        if why is None and decision.target.node != decision.ue.node:
            why = f"{decision.target} is not of {decision.ue.node}: only within one CU."
        if why is None and not decision.target.cell:
            why = "The target cell has no name."
        return why

    def plan(self, decision: Decision, node: NodeFacts,
             observations: Observations) -> Steps | Refusal:
        why = self.can(node, decision)
        if why is not None or not isinstance(decision, HandOver):
            return Refusal(why or "")
        return self.put(node, {PlaceTarget(decision.ue, decision.source): decision.target})

    def reaches(self, target: Target) -> bool:
        return isinstance(target, PlaceTarget)

    def put(self, node: NodeFacts, settings: Settings) -> Steps | Refusal:
        function = self._function(node)
        if function is None:
            return Refusal(f"{node.name} announced no control of handovers.")
        steps = []
        try:
            for target, cell in settings.items():
                if isinstance(target, PlaceTarget) and isinstance(cell, CellKey):
                    steps.append(self._step(node, function, target, cell))
        except (PolicyError, ProtocolError, ValueError) as error:
            return Refusal(str(error))
        return Steps(tuple(steps))

    def _step(self, node: NodeFacts, function: Function, target: PlaceTarget,
              cell: CellKey) -> E2Control:
        ue = node.core_names.get(target.ue) or node.ues.get(target.ue)
        if not isinstance(ue, GnbUe):
            raise PolicyError(f"{target.ue} is not known by its AMF's number.",
                              "Give `amf_id` and `guami` in the UE map.")
        control = handover_control(
            self.profile, ue, NrCgi(plmn_octets(node.plmn), int(cell.cell, 16)))
        return E2Control(node.name, function.unit, function.oid, function.id, control.header,
                         control.message, ((target, cell),))

    def _function(self, node: NodeFacts) -> Function | None:
        known = self.profile.actuator(LEVER)
        action = HANDOVER_STYLE, HANDOVER_ACTION
        return None if known is None else node.function(RC_OIDS, known.unit, action)
