"""Labels what a UE does from its gNB's counters alone, where no packets can be seen.

One row for each report goes in; a label with its confidence comes out. The labels are the three
kinds of traffic of the 5G service types and `idle`, which is a rule and not learnt: nothing of the
user's in the last 4 s. It reads no clock, opens no connection and knows no E2: whoever has reports
makes a `KpiRow` of each and says when it came.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from classifier.bundle import Bundle, load
from classifier.kpi_features import COLUMNS, LONGEST, SCHEMA, KpiRow, vector_now
from classifier.labels import UNKNOWN

IDLE = "idle"
CLASSES = ("embb", "mmtc", "urllc")
MEANINGS = {
    "embb": "much data: films, pages, downloads, uploads",
    "mmtc": "little, now and then: what devices do unasked, messages",
    "urllc": "steady and both ways: calls, conferences, augmented reality",
    IDLE: "nothing but the cell's own signalling in the last 4 s",
    UNKNOWN: "too little is known or believed to say",
}
BUNDLED = Path(__file__).parent / "models" / "kpi"
ROW_SECONDS = 0.25  # what a row of a history covers; the training data was reported so
# Per report, not per second: they are divided or added up where the period differs.
_SUMMED = tuple(COLUMNS.index(name)
                for name in ("downlink_blocks", "downlink_prbs", "uplink_blocks"))


@dataclass(frozen=True)
class KpiConfig:
    """How reports are read."""

    period: float = 0.25  # seconds that one report covers
    away: float = 2.5  # seconds without a report after which a UE starts anew
    first: int = 4  # rows before the first label
    least: float = 0.0  # confidence below which the label is `unknown`
    ues: int = 10_000  # remembered at a time; the one not heard of for longest goes first

    def __post_init__(self) -> None:
        if not (0 < self.period <= 60 and self.first >= 1 and self.ues >= 1):
            raise ValueError("a period of up to 60 s, one row and one UE are the least")


@dataclass(frozen=True)
class KpiLabel:
    """What one UE does now."""

    label: str  # a class of the bundle, IDLE or UNKNOWN
    confidence: float  # calibrated probability of the best class; 1 of IDLE
    probabilities: tuple[float, ...]  # of the bundle's classes, as if the UE were not idle
    rows: int  # of history that the label rests on
    at: float  # seconds, `now` of the report that decided it


@dataclass
class _History:
    """The last rows of one UE in one array, moved to its front now and then."""

    rows: NDArray[np.float32] = field(
        default_factory=lambda: np.empty((2 * LONGEST, len(COLUMNS)), np.float32))
    end: int = 0
    last: float = -math.inf  # seconds
    waiting: list[NDArray[np.float32]] = field(default_factory=list)

    def add(self, row: NDArray[np.float32]) -> None:
        if self.end == len(self.rows):
            self.rows[:LONGEST] = self.rows[-LONGEST:]
            self.end = LONGEST
        self.rows[self.end] = row
        self.end += 1

    def known(self) -> NDArray[np.float32]:
        return self.rows[max(0, self.end - LONGEST):self.end]


class KpiClassifier:
    """Labels for the UEs of any number of cells, one report at a time."""

    def __init__(self, bundle: Bundle, config: KpiConfig = KpiConfig()) -> None:
        self._bundle = bundle
        self._config = config
        self._histories: OrderedDict[Hashable, _History] = OrderedDict()
        ratio = config.period / ROW_SECONDS
        self._repeat = max(1, round(ratio))
        self._merge = max(1, round(1 / ratio))

    def __len__(self) -> int:
        return len(self._histories)

    def update(self, ue: Hashable, row: KpiRow, now: float) -> KpiLabel | None:
        """Take one report of `ue`; None while too little is known, or where time went back."""
        history = self._history(ue, now)
        if now <= history.last:
            return None
        self._miss(history, now)
        history.last = now
        if not self._take(history, row.values()) or history.end < self._config.first:
            return None
        return self._label(history, now)

    def forget(self, ue: Hashable) -> None:
        """The UE left, or does something else from now on."""
        self._histories.pop(ue, None)

    def _history(self, ue: Hashable, now: float) -> _History:
        history = self._histories.pop(ue, None)
        if history is None or now - history.last > max(self._config.away, 3 * self._config.period):
            history = _History()
        self._histories[ue] = history
        if len(self._histories) > self._config.ues:
            self._histories.popitem(last=False)
        return history

    def _miss(self, history: _History, now: float) -> None:
        """Reports that never came are rows of which nothing is known."""
        if history.end and math.isfinite(history.last):
            lost = round((now - history.last) / self._config.period) - 1
            nothing = np.full(len(COLUMNS), np.nan, np.float32)
            for _ in range(max(0, lost) * self._repeat // self._merge):
                history.add(nothing)

    def _take(self, history: _History, values: NDArray[np.float32]) -> bool:
        """Add rows of the model's period; False while a row is incomplete."""
        if self._merge > 1:
            history.waiting.append(values)
            if len(history.waiting) < self._merge:
                return False
            values = _merged(np.stack(history.waiting))
            history.waiting.clear()
        elif self._repeat > 1:
            values[list(_SUMMED)] /= self._repeat
        for _ in range(self._repeat):
            history.add(values)
        return True

    def _label(self, history: _History, now: float) -> KpiLabel:
        known = history.known()
        vector, idle = vector_now(known)
        answer = self._bundle.predict(None, vector[None])
        shares = tuple(float(share) for share in answer.probabilities[0])
        if idle:
            return KpiLabel(IDLE, 1.0, shares, len(known), now)
        confidence = float(answer.confidence[0])
        nothing = bool(np.isnan(known[-1]).all()) or confidence < self._config.least
        label = UNKNOWN if nothing else answer.names()[0]
        return KpiLabel(label, confidence, shares, len(known), now)


def load_kpi(folder: Path | str = BUNDLED) -> Bundle:
    """The bundle in `folder`, which must be for these KPIs."""
    return load(folder, SCHEMA)


def _merged(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """One row of several shorter ones; what none of them knows stays unknown."""
    known = ~np.isnan(rows)
    total = np.where(known, rows, 0).sum(axis=0)
    count = known.sum(axis=0)
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    mean[list(_SUMMED)] *= len(rows)
    return np.asarray(mean, np.float32)
