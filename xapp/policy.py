"""From what is observed to what is to be done: `decide`, pure, with nothing remembered.

    decisions = decide(observations, [SlicePolicy("chat", inter_token_ms=80)], Limits(), now)

A strategy says what slices should have; what it gets is bounded here, whatever it says: floors are
kept, minimums fit, steps are small, changes are few, and nothing is decided on stale facts. A
learned strategy is one more entry of `STRATEGIES`.

The ladder for a slice whose packets wait: guarantee it a minimum; then, where they wait by far too
long all the same, cap the others; then move a UE to a cell that has room. It does not know how a
node is told, nor whether it obeyed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from xapp.decisions import Decision, SetQuotas
from xapp.demand import Demand, budget_ms, estimate, fresh, longest_wait
from xapp.effects import expectations, why
from xapp.handing_over import Short, hand_over
from xapp.limits import FREE, Limits
from xapp.observations import Cell, CellKey, Observations, Quota, Snssai, Ue, UeKey
from xapp.placing import Group, View, place
from xapp.policy_proportional import Proportional
from xapp.policy_static import Static
from xapp.sharing import (
    Floors,
    Want,
    differs,
    floors,
    in_force,
    is_capped,
    is_over,
    quotas,
    resting,
    shared,
    stepped,
)
from xapp.slice_policy import SlicePolicy


class Strategy(Protocol):
    """What slices should have; asked once for each cell, it reads no clock and keeps nothing."""

    @property
    def name(self) -> str: ...

    def wants(self, view: View, limits: Limits) -> Mapping[Snssai, Want]: ...


STRATEGIES: dict[str, Strategy] = {one.name: one for one in (Proportional(), Static())}

NOBODY_MOVES = "no base station that can hand over is there"


@dataclass(frozen=True, slots=True)
class _Plan:
    """What one cell should have."""

    cell: Cell
    groups: tuple[Group, ...]
    demands: tuple[Demand, ...]  # of each group
    kept: Floors
    wants: Mapping[Snssai, Want]
    due: Floors  # what the wanting slices can be guaranteed
    quotas: Mapping[Snssai, Quota]
    changes: bool


def decide(
    observations: Observations, policies: Sequence[SlicePolicy], limits: Limits, now: float
) -> list[Decision]:
    """What to do now; nothing is the usual answer."""
    if tap_is_silent(observations, limits, now):
        return []
    plans = _plans(observations, policies, limits, now)
    decisions: list[Decision] = []
    for key in sorted(observations.cells, key=str):
        cell, plan = observations.cells[key], plans.get(key)
        if not _reported(cell, limits, now) or not _rested(cell, limits, now):
            continue
        decision = (_back(cell, policies, limits) if plan is None
                    else _steer(plan, observations.ues, limits, now))
        if decision is not None:
            decisions.append(decision)
    decisions.extend(_moves(observations, plans, policies, limits, now))
    return decisions


def standing(
    observations: Observations, policies: Sequence[SlicePolicy], limits: Limits, now: float,
    movable: Collection[CellKey] = (),
) -> dict[str, str]:
    """For each policy why it is not in effect; empty where it is.

    `movable`: cells whose UEs can be handed over.
    """
    if tap_is_silent(observations, limits, now):
        return {policy.name: "no tap has spoken lately" for policy in policies}
    plans = _plans(observations, policies, limits, now)
    reasons = {policy.name: "no flow that it is for was seen lately" for policy in policies}
    for policy in policies:
        if not policy.labels:
            reasons[policy.name] = _amends(policy, observations, movable)
        if any(policy.reach.covers(key) and floors(cell, policies, limits) is None
               for key, cell in observations.cells.items()):
            reasons[policy.name] = "all policies' floors together are more than may be guaranteed"
    for key, groups in place(observations, policies, limits, now).items():
        if key not in plans and observations.cells[key].roomy_since is not None:
            for group in groups.values():
                reasons[group.policy.name] = f"{key} has room, so nothing has to be guaranteed"
    for plan in plans.values():
        for group in plan.groups:
            reasons[group.policy.name] = _lacks(plan, group, limits, now)
    return reasons


def tap_is_silent(observations: Observations, limits: Limits, now: float) -> bool:
    """Whether a tap that spoke does so no more, and not yet for so long that it is given up."""
    heard = observations.tap_heard
    return heard is not None and limits.silent < now - heard <= limits.abandon


def _plans(
    observations: Observations, policies: Sequence[SlicePolicy], limits: Limits, now: float
) -> dict[CellKey, _Plan]:
    plans = {}
    for key, groups in place(observations, policies, limits, now).items():
        cell = observations.cells[key]
        kept = floors(cell, policies, limits)
        if kept is None or not _reported(cell, limits, now):
            continue
        plan = _plan(View(cell, tuple(groups.values()), observations, now), kept, limits)
        if plan is not None:
            plans[key] = plan
    return plans


def _plan(view: View, kept: Floors, limits: Limits) -> _Plan | None:
    cell = view.cell
    wants: dict[Snssai, Want] = {}
    for name in sorted({group.policy.strategy for group in view.groups}):
        part = View(cell, tuple(group for group in view.groups if group.policy.strategy == name),
                    view.observations, view.now)
        for snssai, want in STRATEGIES[name].wants(part, limits).items():
            if snssai in cell.slices and (
                    snssai not in wants or want.priority > wants[snssai].priority):
                wants[snssai] = want
    if not wants or not (any(group.believed for group in view.groups)
                         or _raised(cell, wants, limits)):
        return None
    demands = tuple(estimate(cell, cell.slices.get(group.snssai), group.believed, group.policy,
                             limits, view.now) for group in view.groups)
    due = shared(wants, kept, cell, limits)
    minimums = stepped(wants, due, kept, cell, limits)
    capped = is_capped(cell, wants, limits) or _not_enough(view, demands, due, limits)
    wanted = quotas(wants, minimums, kept, cell, capped, limits)
    return _Plan(cell, view.groups, demands, kept, wants, due, wanted,
                 differs(cell, wanted, wants, kept, limits))


def _raised(cell: Cell, wants: Mapping[Snssai, Want], limits: Limits) -> bool:
    """Whether a slice has been given more than it has without a policy."""
    return any(in_force(cell, snssai, limits).minimum
               > (limits.of(cell.key, snssai) or FREE).minimum for snssai in wants)


def _not_enough(view: View, demands: Sequence[Demand], due: Floors, limits: Limits) -> bool:
    """Whether packets wait by far too long, although their slice is guaranteed what it is due.

    What others are kept below is lost to them whether it is used or not, so a prompt now and then,
    whose rows wait for each other, is no reason.
    """
    for group, demand in zip(view.groups, demands, strict=True):
        slice_ = view.cell.slices.get(group.snssai)
        if not demand.waiting or not group.believed or slice_ is None or slice_.quota is None:
            continue
        wait = longest_wait(slice_.load)
        if (wait is not None and wait > limits.cap_above * budget_ms(group.policy, limits)
                and slice_.quota.minimum >= due.get(group.snssai, 101) - limits.smallest_step
                and view.now - slice_.since >= limits.settle):
            return True
    return False


def _steer(plan: _Plan, ues: Mapping[UeKey, Ue], limits: Limits, now: float) -> SetQuotas | None:
    if not plan.changes:
        return None
    cell = plan.cell
    reasons = [why(cell, group, plan.quotas[group.snssai],
                   in_force(cell, group.snssai, limits), demand)
               for group, demand in zip(plan.groups, plan.demands, strict=True)
               if group.snssai in plan.quotas]
    if any(quota.maximum < in_force(cell, snssai, limits).maximum
           for snssai, quota in plan.quotas.items() if snssai not in plan.wants):
        reasons.append("the other slices are capped, since a guarantee alone did not do")
    reasons += [f"slice {snssai} is promised no more than {quota.minimum} % any more"
                for snssai, quota in plan.quotas.items() if snssai not in plan.wants
                and is_over(cell.slices[snssai].quota, quota, limits)]
    flows = [flow for group in plan.groups for flow in group.believed]
    helped = sorted({flow.ue for flow in flows if flow.ue is not None}, key=str)
    return SetQuotas(
        cell.key, plan.quotas, "; ".join(reasons) + ".",
        ", ".join(sorted({group.policy.name for group in plan.groups})),
        expectations(cell, plan.groups, plan.quotas, limits, now, ues),
        tuple(flow.key for flow in flows), tuple(helped))


def _back(cell: Cell, policies: Sequence[SlicePolicy], limits: Limits) -> SetQuotas | None:
    """What there was before, once nothing is left to help."""
    covering = [policy for policy in policies if policy.reach.covers(cell.key)]
    kept = {snssai: floor for policy in covering for snssai, floor in policy.floors.items()
            if snssai in cell.slices}
    if floors(cell, policies, limits) is None:
        return None
    wanted = resting(cell, kept, limits)
    if wanted is None:
        return None
    state = ("has room" if cell.roomy_since is not None else
             "carries no flow any more that a policy is for")
    return SetQuotas(
        cell.key, wanted, f"{cell.key} {state}, so its slices get back what they had.",
        ", ".join(sorted(policy.name for policy in covering)) or "none")


def _moves(
    observations: Observations, plans: Mapping[CellKey, _Plan], policies: Sequence[SlicePolicy],
    limits: Limits, now: float,
) -> list[Decision]:
    """Handovers, one at most from each cell, where quotas have done what they can."""
    needs = {key: sum(demand.percent or 0.0 for demand in plan.demands)
             for key, plan in plans.items()}
    moves: list[Decision] = []
    for key in sorted(plans, key=str):
        plan = plans[key]
        for group, demand in zip(plan.groups, plan.demands, strict=True):
            if plan.changes or not _short(plan, group, demand, limits, now):
                continue
            given = plan.due.get(group.snssai, 0)  # as `_short` has it
            move = hand_over(Short(plan.cell, group, demand, given), observations, policies,
                             needs, limits, now)
            if move is not None:
                moves.append(move)
                needs[move.target] = needs.get(move.target, 0.0) + (demand.percent or 0.0)
                break
    return moves


def _short(plan: _Plan, group: Group, demand: Demand, limits: Limits, now: float) -> bool:
    """Whether a slice has what it is due, long enough, and it is less than it needs."""
    slice_ = plan.cell.slices.get(group.snssai)
    if demand.percent is None or not group.believed or slice_ is None or slice_.quota is None:
        return False
    due = plan.due.get(group.snssai, 0)
    return (demand.percent > due + limits.smallest_step
            and slice_.quota.minimum >= due - limits.smallest_step
            and now - slice_.since >= limits.settle)


def _lacks(plan: _Plan, group: Group, limits: Limits, now: float) -> str:
    """Why a policy is not in effect for these flows; empty where it is."""
    slice_ = plan.cell.slices.get(group.snssai)
    if not group.believed:
        return "its flows are not labelled with confidence"
    if slice_ is None or slice_.quota is None:
        return f"nothing is in force yet for slice {group.snssai} of {plan.cell.key}"
    if plan.changes:
        return f"quotas of {plan.cell.key} are not yet what it asks for"
    demand = plan.demands[plan.groups.index(group)]
    if _short(plan, group, demand, limits, now):
        return (f"slice {group.snssai} needs {demand.percent:.0f} % of {plan.cell.key} and can be "
                f"given {plan.due[group.snssai]} %")
    return ""


def _amends(policy: SlicePolicy, observations: Observations, movable: Collection[CellKey]) -> str:
    """Why a policy that is for no flows changes nothing; empty where it does."""
    covered = [cell for key, cell in observations.cells.items() if policy.reach.covers(key)]
    if any(snssai in cell.slices for snssai in policy.floors for cell in covered):
        return ""
    if any(cell.key in movable for cell in covered):
        return ""
    return NOBODY_MOVES if covered or not policy.floors else "no cell that it is for is there"


def _reported(cell: Cell, limits: Limits, now: float) -> bool:
    """Whether the cell's node has said anything lately."""
    return fresh(cell.load, limits, now) or any(
        fresh(slice_.load, limits, now) for slice_ in cell.slices.values())


def _rested(cell: Cell, limits: Limits, now: float) -> bool:
    """Whether quotas have been in force long enough to be changed."""
    return all(slice_.quota is None or now - slice_.since >= limits.pause
               for slice_ in cell.slices.values())
