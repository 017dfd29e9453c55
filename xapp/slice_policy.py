"""What an operator wants for split-LLM traffic: targets, floors, priority, and where it holds.

    SlicePolicy("chat", inter_token_ms=80, floors={Snssai(1): 20})

It comes from the configuration or over A1. It does not know how the targets are met.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from classifier.labels import LLM_SPLIT
from xapp.errors import PolicyError
from xapp.limits import Limits
from xapp.observations import CellKey, Flow, Quota, Snssai, UeKey

_ADVICE = "Correct the policy; nothing of it is in effect."
LONGEST_MS = 600_000.0  # of a target: ten minutes a token are no target


class Source(enum.Enum):
    """Who gave a policy."""

    CONFIGURATION = "configuration"
    A1 = "A1"


@dataclass(frozen=True, slots=True)
class Reach:
    """Where a policy holds; empty means everywhere."""

    cells: frozenset[CellKey] = frozenset()
    slices: frozenset[Snssai] = frozenset()
    ues: frozenset[UeKey] = frozenset()

    def covers(self, cell: CellKey) -> bool:
        return not self.cells or cell in self.cells

    def meets(self, cell: CellKey, snssai: Snssai, ue: UeKey | None) -> bool:
        """Whether a flow there is meant."""
        return (self.covers(cell) and (not self.slices or snssai in self.slices)
                and (not self.ues or ue in self.ues))


@dataclass(frozen=True, slots=True)
class SlicePolicy:
    """One policy."""

    name: str
    strategy: str = "proportional"  # a name in `policy.STRATEGIES`
    labels: frozenset[str] = frozenset({LLM_SPLIT})  # of the flows it is for; none: it only amends
    inter_token_ms: float = 100.0  # from one token to the next, at most
    first_token_ms: float | None = None  # from the prompt to the first token, at most
    prompt_rows: int = 64  # that a prompt sends at once: what first_token_ms is reckoned with
    row_bytes: int | None = None  # of an activation row on the link, where no tap tells
    floors: Mapping[Snssai, int] = field(default_factory=dict)  # percent that slices keep
    quotas: Mapping[Snssai, Quota] = field(default_factory=dict)  # for the static strategy
    priority: int = 0  # the highest gets its share first
    reach: Reach = Reach()
    handover: bool = True  # whether UEs may be moved to another cell
    handover_gain: int = 10  # percent more room than needed that the other cell must have
    source: Source = Source.CONFIGURATION

    def wants(self, flow: Flow, cell: CellKey, snssai: Snssai) -> bool:
        return flow.label in self.labels and self.reach.meets(cell, snssai, flow.ue)


def check(policy: SlicePolicy, limits: Limits, strategies: Collection[str]) -> None:
    """PolicyError where a policy contradicts itself or the limits."""
    if not policy.name or not policy.name.isprintable() or len(policy.name) > 200:
        raise PolicyError("A policy has no name.", _ADVICE)
    if policy.strategy not in strategies:
        raise _wrong(policy, f"no strategy is called {policy.strategy!r}; there are "
                     f"{', '.join(sorted(strategies))}")
    for target in (policy.inter_token_ms, policy.first_token_ms):
        if target is not None and not 1 <= target <= LONGEST_MS:
            raise _wrong(policy, f"a target of {target:g} ms cannot be meant")
    if policy.prompt_rows < 1 or (policy.row_bytes is not None and policy.row_bytes < 1):
        raise _wrong(policy, "prompt_rows and row_bytes are at least 1")
    if not 0 <= policy.handover_gain <= 1000:
        raise _wrong(policy, "handover_gain is 0 to 1000 percent")
    _check_floors(policy, limits)
    _check_quotas(policy, limits)


def check_all(
    policies: Iterable[SlicePolicy], limits: Limits, strategies: Collection[str]
) -> None:
    """PolicyError where one is wrong, or two have one name."""
    names: set[str] = set()
    for policy in policies:
        check(policy, limits, strategies)
        if policy.name in names:
            raise PolicyError(f"Two policies are called {policy.name!r}.", "Rename one of them.")
        names.add(policy.name)


def _check_floors(policy: SlicePolicy, limits: Limits) -> None:
    if any(not 0 <= floor <= 100 for floor in policy.floors.values()):
        raise _wrong(policy, "floors are 0 to 100 percent")
    if (total := sum(policy.floors.values())) > limits.most_guaranteed:
        raise _wrong(policy, f"its floors add up to {total} %, and {limits.most_guaranteed} % may "
                     "be guaranteed at most")


def _check_quotas(policy: SlicePolicy, limits: Limits) -> None:
    if policy.strategy == "static" and policy.labels and not policy.quotas:
        raise _wrong(policy, "a static policy needs quotas")
    for snssai, quota in policy.quotas.items():
        if not 0 <= quota.dedicated <= quota.minimum <= quota.maximum <= 100:
            raise _wrong(policy, f"dedicated, minimum and maximum of slice {snssai} rise, from 0 "
                         "to 100 percent")
        if quota.maximum < policy.floors.get(snssai, 0):
            raise _wrong(policy, f"slice {snssai} has a maximum below its floor")
    guaranteed = dict(policy.floors)
    for snssai, quota in policy.quotas.items():
        guaranteed[snssai] = max(quota.minimum, guaranteed.get(snssai, 0))
    if (total := sum(guaranteed.values())) > limits.most_guaranteed and policy.quotas:
        raise _wrong(policy, f"its quotas and floors guarantee {total} %, and "
                     f"{limits.most_guaranteed} % may be at most")


def _wrong(policy: SlicePolicy, what: str) -> PolicyError:
    return PolicyError(f"Policy {policy.name!r}: {what}.", _ADVICE)
