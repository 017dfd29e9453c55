"""Shares of slices through E2SM-CCC, for the kinds of base stations that do not hang on it."""

from __future__ import annotations

from collections.abc import Sequence

from xapp.e2.ccc import (
    CccCell,
    CellControl,
    quotas_of,
    ratios_of,
    read_control,
    write_control,
    write_header,
)
from xapp.e2.control import Control, needed
from xapp.e2.profiles import Lever, Profile
from xapp.e2.quota import SliceQuota, check


def ccc_quota_control(
    profile: Profile, cell: CccCell, quotas: Sequence[SliceQuota],
    before: Sequence[SliceQuota] | None = None,
) -> Control:
    """The control request for these shares; `before` are those it replaces, where known.

    PolicyError where they cannot be meant, or the base station cannot bear it.
    """
    actuator = needed(profile, Lever.CCC_SLICE_QUOTA)
    check(quotas, actuator.least_dedicated)
    old = {(one.plmn, one.slice): one for one in before or ()}
    earlier = [old.get((one.plmn, one.slice), one) for one in quotas]
    changes = tuple(zip(ratios_of(earlier), ratios_of(quotas), strict=True))
    return Control(write_header(), write_control([CellControl(cell, changes)]))


def read_ccc_quotas(message: bytes) -> dict[CccCell, tuple[SliceQuota, ...]]:
    """The shares that a message asks for, for each cell."""
    return {one.cell: quotas_of([new for _, new in one.changes]) for one in read_control(message)}
