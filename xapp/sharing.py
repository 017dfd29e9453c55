"""The arithmetic of quotas in one cell: floors, shares of what is left, steps, and the way back.

Whatever is wanted, what comes out guarantees at most what the limits allow, keeps every floor, and
moves no quota for less than a step. It knows neither flows nor policies' targets.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from xapp.limits import FREE, Limits
from xapp.observations import Cell, Quota, Snssai
from xapp.slice_policy import SlicePolicy

Floors = dict[Snssai, int]
LEAST_DEDICATED = 1  # percent that some base stations cannot go below


@dataclass(frozen=True, slots=True)
class Want:
    """What a strategy wants a slice to have."""

    minimum: int  # percent guaranteed
    priority: int = 0
    maximum: int | None = None  # None: what it has without a policy
    dedicated: int | None = None  # None: by the limits
    exact: bool = False  # at once and as given, without bands and steps


def in_force(cell: Cell, snssai: Snssai, limits: Limits) -> Quota:
    """What a slice has, as far as is known."""
    slice_ = cell.slices.get(snssai)
    known = None if slice_ is None else slice_.quota
    return known or limits.of(cell.key, snssai) or FREE


def floors(cell: Cell, policies: Iterable[SlicePolicy], limits: Limits) -> Floors | None:
    """What each slice keeps; None where policies promise more than may be guaranteed.

    A slice that nobody names keeps what it had without a policy, and the limits' floor as far as
    that fits.
    """
    named: Floors = {}
    for policy in policies:
        if policy.reach.covers(cell.key):
            for snssai, floor in policy.floors.items():
                if snssai in cell.slices:
                    named[snssai] = max(floor, named.get(snssai, 0))
    found = {snssai: quota.minimum for snssai in cell.slices if snssai not in named
             and (quota := limits.of(cell.key, snssai)) is not None}
    unnamed = [snssai for snssai in cell.slices if snssai not in named]
    promised = sum(named.values()) + sum(found.values())
    if sum(named.values()) > limits.most_guaranteed or promised > 100:
        return None
    left = max(limits.most_guaranteed - promised, 0)
    lacking = sum(max(limits.floor - found.get(snssai, 0), 0) for snssai in unnamed)
    share = 1.0 if lacking <= left else left / lacking
    for snssai in unnamed:
        base = found.get(snssai, 0)
        named[snssai] = base + int(max(limits.floor - base, 0) * share)
    return named


def shared(wants: Mapping[Snssai, Want], kept: Floors, cell: Cell, limits: Limits) -> Floors:
    """What each wanting slice is guaranteed of what all floors leave over, highest first."""
    room = max(limits.most_guaranteed - sum(kept.values()), 0)
    out = {snssai: kept.get(snssai, 0) for snssai in wants}
    for priority in sorted({want.priority for want in wants.values()}, reverse=True):
        over = {
            snssai: min(want.minimum, _ceiling(cell, snssai, want, limits)) - out[snssai]
            for snssai, want in wants.items() if want.priority == priority}
        over = {snssai: more for snssai, more in over.items() if more > 0}
        total = sum(over.values())
        part = 1.0 if total <= room else room / total
        for snssai, more in over.items():
            given = int(more * part)
            out[snssai] += given
            room -= given
    return out


def _ceiling(cell: Cell, snssai: Snssai, want: Want, limits: Limits) -> int:
    if want.maximum is not None:
        return want.maximum
    return (limits.of(cell.key, snssai) or FREE).maximum


def stepped(
    wants: Mapping[Snssai, Want], due: Floors, kept: Floors, cell: Cell, limits: Limits
) -> Floors:
    """Minimums to have next: what is in force where it is near enough, or a step closer."""
    after = {snssai: (due[snssai] if want.exact else
                      _step(in_force(cell, snssai, limits).minimum, due[snssai],
                            kept.get(snssai, 0), limits))
             for snssai, want in wants.items()}
    room = limits.most_guaranteed - sum(
        floor for snssai, floor in kept.items() if snssai not in wants)
    if sum(after.values()) > room:
        after = {snssai: min(minimum, due[snssai]) for snssai, minimum in after.items()}
    return after


def _step(now: int, due: int, floor: int, limits: Limits) -> int:
    if now < floor:
        return max(floor, min(due, now + limits.largest_step))
    if due - now >= limits.smallest_step:
        return min(due, now + limits.largest_step)
    if now > due * limits.lower_above and now - due >= limits.smallest_step:
        return max(due, now - limits.largest_step, floor)
    return now


def quotas(
    wants: Mapping[Snssai, Want], minimums: Floors, kept: Floors, cell: Cell, capped: bool,
    limits: Limits,
) -> dict[Snssai, Quota]:
    """A quota for every slice of the cell."""
    guaranteed = sum(minimums.values())
    out = {}
    for snssai in cell.slices:
        base = limits.of(cell.key, snssai) or FREE
        if snssai in minimums:
            out[snssai] = _wanted(wants[snssai], minimums[snssai], base, limits)
            continue
        floor = kept[snssai]
        most = min(base.maximum, 100 - guaranteed) if capped else base.maximum
        out[snssai] = Quota(floor, max(most, floor), min(base.dedicated, floor))
    return out


def _wanted(want: Want, minimum: int, base: Quota, limits: Limits) -> Quota:
    maximum = min(max(base.maximum if want.maximum is None else want.maximum, minimum), 100)
    dedicated = (max(base.dedicated, math.floor(minimum * limits.dedicated))
                 if want.dedicated is None else want.dedicated)
    return Quota(minimum, maximum, max(min(dedicated, minimum), 0))


def is_capped(cell: Cell, wants: Iterable[Snssai], limits: Limits) -> bool:
    """Whether another slice is kept below what it may have without a policy."""
    wanting = set(wants)
    return any(slice_.quota is not None
               and slice_.quota.maximum < (limits.of(cell.key, snssai) or FREE).maximum
               for snssai, slice_ in cell.slices.items() if snssai not in wanting)


def differs(cell: Cell, wanted: Mapping[Snssai, Quota], wants: Iterable[Snssai],
            kept: Floors, limits: Limits) -> bool:
    """Whether what is in force is worth changing."""
    wanting = set(wants)
    total = 0
    for snssai, quota in wanted.items():
        slice_ = cell.slices[snssai]
        now = in_force(cell, snssai, limits)
        total += now.minimum
        if snssai in wanting:
            if now.minimum != quota.minimum or now.maximum < quota.minimum:
                return True
        elif (slice_.quota is None and quota.minimum > now.minimum) or (
                now.minimum < kept[snssai] or now.maximum < kept[snssai]
                or is_over(slice_.quota, quota, limits)
                or abs(now.maximum - quota.maximum) >= limits.smallest_step):
            return True
    return total > 100


def is_over(now: Quota | None, wanted: Quota, limits: Limits) -> bool:
    """Whether a slice is guaranteed a step or more beyond its floor: that of a policy that is gone.

    Not for what a base station dedicates at least: to ask for less would be to ask again and again.
    """
    least = max(limits.smallest_step, LEAST_DEDICATED + 1)
    return now is not None and now.minimum - wanted.minimum >= least


def resting(cell: Cell, kept: Mapping[Snssai, int], limits: Limits) -> dict[Snssai, Quota] | None:
    """What slices have when no policy asks for anything; None where that is in force already.

    What a slice had before is put back where it is known; else it stays as it is.
    """
    out, changed = {}, False
    for snssai, slice_ in cell.slices.items():
        base = limits.of(cell.key, snssai)
        if base is None:
            if slice_.quota is not None:
                out[snssai] = slice_.quota
            continue
        floor = max(base.minimum, kept.get(snssai, 0))
        out[snssai] = Quota(floor, max(base.maximum, floor), base.dedicated)
        changed |= slice_.quota is not None and not _is_back(slice_.quota, out[snssai])
    fits = sum(quota.minimum for quota in out.values()) <= 100
    return out if changed and fits else None


def _is_back(now: Quota, before: Quota) -> bool:
    """Whether it is what was there before, as nearly as a base station can have it.

    OCUDU dedicates one percent at least, OpenAirInterface all that is guaranteed: to ask for less
    would be to ask again and again.
    """
    return (0 <= now.minimum - before.minimum <= LEAST_DEDICATED and now.maximum == before.maximum
            and (now.dedicated <= before.dedicated or now.dedicated == now.minimum))
