"""A slice's share of a cell, as every actuator takes it: checked before anything is sent.

One base station acknowledges shares of slices that it does not have, and a minimum above the
maximum. So nobody but us finds such mistakes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xapp.e2.common import Snssai, plmn_octets
from xapp.errors import PolicyError

MOST_SST = 255
NO_SD = 0xFFFFFF  # what a slice without one has where one must be given (TS 23.003, 28.4.2)
_ADVICE = "Correct the policy; nothing was sent."


@dataclass(frozen=True, slots=True)
class SliceQuota:
    """What a slice gets of a cell's resource blocks, in percent (TS 28.541, 4.3.36)."""

    slice: Snssai
    minimum: int  # guaranteed when wanted
    maximum: int
    dedicated: int  # of the minimum: kept free for it even when not wanted
    plmn: str = "00101"


def check(quotas: Sequence[SliceQuota], least_dedicated: int = 0) -> None:
    """PolicyError where a quota, or all of them together, cannot be meant."""
    if not quotas:
        raise PolicyError("No slice has a quota.", _ADVICE)
    seen = set()
    for one in quotas:
        check_slice(one.slice)
        plmn_octets(one.plmn)
        if not 0 <= one.dedicated <= one.minimum <= one.maximum <= 100:
            raise PolicyError(
                f"Slice {one.slice.sst}: dedicated {one.dedicated} %, minimum {one.minimum} % and "
                f"maximum {one.maximum} % must rise, from 0 to 100.", _ADVICE)
        if one.dedicated < least_dedicated:
            raise PolicyError(f"Slice {one.slice.sst}: this base station refuses less than "
                              f"{least_dedicated} % dedicated.", _ADVICE)
        if (one.plmn, one.slice) in seen:
            raise PolicyError(f"Slice {one.slice.sst} has two quotas.", _ADVICE)
        seen.add((one.plmn, one.slice))
    if (promised := sum(one.minimum for one in quotas)) > 100:
        raise PolicyError(f"The slices' minimums add up to {promised} %.", _ADVICE)


def check_slice(one: Snssai) -> None:
    """PolicyError where a slice's numbers are none."""
    if not 0 <= one.sst <= MOST_SST or not 0 <= (one.sd or 0) <= NO_SD:
        raise PolicyError(f"{one} is no slice.", _ADVICE)
