"""The plain strategy: the quotas that the policy gives, while its flows are there.

It looks at no load; floors and what may be guaranteed are kept by whoever asks it.
"""

from __future__ import annotations

from collections.abc import Mapping

from xapp.limits import Limits
from xapp.observations import Snssai
from xapp.placing import View
from xapp.sharing import Want, in_force


class Static:
    """Fixed quotas."""

    name = "static"

    def wants(self, view: View, limits: Limits) -> Mapping[Snssai, Want]:
        found: dict[Snssai, Want] = {}
        for group in sorted(view.groups, key=lambda one: one.policy.priority):
            for snssai, quota in group.policy.quotas.items():
                if snssai not in view.cell.slices:
                    continue
                minimum = quota.minimum
                if not group.believed:
                    minimum = min(minimum, in_force(view.cell, snssai, limits).minimum)
                found[snssai] = Want(minimum, group.policy.priority, quota.maximum,
                                     quota.dedicated, exact=True)
        return found
