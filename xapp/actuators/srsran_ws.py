"""Quotas of slices through the remote control of srsRAN and OCUDU, a WebSocket beside E2.

It acknowledges quotas of slices that it does not have, and a minimum above the maximum, without
doing anything. So everything is checked before it is sent: known slices, sums, and that each quota
can be meant. One command sets one slice, in all cells of the gNB.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from xapp.actuators.base import (
    MOST_STEPS,
    NodeFacts,
    Refusal,
    RemoteRequest,
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
from xapp.e2.profiles import Lever, Profile
from xapp.e2.quota import NO_SD, SliceQuota, check
from xapp.errors import PolicyError, ProtocolError
from xapp.observations import Observations, Quota

LEVER = Lever.WEBSOCKET_SLICE_QUOTA
COMMAND = "rrm_policy_ratio_set"


@dataclass(frozen=True, slots=True)
class SrsranWebsocket:
    """`rrm_policy_ratio_set` on one kind of base station."""

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
        if why is None and not node.remote:
            why = f"The remote control of {node.name} is not connected."
        return why

    def plan(self, decision: Decision, node: NodeFacts,
             observations: Observations) -> Steps | Refusal:
        why = self.can(node, decision)
        if why is not None or not isinstance(decision, SetQuotas):
            return Refusal(why or "")
        cell = observations.cells.get(decision.cell)
        if sum(key.node == node.name for key in observations.cells) > 1:
            return Refusal(f"{node.name} has several cells, and a command sets a slice in all.")
        unknown = [str(one) for one in decision.quotas
                   if cell is None or one not in cell.slices]
        if unknown:
            return Refusal(f"{node.name} has no slice {', '.join(unknown)} that was ever reported, "
                           "and would acknowledge its quota all the same.")
        return self.put(node, wished(decision.cell, decision.quotas, node))

    def reaches(self, target: Target) -> bool:
        return isinstance(target, SliceTarget)

    def put(self, node: NodeFacts, settings: Settings) -> Steps | Refusal:
        if not node.remote:
            return Refusal(f"The remote control of {node.name} is not connected.")
        quotas = [(target, quota) for target, quota in lowered_first(settings, node.in_force)
                  if isinstance(target, SliceTarget) and isinstance(quota, Quota)]
        if len(quotas) > MOST_STEPS:
            return Refusal(f"{len(quotas)} quotas are more than {MOST_STEPS} at once.")
        if len({target.cell for target, _ in quotas}) > 1:
            return Refusal("A command sets a slice in all cells, not in one of several.")
        wires = slice_quotas([(target.snssai, quota) for target, quota in quotas], node.plmn)
        try:
            if wires:
                check(wires)
        except (PolicyError, ProtocolError) as error:
            return Refusal(str(error))
        return Steps(tuple(
            RemoteRequest(node.name, command(quota), (one,))
            for one, quota in zip(quotas, wires, strict=True)))


def command(quota: SliceQuota) -> str:
    """The command for one slice."""
    sd = NO_SD if quota.slice.sd is None else quota.slice.sd
    return json.dumps({"cmd": COMMAND, "policies": {
        "resourceType": "PRB",
        "rRMPolicyMemberList": [{"plmn": quota.plmn, "sst": quota.slice.sst, "sd": sd}],
        "min_prb_policy_ratio": quota.minimum, "max_prb_policy_ratio": quota.maximum,
        "dedicated_ratio": quota.dedicated}}, separators=(",", ":"))
