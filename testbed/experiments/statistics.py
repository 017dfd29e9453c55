"""What samples say: means with intervals, pairs, effect sizes, and Holm's correction. Pure.

    mean_of([38.0, 41.0, 37.5])               # Student's t
    paired([110.0, 96.0], [41.0, 39.0])       # the second over the first, by logarithms

Fewer than two values have no interval, and no test: both are None, which is not 0.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95
RESAMPLES = 2000  # of a bootstrap
BOOTSTRAP_SEED = 20_260_101  # the same report every time


@dataclass(frozen=True)
class Estimate:
    """A figure and where it may lie."""

    value: float
    low: float | None
    high: float | None
    count: int
    method: str  # of the interval


@dataclass(frozen=True)
class Contrast:
    """One thing in proportion to another, or less it."""

    change: Estimate  # a ratio, or a difference
    ratio: bool
    pairs: bool  # by pairs of one seed; else of two independent samples
    p: float | None  # two-sided
    effect: float | None  # Cohen's d (of pairs: d_z), with Hedges' correction
    test: str


def mean_of(values: Sequence[float], confidence: float = CONFIDENCE) -> Estimate | None:
    """The mean with its interval by Student's t; None of nothing."""
    if not values:
        return None
    mean, half = statistics.fmean(values), half_width(values, confidence)
    return Estimate(mean, None if half is None else mean - half,
                    None if half is None else mean + half, len(values), "Student's t")


def median_of(values: Sequence[float], confidence: float = CONFIDENCE) -> Estimate | None:
    """The median with its interval by bootstrap (percentiles)."""
    if not values:
        return None
    middle = statistics.median(values)
    if len(values) < 2:
        return Estimate(middle, None, None, 1, "bootstrap")
    chance = np.random.default_rng(BOOTSTRAP_SEED)
    drawn = np.median(chance.choice(np.asarray(values, float), (RESAMPLES, len(values))), axis=1)
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(middle, float(low), float(high), len(values), "bootstrap")


def half_width(values: Sequence[float], confidence: float = CONFIDENCE) -> float | None:
    """Of the mean's interval."""
    from scipy.stats import t

    if len(values) < 2:
        return None
    error = statistics.stdev(values) / math.sqrt(len(values))
    return float(t.ppf((1 + confidence) / 2, len(values) - 1)) * error


def paired(base: Sequence[float], other: Sequence[float], ratio: bool = True,
           confidence: float = CONFIDENCE) -> Contrast | None:
    """`other` against `base`, value by value of the same seed; None of nothing.

    A ratio is the geometric mean of the pairs' ratios. Where a value is not above 0 there is no
    ratio, and it is the difference all the same.
    """
    if len(base) != len(other):
        raise ValueError("pairs have two values")
    if not base:
        return None
    ratio = ratio and min(*base, *other) > 0
    changes = [(math.log(two / one) if ratio else two - one)
               for one, two in zip(base, other, strict=True)]
    p, effect = _test_pairs(changes)
    return Contrast(_estimate(changes, half_width(changes, confidence), ratio), ratio, True, p,
                    effect, "paired t-test" + (" of logarithms" if ratio else ""))


def _test_pairs(changes: Sequence[float]) -> tuple[float | None, float | None]:
    from scipy.stats import t

    if len(changes) < 2:
        return None, None
    mean, spread = statistics.fmean(changes), statistics.stdev(changes)
    if spread < 1e-12 * max(1.0, abs(mean)):  # alike in every pair
        return (1.0, 0.0) if abs(mean) < 1e-12 else (0.0, None)
    size, freedom = mean / spread, len(changes) - 1
    p = 2 * float(t.sf(abs(size) * math.sqrt(len(changes)), freedom))
    return p, size * hedges(freedom) if freedom > 1 else None  # of two pairs it says nothing


def unpaired(base: Sequence[float], other: Sequence[float], ratio: bool = True,
             confidence: float = CONFIDENCE) -> Contrast | None:
    """The same of two samples that have nothing to do with each other, by Welch."""
    from scipy.stats import t

    if not base or not other:
        return None
    ratio = ratio and min(*base, *other) > 0
    one, two = ([math.log(value) if ratio else value for value in side] for side in (base, other))
    difference, test = statistics.fmean(two) - statistics.fmean(one), "Welch's t-test" + (
        " of logarithms" if ratio else "")
    if min(len(one), len(two)) < 2:
        found = Estimate(math.exp(difference) if ratio else difference, None, None,
                         len(one) + len(two), "Student's t")
        return Contrast(found, ratio, False, None, None, test)
    parts = [statistics.variance(side) / len(side) for side in (one, two)]
    error = math.sqrt(sum(parts))
    if error < 1e-12:
        same = abs(difference) < 1e-12
        return Contrast(_estimate([difference], 0.0, ratio), ratio, False, 1.0 if same else 0.0,
                        0.0 if same else None, test)
    freedom = sum(parts) ** 2 / sum(
        part ** 2 / (len(side) - 1) for part, side in zip(parts, (one, two), strict=True))
    half = float(t.ppf((1 + confidence) / 2, freedom)) * error
    spread = math.sqrt(statistics.fmean([statistics.variance(one), statistics.variance(two)]))
    return Contrast(
        _estimate([difference], half, ratio, len(one) + len(two)), ratio, False,
        2 * float(t.sf(abs(difference) / error, freedom)),
        difference / spread * hedges(len(one) + len(two) - 2), test)


def _estimate(changes: Sequence[float], half: float | None, ratio: bool,
              count: int | None = None) -> Estimate:
    mean = statistics.fmean(changes)
    back = math.exp if ratio else float
    return Estimate(back(mean), None if half is None else back(mean - half),
                    None if half is None else back(mean + half), count or len(changes),
                    "Student's t" + (" of logarithms" if ratio else ""))


def hedges(freedom: int) -> float:
    """What corrects an effect's size for how few values there are."""
    return math.sqrt(2 / freedom) * math.gamma(freedom / 2) / math.gamma((freedom - 1) / 2) if (
        1 < freedom < 100) else 1 - 3 / (4 * freedom - 1)


def holm(ps: Sequence[float | None]) -> list[float | None]:
    """Chances corrected for how many were looked at; what was not tested stays out."""
    known = sorted((p, place) for place, p in enumerate(ps) if p is not None)
    corrected: list[float | None] = [None] * len(ps)
    highest = 0.0
    for rank, (p, place) in enumerate(known):
        highest = max(highest, min(1.0, p * (len(known) - rank)))
        corrected[place] = highest
    return corrected
