"""How good answers are, and how sure that is: counts, rates, curves, intervals.

Pure numbers: it knows no model and no files. Intervals come from drawing captures anew, as flows of
one capture are no independent witnesses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int16]
DRAWS = 200  # of the captures, for an interval


@dataclass(frozen=True)
class Interval:
    """A figure, and where it lies with 95 % confidence."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def confusion(truth: Codes, said: Codes, classes: int) -> NDArray[np.int64]:
    """How often each class was called what: [classes, classes], rows are the truth."""
    return np.bincount(truth.astype(np.int64) * classes + said, minlength=classes * classes
                       ).reshape(classes, classes)


def recall(table: NDArray[np.int64]) -> NDArray[np.float64]:
    """Of each class, the share that was found; NaN where there is none."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.diag(table) / table.sum(axis=1))


def precision(table: NDArray[np.int64]) -> NDArray[np.float64]:
    """Of what was given each name, the share that was right; NaN where nothing was."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.diag(table) / table.sum(axis=0))


def f1(table: NDArray[np.int64]) -> NDArray[np.float64]:
    """Harmonic mean of both, for each class; NaN where there is none of it."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(table.sum(axis=1) > 0, 2 * np.diag(table) / (
            table.sum(axis=0) + table.sum(axis=1)), np.nan))


def accuracy(table: NDArray[np.int64]) -> float:
    """The share of right answers."""
    return float(np.trace(table) / max(table.sum(), 1))


def macro_f1(table: NDArray[np.int64]) -> float:
    """The mean of every class's F1 that is there."""
    return float(np.nanmean(f1(table))) if table.sum() else float("nan")


def interval(
    truth: Codes, said: Codes, captures: NDArray[np.int32], classes: int,
    figure: Callable[[NDArray[np.int64]], float], seed: int,
) -> Interval:
    """`figure` of the confusion, and what it would be with other captures like these."""
    value = figure(confusion(truth, said, classes))
    _, place = np.unique(captures, return_inverse=True)
    count = int(place.max(initial=-1)) + 1
    if count < 2:
        return Interval(value, float("nan"), float("nan"))
    cell = (place * classes + truth.astype(np.int64)) * classes + said
    tables = np.bincount(cell, minlength=count * classes * classes
                         ).reshape(count, classes, classes)
    random = np.random.default_rng(seed)
    # How often each capture is drawn, times its table: much faster than adding up drawn tables.
    times = np.stack([np.bincount(random.integers(0, count, count), minlength=count)
                      for _ in range(DRAWS)])
    sums = (times @ tables.reshape(count, -1)).reshape(DRAWS, classes, classes)
    drawn = [figure(table) for table in sums]
    known = np.array([one for one in drawn if not np.isnan(one)])
    if not len(known):
        return Interval(value, float("nan"), float("nan"))
    low, high = np.quantile(known, (0.025, 0.975))
    return Interval(value, float(low), float(high))


def auroc(inside: NDArray[np.floating], outside: NDArray[np.floating]) -> float:
    """How surely a score is higher for what is outside: 0.5 is chance, 1 always."""
    if not len(inside) or not len(outside):
        return float("nan")
    order = np.concatenate([inside, outside])
    _, place, counts = np.unique(order, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    above = ranks[len(inside):].sum() - len(outside) * (len(outside) + 1) / 2
    return float(above / (len(inside) * len(outside)))


def calibration_error(confidence: NDArray[np.floating], right: NDArray[np.bool_]) -> float:
    """Expected calibration error, in ten bins with as many answers each."""
    if not len(confidence):
        return float("nan")
    parts = np.array_split(np.argsort(confidence, kind="stable"), 10)
    return float(sum(abs(confidence[part].mean() - right[part].mean()) * len(part)
                     for part in parts if len(part)) / len(confidence))
