"""Quotas of slices through E2SM-CCC: on OCUDU; never on srsRAN, whose DU hangs on valid values.

OCUDU refuses a slice without dedicated share, so that one of 1 % is made. One request has all the
slices of a cell.
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
    lowered_first,
    scope_of,
    slice_quotas,
    unusable,
    verified_of,
    wished,
)
from xapp.actuators.targets import Settings, SliceTarget, Target
from xapp.decisions import Decision, Scope, SetQuotas
from xapp.e2.ccc import CccCell
from xapp.e2.ccc_quota import ccc_quota_control
from xapp.e2.common import CCC_OIDS
from xapp.e2.profiles import Lever, Profile
from xapp.errors import PolicyError, ProtocolError
from xapp.observations import CellKey, Observations, Quota

LEVER = Lever.CCC_SLICE_QUOTA


@dataclass(frozen=True, slots=True)
class CccQuota:
    """CCC's O-RRMPolicyRatio on one kind of base station."""

    profile: Profile

    @property
    def name(self) -> str:
        return LEVER.value

    @property
    def scope(self) -> Scope:
        known = self.profile.actuator(LEVER)
        return Scope.PER_SLICE if known is None else scope_of(known)

    @property
    def verified(self) -> str:
        return verified_of(self.profile, LEVER)

    def can(self, node: NodeFacts, decision: Decision) -> str | None:
        if not isinstance(decision, SetQuotas):
            return "It sets quotas and hands nobody over."
        why = unusable(self.profile, LEVER)
        if why is None and self._function(node) is None:
            why = f"{node.name} announced no E2SM-CCC."
        if why is None and not decision.cell.cell:
            why = f"{node.name} never named its cell, and CCC needs the name."
        return why

    def plan(self, decision: Decision, node: NodeFacts,
             observations: Observations) -> Steps | Refusal:
        why = self.can(node, decision)
        if why is not None or not isinstance(decision, SetQuotas):
            return Refusal(why or "")
        made = self.put(node, wished(decision.cell, decision.quotas, node))
        if isinstance(made, Refusal):
            return made
        raised = [str(target.snssai) for target, quota in made.sets.items()
                  if isinstance(target, SliceTarget)
                  and quota != decision.quotas.get(target.snssai, quota)]
        return made if not raised else replace(made, shortfalls=(
            f"Slice {', '.join(raised)} gets {self._least()} % dedicated, the least that this base "
            "station takes.",))

    def reaches(self, target: Target) -> bool:
        return isinstance(target, SliceTarget)

    def put(self, node: NodeFacts, settings: Settings) -> Steps | Refusal:
        function = self._function(node)
        why = unusable(self.profile, LEVER)
        if function is None or why is not None:
            return Refusal(why or f"{node.name} announced no E2SM-CCC.")
        cells: dict[CellKey, list[tuple[SliceTarget, Quota]]] = {}
        for target, quota in lowered_first(settings, node.in_force):
            if isinstance(target, SliceTarget) and isinstance(quota, Quota):
                cells.setdefault(target.cell, []).append((target, self._raised(quota)))
        if len(cells) > MOST_STEPS:
            return Refusal(f"{len(cells)} cells are more than {MOST_STEPS} at once.")
        try:
            return Steps(tuple(self._step(node, function, cell, quotas)
                               for cell, quotas in cells.items()))
        except (PolicyError, ProtocolError, ValueError) as error:
            return Refusal(str(error))

    def _step(self, node: NodeFacts, function: Function, cell: CellKey,
              quotas: list[tuple[SliceTarget, Quota]]) -> E2Control:
        before = [(target.snssai, old) for target, _ in quotas
                  if isinstance(old := node.in_force.get(target), Quota)]
        control = ccc_quota_control(
            self.profile, CccCell(node.plmn, int(cell.cell, 16)),
            slice_quotas([(target.snssai, quota) for target, quota in quotas], node.plmn),
            slice_quotas(before, node.plmn))
        return E2Control(node.name, function.unit, function.oid, function.id, control.header,
                         control.message, tuple(quotas))

    def _function(self, node: NodeFacts) -> Function | None:
        known = self.profile.actuator(LEVER)
        return None if known is None else node.function(CCC_OIDS, known.unit)

    def _least(self) -> int:
        known = self.profile.actuator(LEVER)
        return 0 if known is None else known.least_dedicated

    def _raised(self, quota: Quota) -> Quota:
        least = self._least()
        return Quota(max(quota.minimum, least), max(quota.maximum, least),
                     max(quota.dedicated, least))
