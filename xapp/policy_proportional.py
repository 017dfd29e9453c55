"""The default strategy: a slice is guaranteed what its flows need, and some headroom.

More where packets wait all the same; what is in force where the flows are only doubted; a first
guess where nothing tells what they need. Nothing while the cell has room: then everybody has what
he wants, and what was guaranteed is given up after a time.

Less than is in force only where a report tells that less will do: not while packets wait, not by
what a pause in the flows or the cell's mean lets it look like, not soon after it was raised, and
not below where packets would wait, going by how long they do now. It asks; what it gets is not
decided here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xapp.demand import Demand, budget_ms, estimate, fresh, longest_wait, row_ms
from xapp.limits import FREE, Limits
from xapp.observations import Load, Snssai
from xapp.placing import Group, View
from xapp.sharing import Want, in_force
from xapp.slice_policy import SlicePolicy

LEAST = 1  # percent: flows that are there are never guaranteed nothing


@dataclass(frozen=True, slots=True)
class _Asked:
    """For one group."""

    due: int  # percent
    kept: int  # percent of what is in force that it does not go below


class Proportional:
    """Quotas in proportion to demand."""

    name = "proportional"

    def wants(self, view: View, limits: Limits) -> Mapping[Snssai, Want]:
        found: dict[Snssai, Want] = {}
        if self._is_idle(view, limits):
            return found
        for snssai in dict.fromkeys(group.snssai for group in view.groups):
            groups = [group for group in view.groups if group.snssai == snssai]
            found[snssai] = Want(min(self._minimum(groups, view, limits), 100),
                                 max(group.policy.priority for group in groups))
        return found

    def _minimum(self, groups: Sequence[Group], view: View, limits: Limits) -> int:
        """Of one slice: what its groups need together."""
        now = in_force(view.cell, groups[0].snssai, limits).minimum
        asked = [self._asked(group, now, view, limits) for group in groups if group.believed]
        if not asked:
            return now
        return max(sum(one.due for one in asked), *(one.kept for one in asked))

    def _asked(self, group: Group, now: int, view: View, limits: Limits) -> _Asked:
        demand = self.demand(group, view, limits)
        if demand.percent is None:
            return _Asked(limits.first_guess, now)
        due = demand.percent * limits.headroom * (limits.growth if demand.waiting else 1.0)
        # Use that is low now says nothing about the next burst.
        least = LEAST if demand.reckoned else limits.first_guess
        if not demand.waiting and (view.cell.roomy_since is not None or (
                demand.presumed and now > LEAST)):
            return _Asked(0, now)  # until it is given up, or needed, or something is measured
        kept = (now if demand.waiting or demand.borrowed or _is_new(group, view, limits)
                else _kept(group, now, view, limits))
        return _Asked(max(math.ceil(min(due, 100.0)), least), kept)

    def _is_idle(self, view: View, limits: Limits) -> bool:
        """Whether nothing has to be guaranteed: there is room, and nobody's packets wait."""
        since = view.cell.roomy_since
        if since is None or any(self.demand(group, view, limits).waiting for group in view.groups):
            return False
        return view.now - since >= limits.release or all(
            in_force(view.cell, group.snssai, limits).minimum
            <= (limits.of(view.cell.key, group.snssai) or FREE).minimum for group in view.groups)

    @staticmethod
    def demand(group: Group, view: View, limits: Limits) -> Demand:
        slice_ = view.cell.slices.get(group.snssai)
        return estimate(view.cell, slice_, group.believed, group.policy, limits, view.now)


def _is_new(group: Group, view: View, limits: Limits) -> bool:
    """Whether what is in force has not been for long: one report is no reason to go back."""
    slice_ = view.cell.slices.get(group.snssai)
    return (slice_ is not None and slice_.quota is not None
            and view.now - slice_.since < limits.lower_after)


def _kept(group: Group, now: int, view: View, limits: Limits) -> int:
    """The least of a guarantee with which packets do not wait too long, going by the present."""
    slice_ = view.cell.slices.get(group.snssai)
    if slice_ is None or not fresh(slice_.load, limits, view.now):
        return 0
    return math.ceil(now * _part(slice_.load, group.policy, limits))


def _part(load: Load, policy: SlicePolicy, limits: Limits) -> float:
    """Of the time that a row may take once it is granted: what packets take now, 0 to 1."""
    longest = longest_wait(load)
    if longest is None:
        return 0.0
    time = row_ms(policy, limits)
    return min(max(longest - (budget_ms(policy, limits) - time), 0.0) / time, 1.0)
