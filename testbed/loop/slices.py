"""What each slice got, phase by phase, and whether a floor was broken: from the cells' reports.

Pure. Each cell is looked at by itself: a floor that is kept in one is not thereby kept in another.
It is broken only where packets of the slice waited, in several reports on end: who asks for nothing
gets nothing.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WAITING_MS = 50.0  # of a slice's packets: from here on it wants more than it gets
REPORTS_ON_END = 3  # one and a half seconds; a single report may be of the crowd's first packets


@dataclass(frozen=True, slots=True)
class SliceSample:
    """One report of a slice; None is what it did not say."""

    at: float  # seconds since the first phase began
    slice: str
    down_kbps: float | None
    up_kbps: float | None
    down_prbs: float | None  # percent of the cell's
    up_prbs: float | None
    down_delay_ms: float | None
    up_delay_ms: float | None
    cell: str = ""  # its NR cell identity; older runs kept none


@dataclass(frozen=True)
class SliceFigures:
    """A slice in a phase; None is what was not measured."""

    slice: str
    phase: str
    down_mbps: float | None
    up_mbps: float | None
    down_prbs: float | None  # percent, mean
    up_prbs: float | None
    down_delay_ms: float | None  # mean over reports
    floor: int | None  # percent that it keeps; None: it has none
    waiting_reports: int  # in which its packets waited
    floor_violated: bool | None  # None: it has no floor, or its packets never waited
    cell: str = ""  # as a report's


def sample_of(document: Mapping[str, Any], at: float) -> SliceSample:
    """Of a slice as the xApp's API tells it."""
    load = document["load"]
    return SliceSample(
        at, document["snssai"], load.get("down_kbps"), load.get("up_kbps"), load.get("down_prbs"),
        load.get("up_prbs"), load.get("down_delay_ms"), load.get("up_delay_ms"),
        document["cell"].rpartition("/")[2])


def all_figures(samples: Sequence[SliceSample], floors: Mapping[str, int | None],
                phases: Sequence[tuple[str, float, float]]) -> list[SliceFigures]:
    """Of each slice in each cell that reported it; `floors` has all slices."""
    return [slice_figures([one for one in samples if one.cell == cell], slice_, name, begin, end,
                          floor, cell)
            for slice_, floor in floors.items()
            for cell in sorted({one.cell for one in samples if one.slice == slice_}) or [""]
            for name, begin, end in phases]


def together(figures: Sequence[SliceFigures], slices: Collection[str], phase: str,
             name: str) -> float | None:
    """A rate of those slices in all cells, added up, or the longest of their delays."""
    known = [value for one in figures if one.slice in slices and one.phase == phase
             and (value := getattr(one, name)) is not None]
    if not known:
        return None
    return float(max(known) if name.endswith("delay_ms") else sum(known))


def slice_figures(samples: Sequence[SliceSample], slice_: str, phase: str, begin: float,
                  end: float, floor: int | None, cell: str = "") -> SliceFigures:
    """What one cell's reports of [begin, end) come to."""
    mine = [one for one in samples if one.slice == slice_ and begin <= one.at < end]
    down, up = _mean(mine, lambda one: one.down_kbps), _mean(mine, lambda one: one.up_kbps)
    waited = [_waits(one) for one in mine]
    violated = None
    if floor is not None and any(waited):
        violated = _on_end([_below(one, floor) for one in mine]) >= REPORTS_ON_END
    return SliceFigures(
        slice_, phase, None if down is None else down / 1000, None if up is None else up / 1000,
        _mean(mine, lambda one: one.down_prbs), _mean(mine, lambda one: one.up_prbs),
        _mean(mine, lambda one: one.down_delay_ms), floor, sum(waited), violated, cell)


def _waits(one: SliceSample) -> bool:
    return any(delay is not None and delay >= WAITING_MS
               for delay in (one.down_delay_ms, one.up_delay_ms))


def _below(one: SliceSample, floor: int) -> bool:
    """Whether packets wait in a direction in which the slice has less than its floor."""
    return any(
        delay is not None and prbs is not None and delay >= WAITING_MS and prbs < floor
        for delay, prbs in ((one.down_delay_ms, one.down_prbs), (one.up_delay_ms, one.up_prbs)))


def _on_end(found: Sequence[bool]) -> int:
    most = count = 0
    for one in found:
        count = count + 1 if one else 0
        most = max(most, count)
    return most


def _mean(samples: Sequence[SliceSample],
          value: Callable[[SliceSample], float | None]) -> float | None:
    known = [found for one in samples if (found := value(one)) is not None]
    return statistics.fmean(known) if known else None
