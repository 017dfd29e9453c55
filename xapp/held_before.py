"""How a slice fared beside others in a full cell before anything was set for it.

    before = fared(histories, cell, snssai, since=first_sent)
    before.waits[Metric.UP_DELAY_MS]    # pairs: its own wait, and the longest of the others

What a guarantee brought about can only be told by what was so without it: a slice that wants little
may wait less than others in any case. It reads the histories that the console shows, and so knows
nothing of what is longer ago than they reach. It judges nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from xapp.decisions import Metric
from xapp.histories import Histories
from xapp.observations import CellKey, Load, Snssai

FULL = 85.0  # percent of a cell's PRBs from which slices compete for them; schedulers leave some
SPAN = 20.0  # seconds before it was set
RECENT = 3.0  # seconds that a report at most is older than the moment that it stands for
_WAYS = ((Metric.UP_DELAY_MS, Metric.UP_PRBS), (Metric.DOWN_DELAY_MS, Metric.DOWN_PRBS))


@dataclass(frozen=True, slots=True)
class Before:
    """By direction, of reports under load."""

    # Milliseconds that it waited, and that the longest of the others did, at the same moment.
    waits: Mapping[Metric, list[tuple[float, float]]] = field(default_factory=dict)
    # Percent of the cell's PRBs that the others had together.
    others: Mapping[Metric, list[float]] = field(default_factory=dict)


def fared(histories: Histories, cell: CellKey, snssai: Snssai, since: float) -> Before:
    """What reports said until then; each counts once."""
    waits: dict[Metric, list[tuple[float, float]]] = {delay: [] for delay, _ in _WAYS}
    used: dict[Metric, list[float]] = {prbs: [] for _, prbs in _WAYS}
    seen = counted = float("-inf")
    for loads in _moments(histories, cell, since):
        whole, own = loads.get(None), loads.get(snssai)
        others = [load for each, load in loads.items() if each not in (None, snssai)]
        for delay, prbs in _WAYS:
            use = None if whole is None else getattr(whole, prbs.value)
            if whole is None or use is None or use < FULL:
                continue
            shares = _known(others, prbs)
            if whole.at > seen and shares:
                used[prbs].append(sum(shares))
            wait = None if own is None else getattr(own, delay.value)
            longest = max(_known(others, delay), default=0.0)
            if own is not None and own.at > counted and wait is not None and longest > 0:
                waits[delay].append((wait, longest))
        seen = seen if whole is None else whole.at
        counted = counted if own is None else own.at
    return Before(waits, used)


def _moments(histories: Histories, cell: CellKey, since: float) -> Iterator[
        Mapping[Snssai | None, Load]]:
    at: dict[float, dict[Snssai | None, Load]] = {}
    for key, each in histories.subjects():
        if key == cell:
            for point in histories.of((key, each), since - SPAN):
                if point.at <= since and point.at - point.load.at <= RECENT:
                    at.setdefault(point.at, {})[each] = point.load
    return iter(at.values())


def _known(loads: Iterable[Load], metric: Metric) -> list[float]:
    return [value for load in loads if (value := getattr(load, metric.value)) is not None]
