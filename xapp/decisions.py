"""What the xApp means to do, why, and how it will know that it worked.

A decision carries what it expects to see and by when; whoever carries it out puts things back as
they were where that does not show. It does not know how a node is told.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from xapp.flow_ends import FlowEnds
from xapp.observations import CellKey, Quota, Snssai, UeKey


class Scope(enum.Enum):
    """What one use of an actuator acts on."""

    PER_FLOW = "per_flow"
    PER_UE = "per_ue"
    PER_SLICE = "per_slice"


class Metric(enum.Enum):
    """What can be expected of a slice, a UE or a cell; a field of `Load` each."""

    DOWN_KBPS = "down_kbps"
    UP_KBPS = "up_kbps"
    DOWN_PRBS = "down_prbs"
    UP_PRBS = "up_prbs"
    DOWN_DELAY_MS = "down_delay_ms"
    UP_DELAY_MS = "up_delay_ms"


@dataclass(frozen=True, slots=True)
class Expectation:
    """A figure that has to be reported, after the decision, before `within` is over."""

    subject: tuple[CellKey, Snssai] | UeKey | CellKey
    metric: Metric
    within: float  # seconds after the node was told
    at_least: float | None = None
    at_most: float | None = None
    # Percent of the subject's cell, in the metric's direction, that has to be in use for the
    # figure to tell anything: in an empty cell everybody has what he wants. None: always.
    under: float | None = None
    instead: tuple[Expectation, ...] = ()  # any of these will do in its place
    needed: bool = True  # else it would prove an effect, and that it is missing proves nothing
    silence: bool = False  # that nothing is sent in a slice is no pause, but what must not be
    # Of a wait: times the longest one beside it in its cell that it may be at most, where that is
    # reported. A load that falls shortens all waits, and no quota did it.
    beside: float | None = None
    reports: int = 1  # in a row that have to say so: one figure may dip by itself


@dataclass(frozen=True, slots=True)
class SetQuotas:
    """Quotas of slices of one cell, all that are to be in force afterwards."""

    cell: CellKey
    quotas: Mapping[Snssai, Quota]
    reason: str  # one sentence for the operator
    policy: str  # name of the policy that asked for it
    expected: tuple[Expectation, ...] = ()
    flows: tuple[str, ...] = ()  # keys of the flows it is for
    ues: tuple[UeKey, ...] = ()  # of these flows: whom an actuator that only reaches UEs acts on


@dataclass(frozen=True, slots=True)
class HandOver:
    """Move a UE to another cell of its node."""

    ue: UeKey
    source: CellKey
    target: CellKey
    reason: str
    policy: str
    expected: tuple[Expectation, ...] = ()


@dataclass(frozen=True, slots=True)
class MovedFlow:
    """A flow that leaves its session's slice, or comes back to it."""

    flow: FlowEnds
    ue: UeKey
    home: Snssai  # of the session

    def __str__(self) -> str:
        return str(self.flow)


@dataclass(frozen=True, slots=True)
class MapFlows:
    """Put single flows of a cell's UEs into another slice than their sessions', and others back."""

    cell: CellKey
    into: Snssai
    flows: tuple[MovedFlow, ...]
    back: tuple[MovedFlow, ...]
    reason: str
    policy: str
    expected: tuple[Expectation, ...] = ()


Decision = SetQuotas | HandOver | MapFlows


def cell_of(decision: Decision) -> CellKey:
    """Where it acts; of a handover, the source."""
    return decision.source if isinstance(decision, HandOver) else decision.cell
