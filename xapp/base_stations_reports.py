"""What a base station is asked to report: a subscription for each slice or for all, and for cells.

    wanted(profile, kpm, plmn, cells, config)    # subscriptions, and whose reports each brings

Which is bearable depends on its kind and on what it announced. It asks nobody: see `base_stations`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from xapp.base_stations_config import RanConfig
from xapp.e2.common import NrCgi
from xapp.e2.common import Snssai as WireSnssai
from xapp.e2.kpm import FunctionDefinition
from xapp.e2.kpm_requests import (
    Subscription,
    announced_metrics,
    cell_subscription,
    slice_subscriptions,
)
from xapp.e2.profiles import Conditions, Profile
from xapp.observations import CellKey, Snssai


class Wanted(NamedTuple):
    """One subscription, and the cell or slice that its reports are of, where they are of one."""

    subscription: Subscription
    cell: CellKey | None
    snssai: Snssai | None


def wanted(
    profile: Profile, kpm: FunctionDefinition, plmn: bytes, cells: Collection[CellKey],
    config: RanConfig,
) -> Iterator[Wanted]:
    """Subscriptions for one KPM function; PolicyError where the kind would not bear them."""
    of_ues = announced_metrics(kpm.style(profile.ue_style), config.measurements)
    of_cells = announced_metrics(kpm.style(profile.cell_style), config.measurements)
    if of_ues:
        yield from _of_ues(profile, of_ues, config)
    if of_cells:
        for cell in cells:
            identity = NrCgi(plmn, int(cell.cell, 16)) if cell.cell else None
            yield Wanted(cell_subscription(profile, of_cells, config.period_ms, identity), cell,
                         None)


def _of_ues(profile: Profile, metrics: Sequence[str], config: RanConfig) -> Iterator[Wanted]:
    """One subscription a slice tells whose UE is in which; unless the kind reports them all.

    Where a condition is an SST alone, slices of one SST cannot be told apart by it: then only
    addresses tell who is in which.
    """
    every = [WireSnssai(one.sst, one.sd) for one in config.slices]
    if profile.conditions is Conditions.IGNORED:
        for one in slice_subscriptions(profile, metrics, config.period_ms, every):
            yield Wanted(one, None, None)
        return
    asked = set()
    for snssai, wire in zip(config.slices, every, strict=True):
        alike = [one for one in config.slices if one.sst == snssai.sst]
        if profile.slice_as_number:  # the SST alone: all its slices' UEs come, once
            if snssai.sst in asked:
                continue
            asked.add(snssai.sst)
        told = not profile.slice_as_number or len(alike) == 1
        for one in slice_subscriptions(profile, metrics, config.period_ms, [wire]):
            yield Wanted(one, None, snssai if told else None)
