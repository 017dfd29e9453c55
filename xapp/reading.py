"""Values of one KPM report, in the order in which a node sends them, as a load's figures.

Which value goes where is worked out once for each list of measurements, not for each UE. Values
that cannot be (below zero, not finite, none) are missing.

Volumes and counts are of a period: of the report's own, or, where a node renews its figures by a
clock of its own (srsRAN, as its source says), of one of those, however often or seldom it is asked.
Rates are reckoned from them by that period. It knows no UEs and keeps no loads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from xapp.e2.kpm import Report
from xapp.e2.measurements import Measurement
from xapp.e2.sequences import twin
from xapp.observations import Load, Snssai
from xapp.units import FIELDS, LOAD_FIELDS, PLACE, Units

Figures = tuple[float | None, ...]  # in the order of units.FIELDS
_EMPTY: Figures = (None,) * len(FIELDS)
_NO_VOLUMES = _EMPTY[LOAD_FIELDS:]
_make_load = twin(Load, [one.name for one in fields(Load)])
MOST = 1e15  # of any figure
ROUNDED = 0.5  # percent that a whole one may be too much
DOWN_KBPS, UP_KBPS, DOWN_PRBS, UP_PRBS = (PLACE[name] for name in (
    "down_kbps", "up_kbps", "down_prbs", "up_prbs"))
_RECKONED = (  # field, kbit of a period, PRBs used and available, PRBs counted
    (DOWN_KBPS, PLACE["down_kbit"], DOWN_PRBS, PLACE["down_used"], PLACE["down_available"],
     PLACE["down_count"]),
    (UP_KBPS, PLACE["up_kbit"], UP_PRBS, PLACE["up_used"], PLACE["up_available"],
     PLACE["up_count"]))
Steps = list[tuple[int, int, float]]  # index of the value, place of the figure, scale


class Reader:
    """Reads the reports of one subscription."""

    def __init__(self, source: object, units: Units, asked: tuple[Measurement, ...],
                 granularity: int) -> None:
        self.source = source
        self._units, self._asked, self._granularity = units, asked, granularity
        self._for: Any = None  # the list of measurements that the steps are of
        self._ue: Steps = []
        self._cell: dict[Snssai | None, Steps] = {}

    def of_ue(self, report: Report) -> Figures:
        """One UE's latest figures."""
        self._prepare(report)
        return _figures(report, self._ue)

    def of_cell(self, report: Report) -> dict[Snssai | None, Figures]:
        """The latest figures of a cell (None) and of its slices."""
        self._prepare(report)
        return {snssai: _figures(report, steps) for snssai, steps in self._cell.items()}

    def _prepare(self, report: Report) -> None:
        measurements = report.measurements or self._asked
        if measurements is self._for:
            return
        self._for, self._ue, self._cell = measurements, [], {}
        place = 0
        for one in measurements:
            unit = self._units.measurements.get(one.name) if isinstance(one.name, str) else None
            for number, label in enumerate(one.labels):
                if unit is not None:
                    step = (place, unit.place, unit.scale)
                    if number == 0:
                        self._ue.append(step)
                    snssai = (None if label.slice is None
                              else Snssai(label.slice.sst, label.slice.sd))
                    if unit.for_cell:
                        self._cell.setdefault(snssai, []).append(step)
                place += 1


def _figures(report: Report, steps: Steps) -> Figures:
    if not report.data:
        return _EMPTY
    records = report.data[-1].records
    out: list[float | None] = list(_EMPTY)
    count = len(records)
    for index, place, scale in steps:
        if index < count:
            value = records[index]
            # None and Unmet are no numbers; a number below zero comes of a counter that ran over.
            if (type(value) is int or type(value) is float) and 0 <= value <= MOST:
                out[place] = value * scale
    return tuple(out)


def load_of(
    figures: Figures, at: float, granularity: int, prbs: int | None, units: Units
) -> Load:
    """A load; rates and shares are reckoned from volumes and counts where they are missing.

    `granularity`: milliseconds that a report says it covers.
    """
    values: Sequence[float | None] = figures[:LOAD_FIELDS]
    if figures[LOAD_FIELDS:] != _NO_VOLUMES:
        values = _reckoned(values, figures, units.period or granularity / 1000, prbs, units)
    down_kbps, up_kbps, down_prbs, up_prbs, down_delay, up_delay, drops = values
    if down_prbs is not None and down_prbs > 100:
        down_prbs = 100.0
    if up_prbs is not None and up_prbs > 100:
        up_prbs = 100.0
    load: Load = _make_load(at, down_kbps, up_kbps, down_prbs, up_prbs, down_delay, up_delay, drops,
                            ROUNDED if _rounded(down_prbs, up_prbs) else 0.0)
    load.__class__ = Load
    return load


def _rounded(down: float | None, up: float | None) -> bool:
    """Whether these are whole percents, as 3GPP TS 28.552 has it, of what was a fraction."""
    return bool(down or up) and not (down or 0.0) % 1 and not (up or 0.0) % 1


def _reckoned(
    known: Sequence[float | None], figures: Figures, seconds: float, prbs: int | None, units: Units
) -> list[float | None]:
    values = list(known)
    for kbps, kbit, share, used, available, count in _RECKONED:
        volume, counted = figures[kbit], figures[count]
        if values[kbps] is None and volume is not None and seconds > 0:
            values[kbps] = volume / seconds
        if values[share] is not None:
            continue
        taken, left = figures[used], figures[available]
        if taken is not None and left is not None and taken + left > 0:
            values[share] = 100 * taken / (taken + left)
        elif counted is not None and prbs and seconds > 0:
            values[share] = 100 * counted / (prbs * units.slots_per_second * seconds)
    return values

