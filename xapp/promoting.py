"""Which single flows leave their session's slice, and which come back: pure, from what is observed.

    flows = placed(flows, held, config)               # those that moved are where they are now
    decisions, settled = promoted(observations, policies, limits, config, held, carried)

A flow that a policy is for moves while its cell has no room and it sends; it stays where it is
until it ends, as to move it once more would gain nobody anything. One that is to move and has not
is no reason for quotas yet: what its session's slice gets would not help it. It asks nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from classifier.labels import UNKNOWN
from xapp.actuators.base import MOST_STEPS
from xapp.actuators.flow_promotion import PromotionConfig
from xapp.actuators.targets import RuleTarget
from xapp.decisions import Expectation, MapFlows, Metric, MovedFlow
from xapp.flow_ends import FlowEnds
from xapp.limits import Limits
from xapp.observations import CellKey, Flow, Observations, Snssai
from xapp.placing import locate
from xapp.policy import tap_is_silent
from xapp.slice_policy import SlicePolicy
from xapp.store_records import Held

GAIN_KBPS = 1.0  # more in the slice than before: a flow that sends sends more than that
Rules = Mapping[FlowEnds, Held]


def rules_of(held: Iterable[Held]) -> dict[FlowEnds, Held]:
    """What was ever set of single flows."""
    return {one.target.flow: one for one in held if isinstance(one.target, RuleTarget)}


def placed(flows: dict[str, Flow], held: Iterable[Held],
           config: PromotionConfig | None) -> dict[str, Flow]:
    """Flows that moved, in the slice that they are in now."""
    if config is None:
        return flows
    moved = {flow: one.confirmed for flow, one in rules_of(held).items()
             if one.certain and not one.resting and isinstance(one.confirmed, Snssai)}
    if not moved:
        return flows
    return {key: flow if flow.ends is None or (into := moved.get(flow.ends)) is None
            else replace(flow, slice=into) for key, flow in flows.items()}


def promoted(observations: Observations, policies: Sequence[SlicePolicy], limits: Limits,
             config: PromotionConfig | None, held: Iterable[Held],
             carried: Callable[[str], int | None]) -> tuple[list[MapFlows], Observations]:
    """Decisions, and what quotas are to be decided by; `carried` is bytes a second of an address.
    """
    if config is None:
        return [], observations
    wanted = candidates(observations, policies, limits, config)
    return (promotions(observations, wanted, policies, limits, config, rules_of(held), carried),
            without(observations, wanted))


def candidates(observations: Observations, policies: Sequence[SlicePolicy], limits: Limits,
               config: PromotionConfig) -> dict[str, tuple[CellKey, str]]:
    """Flows in other slices that a policy wants in this one: their cells and the policies' names.
    """
    found = {}
    for key, flow in observations.flows.items():
        if (flow.ends is None or flow.ue is None or flow.slice in (None, config.slice)
                or flow.confidence < limits.confidence):
            continue
        where = locate(flow, observations)
        if where is None:
            continue
        name = next((one.name for one in policies if one.wants(flow, where[0], config.slice)),
                    None)
        if name is not None:
            found[key] = where[0], name
    return found


def without(observations: Observations, waiting: Mapping[str, object]) -> Observations:
    """As quotas are to be decided: flows that are to move first ask for none."""
    if not waiting:
        return observations
    return replace(observations, flows={key: flow for key, flow in observations.flows.items()
                                        if key not in waiting})


def promotions(observations: Observations, wanted: Mapping[str, tuple[CellKey, str]],
               policies: Sequence[SlicePolicy], limits: Limits, config: PromotionConfig,
               rules: Rules, carried: Callable[[str], int | None]) -> list[MapFlows]:
    """One decision at most for each cell."""
    now = observations.now
    if tap_is_silent(observations, limits, now):
        return []
    into: dict[CellKey, dict[FlowEnds, MovedFlow]] = {}
    names: dict[CellKey, set[str]] = {}
    for key, (cell, name) in wanted.items():
        flow = observations.flows[key]
        if _moves(flow, observations, cell, limits, config, rules, carried):
            assert flow.ends is not None  # `candidates` have these three
            assert flow.ue is not None
            assert flow.slice is not None
            into.setdefault(cell, {})[flow.ends] = MovedFlow(flow.ends, flow.ue, flow.slice)
            names.setdefault(cell, set()).add(name)
    back = _over(observations, policies, limits, rules)
    return [_decision(cell, list(into.get(cell, {}).values()), back.get(cell, []),
                      ", ".join(sorted(names.get(cell, {"none"}))), observations, limits, config)
            for cell in sorted({*into, *back}, key=str) if cell in observations.cells]


def _moves(flow: Flow, observations: Observations, cell: CellKey, limits: Limits,
           config: PromotionConfig, rules: Rules, carried: Callable[[str], int | None]) -> bool:
    known = None if flow.ends is None else rules.get(flow.ends)
    rate = None if flow.address is None else carried(flow.address)
    return (observations.cells[cell].roomy_since is None
            and (known is None or (known.resting and known.certain))
            and -1.0 <= observations.now - flow.at <= limits.stale
            and (rate is None or rate >= config.least_bytes))


def _over(observations: Observations, policies: Sequence[SlicePolicy], limits: Limits,
          rules: Rules) -> dict[CellKey, list[MovedFlow]]:
    """Flows that moved and have ended, or that no policy is for any more."""
    labels = {label for policy in policies for label in policy.labels}
    alive = {flow.ends for flow in observations.flows.values()
             if observations.now - flow.at <= limits.linger
             and (flow.label in labels or flow.label == UNKNOWN
                  or flow.confidence < limits.confidence)}
    found: dict[CellKey, list[MovedFlow]] = {}
    for flow, held in rules.items():
        # What an earlier run moved is not over before taps had the time to speak of it.
        settled = held.certain and observations.now - held.since >= limits.hold
        if settled and not held.resting and flow not in alive and isinstance(
                held.target, RuleTarget):
            found.setdefault(held.target.cell, []).append(
                MovedFlow(flow, held.target.ue, held.target.home))
    return found


def _decision(cell: CellKey, flows: list[MovedFlow], back: list[MovedFlow], policy: str,
              observations: Observations, limits: Limits, config: PromotionConfig) -> MapFlows:
    flows, back = flows[:MOST_STEPS // 2], back[:MOST_STEPS // 2]
    parts = []
    if flows:
        parts.append(f"{_counted(flows)} of a split model in {cell}, which is full, "
                     f"{'goes' if len(flows) == 1 else 'go'} into slice {config.slice}")
    if back:
        parts.append(f"{_counted(back)} ended, and {'is' if len(back) == 1 else 'are'} put back")
    return MapFlows(cell, config.slice, tuple(flows), tuple(back),
                    _sentence("; ".join(parts)), policy,
                    _expected(cell, observations, limits, config) if flows else ())


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."


def _counted(flows: Sequence[MovedFlow]) -> str:
    return f"flow {flows[0]}" if len(flows) == 1 else f"{len(flows)} flows"


def _expected(cell: CellKey, observations: Observations, limits: Limits,
              config: PromotionConfig) -> tuple[Expectation, ...]:
    """That the slice carries more than before, either way."""
    slice_ = observations.cells[cell].slices.get(config.slice)
    before = (None, None) if slice_ is None else (slice_.load.up_kbps, slice_.load.down_kbps)
    up, down = (Expectation((cell, config.slice), metric, limits.settle,
                            at_least=(kbps or 0.0) + GAIN_KBPS, silence=True)
                for metric, kbps in zip((Metric.UP_KBPS, Metric.DOWN_KBPS), before, strict=True))
    return (replace(up, instead=(down,)),)
