"""What reports have to show once a decision is carried out, and the sentence that explains it.

Only what the node reports today can be expected of it tomorrow: a figure that never came would
count as a failure for ever. It decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from xapp.decisions import Expectation, Metric
from xapp.demand import Demand, budget_ms, fresh
from xapp.limits import Limits
from xapp.observations import Cell, Quota, Snssai
from xapp.placing import Group
from xapp.sharing import in_force

TOLERANCE = 5.0  # percent of the cell that a cap may be exceeded by: reports are averages
BETTER = 0.8  # of a delay that was too long: less is an effect, if not all that is wanted
KEPT = 0.5  # share of what a slice had that it must still have: traffic varies by itself


def expectations(
    cell: Cell, groups: Iterable[Group], quotas: Mapping[Snssai, Quota], limits: Limits, now: float
) -> tuple[Expectation, ...]:
    """Of the slices that are helped, and of those that are capped for them."""
    found: list[Expectation] = []
    helped = set()
    for group in groups:
        slice_ = cell.slices.get(group.snssai)
        if slice_ is None or group.snssai in helped or not group.believed:
            continue
        helped.add(group.snssai)
        if (quotas[group.snssai].minimum <= in_force(cell, group.snssai, limits).minimum
                or not fresh(slice_.load, limits, now)):
            continue
        budget = budget_ms(group.policy, limits)
        subject, load = (cell.key, group.snssai), slice_.load
        delays = [(Metric.UP_DELAY_MS, load.up_delay_ms),
                  (Metric.DOWN_DELAY_MS, load.down_delay_ms)]
        known = [Expectation(subject, metric, limits.settle, at_most=max(budget, value * BETTER))
                 for metric, value in delays if value is not None]
        rates = [(Metric.UP_KBPS, load.up_kbps), (Metric.DOWN_KBPS, load.down_kbps)]
        if not known:
            known = [Expectation(subject, metric, limits.settle, at_least=value * KEPT)
                     for metric, value in rates if value]
        found.extend(known)
    for snssai, quota in quotas.items():
        load = cell.slices[snssai].load
        if (snssai not in helped and quota.maximum < in_force(cell, snssai, limits).maximum
                and load.down_prbs is not None and fresh(load, limits, now)):
            found.append(Expectation((cell.key, snssai), Metric.DOWN_PRBS, limits.settle,
                                     at_most=quota.maximum + TOLERANCE))
    return tuple(found)


def why(cell: Cell, group: Group, quota: Quota, before: Quota, demand: Demand) -> str:
    """One sentence for the operator."""
    flows = f"{len(group.believed)} {'flow' if len(group.believed) == 1 else 'flows'}"
    label = ", ".join(sorted({flow.label for flow in group.believed})) or "doubtful"
    target = f"{group.policy.inter_token_ms:g} ms a token"
    if not group.believed:
        return (f"Slice {group.snssai} of {cell.key} keeps {quota.minimum} %: its flows are not "
                "labelled with confidence")
    verb = ("rises" if quota.minimum > before.minimum
            else "falls" if quota.minimum < before.minimum else "stays")
    move = (f"from {before.minimum} to {quota.minimum} %" if verb != "stays"
            else f"at {quota.minimum} %")
    late = "; packets wait longer than that allows" if demand.waiting else ""
    return (f"The guarantee of slice {group.snssai} in {cell.key} {verb} {move} for {flows} "
            f"({label}) with a target of {target}: {demand.basis}{late}")

