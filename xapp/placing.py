"""Which policy each flow falls under, and in which slice of which cell it is.

A flow is believed, doubted or passed over by its label, its confidence and how long ago it was
heard of. Doubt keeps what is in force and never asks for more. It knows no quotas' arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from classifier.labels import UNKNOWN
from xapp.limits import FREE, Limits
from xapp.observations import Cell, CellKey, Flow, Observations, Slice, Snssai
from xapp.slice_policy import SlicePolicy


@dataclass(slots=True)
class Group:
    """The flows of one policy in one slice of a cell."""

    policy: SlicePolicy
    snssai: Snssai
    believed: list[Flow] = field(default_factory=list)
    doubted: list[Flow] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class View:
    """What a strategy sees: one cell, and what its policies are for there."""

    cell: Cell
    groups: tuple[Group, ...]
    observations: Observations
    now: float


Placed = dict[CellKey, dict[tuple[str, Snssai], Group]]


def place(
    observations: Observations, policies: Sequence[SlicePolicy], limits: Limits, now: float
) -> Placed:
    """Groups by cell; a flow falls under the policy of highest priority that wants it."""
    ranked = sorted(policies, key=lambda policy: (-policy.priority, policy.name))
    placed: Placed = {}
    for flow in observations.flows.values():
        if not -1.0 <= now - flow.at <= limits.linger:
            continue
        where = locate(flow, observations)
        if where is None:
            continue
        cell, snssai = where
        policy = _of(flow, cell, snssai, ranked, observations)
        if policy is None:
            continue
        believed = flow.label in policy.labels and flow.confidence >= limits.confidence
        if not believed and flow.label in policy.labels and flow.confidence < limits.doubt:
            continue
        groups = placed.setdefault(cell, {})
        group = groups.setdefault((policy.name, snssai), Group(policy, snssai))
        (group.believed if believed else group.doubted).append(flow)
    return placed


def locate(flow: Flow, observations: Observations) -> tuple[CellKey, Snssai] | None:
    """Cell and slice of a flow; None where they are not known for certain."""
    ue = observations.ues.get(flow.ue) if flow.ue is not None else None
    snssai = flow.slice if flow.slice is not None or ue is None else ue.slice
    if snssai is None:
        return None
    if ue is not None and ue.cell is not None:
        return (ue.cell, snssai) if ue.cell in observations.cells else None
    with_it = [key for key, cell in observations.cells.items() if snssai in cell.slices]
    return (with_it[0], snssai) if len(with_it) == 1 else None


def _of(
    flow: Flow, cell: CellKey, snssai: Snssai, ranked: Sequence[SlicePolicy],
    observations: Observations,
) -> SlicePolicy | None:
    """Whose flow it is; a flow that became unknown stays with whom its slice was raised for."""
    for policy in ranked:
        if policy.wants(flow, cell, snssai):
            return policy
    if flow.label != UNKNOWN:
        return None
    slice_ = observations.cells[cell].slices.get(snssai)
    if slice_ is None or not raised(slice_) or flow.since > slice_.since:
        return None
    return next((policy for policy in ranked
                 if policy.labels and policy.reach.meets(cell, snssai, flow.ue)), None)


def raised(slice_: Slice) -> bool:
    """Whether it is guaranteed anything."""
    return (slice_.quota or FREE).minimum > 0
