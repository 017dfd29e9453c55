"""Quotas through E2SM-RC style 2 action 6: of slices, or of UEs where the RAN takes them so.

On srsRAN a request limits the UE that it names, whatever slice is in it, and only the first entry
of its list counts: so one request for each UE. What is dedicated is ignored there. On OAI only the
dedicated share has an effect: so what is to be guaranteed is dedicated. All that is data of the
profile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
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
from xapp.actuators.targets import Settings, SliceTarget, Target, UeTarget, Value
from xapp.decisions import Decision, Scope, SetQuotas
from xapp.e2.common import RC_OIDS
from xapp.e2.profiles import Lever, Profile
from xapp.e2.rc_quota import ACTION, STYLE, slice_quota_control
from xapp.e2.ue_id import UeId
from xapp.errors import PolicyError, ProtocolError
from xapp.observations import Observations, Quota, Snssai, UeKey

LEVER = Lever.RC_SLICE_QUOTA
ANY_SLICE = Snssai(1)  # in a request that acts on a UE, whose slice is not known


@dataclass(frozen=True, slots=True)
class RcQuota:
    """RC 2/6 on one kind of base station."""

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
            why = f"{node.name} announced no control of slice quotas."
        return why

    def plan(self, decision: Decision, node: NodeFacts,
             observations: Observations) -> Steps | Refusal:
        why = self.can(node, decision)
        if why is not None or not isinstance(decision, SetQuotas):
            return Refusal(why or "")
        if self.scope is Scope.PER_UE:
            return self._plan_ues(decision, node, observations)
        settings = wished(decision.cell, decision.quotas, node)
        made = self.put(node, settings)
        return made if isinstance(made, Refusal) else replace(
            made, shortfalls=self._shortfalls(decision.quotas))

    def reaches(self, target: Target) -> bool:
        return isinstance(target, UeTarget if self.scope is Scope.PER_UE else SliceTarget)

    def put(self, node: NodeFacts, settings: Settings) -> Steps | Refusal:
        function = self._function(node)
        if function is None:
            return Refusal(f"{node.name} announced no control of slice quotas.")
        if len(settings) > MOST_STEPS:
            return Refusal(f"{len(settings)} quotas are more than {MOST_STEPS} at once.")
        try:
            make = self._put_ues if self.scope is Scope.PER_UE else self._put_slices
            return make(node, function, lowered_first(settings, node.in_force))
        except (PolicyError, ProtocolError) as error:
            return Refusal(str(error))

    def _function(self, node: NodeFacts) -> Function | None:
        known = self.profile.actuator(LEVER)
        return None if known is None else node.function(RC_OIDS, known.unit, (STYLE, ACTION))

    # Of slices.

    def _put_slices(self, node: NodeFacts, function: Function,
                    settings: list[tuple[Target, Value]]) -> Steps:
        known = self.profile.actuator(LEVER)
        quotas = [(target, self._sent(quota)) for target, quota in settings
                  if isinstance(target, SliceTarget) and isinstance(quota, Quota)]
        at_once = (known and known.entries) or len(quotas) or 1
        steps = []
        for start in range(0, len(quotas), at_once):
            piece = quotas[start:start + at_once]
            control = slice_quota_control(self.profile, slice_quotas(
                [(target.snssai, quota) for target, quota in piece], node.plmn), _any_ue(node))
            steps.append(_step(node, function, control.header, control.message, tuple(
                (target, self._effective(quota)) for target, quota in piece)))
        return Steps(tuple(steps))

    def _obeys(self) -> tuple[str, ...]:
        known = self.profile.actuator(LEVER)
        return () if known is None else known.obeys

    def _sent(self, quota: Quota) -> Quota:
        """What to ask for, so that the guarantee holds where minimums are not obeyed."""
        guaranteed = quota.dedicated if "minimum" in self._obeys() else quota.minimum
        return Quota(quota.minimum, quota.maximum, guaranteed)

    def _effective(self, quota: Quota) -> Quota:
        """What such a request comes to."""
        obeys = self._obeys()
        return Quota(quota.minimum if "minimum" in obeys else quota.dedicated,
                     quota.maximum if "maximum" in obeys else 100,
                     quota.dedicated if "dedicated" in obeys else 0)

    def _shortfalls(self, quotas: Mapping[Snssai, Quota]) -> tuple[str, ...]:
        return tuple(
            f"Slice {snssai}: wished for {quota}, of which {self.profile.title} "
            f"does {self._effective(self._sent(quota))}."
            for snssai, quota in quotas.items() if self._effective(self._sent(quota)) != quota)

    # Of UEs.

    def _plan_ues(self, decision: SetQuotas, node: NodeFacts,
                  observations: Observations) -> Steps | Refusal:
        wish = _for_ues(decision, node, observations)
        if not wish and not any(quota != Quota() for quota in decision.quotas.values()):
            return Refusal("No UE is limited, and none is to be.")
        if not wish:
            return Refusal("None of the UEs it is for is known by the name that a control needs.")
        settings = {target: value for target, value in node.touched.items()
                    if isinstance(target, UeTarget) and target.cell == decision.cell
                    and target.ue in node.ues} | wish
        made = self.put(node, settings)
        count, mixed = len(wish), _in_several(decision, observations)
        reserved = any(isinstance(quota, Quota) and quota.dedicated for quota in wish.values())
        shortfalls = (
            f"It limits {count} UE{'s' if count > 1 else ''}, not slices; "
            "UEs that come later are as they were.",
            *(("What is dedicated is guaranteed and not reserved.",) if reserved
              and "dedicated" not in self._obeys() else ()),
            *(f"{key} has sessions in several slices: its guarantee is for all of them, and it is "
              "not capped, as that would hold back what is helped." for key in mixed))
        return made if isinstance(made, Refusal) else replace(made, shortfalls=shortfalls)

    def _put_ues(self, node: NodeFacts, function: Function,
                 settings: list[tuple[Target, Value]]) -> Steps:
        steps = []
        for target, quota in settings:
            if isinstance(target, UeTarget) and isinstance(quota, Quota):
                control = slice_quota_control(
                    self.profile, slice_quotas([(ANY_SLICE, quota)], node.plmn),
                    node.ues.get(target.ue))
                steps.append(_step(node, function, control.header, control.message,
                                   ((target, self._effective(quota)),)))
        return Steps(tuple(steps))


def _for_ues(decision: SetQuotas, node: NodeFacts,
             observations: Observations) -> dict[Target, Value]:
    """Shares for the UEs that it is for, and for those of slices that it limits.

    A slice's share is divided by its UEs here, as none of them may take what is for all. A UE with
    sessions in several slices counts for the one whose flows it is for, and has no maximum.
    """
    members = {key: ue.slice for key, ue in observations.ues.items()
               if ue.cell == decision.cell and ue.slice is not None}
    mixed = _in_several(decision, observations)
    sizes = Counter([*members.values(), *mixed.values()])
    shares: dict[Target, Value] = {}
    for key, snssai in members.items():
        quota = decision.quotas.get(snssai)
        wanted = key in decision.ues or (quota is not None and quota.maximum < 100)
        if quota is not None and wanted and _named(node, key):
            shares[UeTarget(key, decision.cell)] = _share(quota, sizes[snssai])
    for key, snssai in mixed.items():
        quota = decision.quotas.get(snssai)
        if quota is not None and _named(node, key):
            shares[UeTarget(key, decision.cell)] = _share(
                replace(quota, maximum=100), sizes[snssai])
    return shares


def _in_several(decision: SetQuotas, observations: Observations) -> dict[UeKey, Snssai]:
    """UEs that it is for whose own slice is not one, with that of their flows."""
    found: dict[UeKey, Snssai] = {}
    for name in decision.flows:
        flow = observations.flows.get(name)
        ue = None if flow is None or flow.ue is None else observations.ues.get(flow.ue)
        if (flow is not None and flow.slice is not None and ue is not None and ue.slice is None
                and ue.cell == decision.cell and ue.key in decision.ues):
            found.setdefault(ue.key, flow.slice)
    return found


def _any_ue(node: NodeFacts) -> UeId | None:
    """A UE for the header, where this kind wants one there and acts on slices all the same."""
    needed = node.profile.control_ue
    return None if needed is None else next(
        (ue for ue in node.ues.values() if isinstance(ue, needed)), None)


def _named(node: NodeFacts, key: UeKey) -> bool:
    needed = node.profile.control_ue
    return needed is None or isinstance(node.ues.get(key), needed)


def _share(quota: Quota, count: int) -> Quota:
    maximum = quota.maximum if quota.maximum == 100 else max(1, quota.maximum // count)
    minimum = min(quota.minimum // count, maximum)
    return Quota(minimum, maximum, min(quota.dedicated // count, minimum))


def _step(node: NodeFacts, function: Function, header: bytes, message: bytes,
          sets: tuple[tuple[Target, Value], ...]) -> E2Control:
    return E2Control(node.name, function.unit, function.oid, function.id, header, message, sets)
