"""The default strategy: a slice is guaranteed what its flows need, and some headroom.

More where packets wait all the same; what is in force where the flows are only doubted; a first
guess where nothing tells what they need. Nothing while the cell has room: then everybody has what
he wants, and what was guaranteed is given up after a time. It asks; what it gets is not decided
here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from xapp.demand import Demand, estimate
from xapp.limits import FREE, Limits
from xapp.observations import Snssai
from xapp.placing import Group, View
from xapp.sharing import Want, in_force

LEAST = 1  # percent: flows that are there are never guaranteed nothing


class Proportional:
    """Quotas in proportion to demand."""

    name = "proportional"

    def wants(self, view: View, limits: Limits) -> Mapping[Snssai, Want]:
        found: dict[Snssai, Want] = {}
        if self._is_idle(view, limits):
            return found
        for group in view.groups:
            minimum = self._minimum(group, view, limits)
            before = found.get(group.snssai)
            priority = group.policy.priority
            if before is not None:
                minimum = minimum + before.minimum if group.believed else before.minimum
                priority = max(priority, before.priority)
            found[group.snssai] = Want(min(minimum, 100), priority)
        return found

    def _minimum(self, group: Group, view: View, limits: Limits) -> int:
        now = in_force(view.cell, group.snssai, limits).minimum
        if not group.believed:
            return now
        demand = self.demand(group, view, limits)
        if demand.percent is None:
            return max(limits.first_guess, now)
        due = demand.percent * limits.headroom * (limits.growth if demand.waiting else 1.0)
        # Use that is low now says nothing about the next burst.
        least = LEAST if demand.reckoned else limits.first_guess
        if not demand.waiting and (view.cell.roomy_since is not None or (
                demand.presumed and now > LEAST)):
            return now  # until it is given up as a whole, or needed, or something is measured
        return max(math.ceil(min(due, 100.0)), least)

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
