"""How unlike its training data a flow is, and how unlike it the traffic of a whole network.

Plain arrays and small functions: it knows no trees and no labels. Novelty is of one flow: the
distance to the nearest flows seen in training, in features that were brought to one scale. Drift is
of many: how differently from training their features are spread.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from classifier.errors import DamagedBundle
from pcap_tools.compiled import compiled

BINS = 10  # of the drift signal, for each feature; each had a tenth of the training data


@dataclass(frozen=True)
class Prototypes:
    """Flows of the training data that stand for all of it."""

    features: NDArray[np.int32]  # [used] which of the vector's features are compared
    centre: NDArray[np.float32]  # [used] median in training
    scale: NDArray[np.float32]  # [used] spread in training, above 0
    points: NDArray[np.float32]  # [prototypes, used] on that scale
    nearest: int  # to this many the distance is averaged

    def scaled(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """`vectors` [rows, features] as the prototypes are: [rows, used]."""
        return scale_features(vectors[:, self.features], self.centre, self.scale)

    def distance(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Of each row of `vectors` [rows, features] to what was seen in training."""
        out = np.empty(len(vectors), np.float32)
        _distances(self.scaled(vectors), self._columns, self.nearest, out)
        return out

    @cached_property
    def _columns(self) -> NDArray[np.float32]:
        return np.ascontiguousarray(self.points.T)


def scale_features(
    chosen: NDArray[np.float32], centre: NDArray[np.float32], scale: NDArray[np.float32],
) -> NDArray[np.float32]:
    """One scale for all, outliers drawn in; a missing value counts as the usual one."""
    drawn = np.arcsinh((chosen - centre) / scale)
    return np.ascontiguousarray(np.nan_to_num(drawn, nan=0.0), dtype=np.float32)


@compiled
def _distances(
    rows: NDArray[np.float32], columns: NDArray[np.float32], nearest: int,
    out: NDArray[np.float32],
) -> None:
    """`columns` are the points, [used, prototypes]: so that many are compared at a time."""
    width, count = columns.shape
    best, totals = np.empty(nearest, np.float32), np.empty(count, np.float32)
    for row in range(len(rows)):
        totals[:] = np.float32(0.0)
        for column in range(width):
            value = rows[row, column]
            for point in range(count):
                gap = value - columns[column, point]
                totals[point] += gap * gap
        best[:] = np.inf
        for point in range(count):
            total = totals[point]
            if total < best[nearest - 1]:
                place = nearest - 1
                while place > 0 and best[place - 1] > total:
                    best[place] = best[place - 1]
                    place -= 1
                best[place] = total
        mean = np.float32(0.0)
        for place in range(nearest):
            mean += np.sqrt(best[place])
        out[row] = mean / np.float32(nearest)


@dataclass(frozen=True)
class Drift:
    """How each feature was spread in training."""

    edges: NDArray[np.float32]  # [features, BINS - 1] inner edges of the bins; NaN: none was seen
    shares: NDArray[np.float32]  # [features, BINS + 1] of the bins, then of missing values
    low: NDArray[np.float32]  # [features] below it was one in two hundred
    high: NDArray[np.float32]  # [features] above it was one in two hundred

    def outside(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """The share of each row's known features that lie where training had hardly any."""
        with np.errstate(invalid="ignore"):
            strange = (vectors < self.low) | (vectors > self.high)
        known = ~np.isnan(vectors)
        return np.asarray(strange.sum(axis=1) / np.maximum(known.sum(axis=1), 1), np.float32)

    def index(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """Population stability index of each feature: above 0.25 is called a clear change."""
        now = spread(vectors, self.edges)
        # A share of 0 would make the index infinite after a handful of flows.
        least = 0.5 / max(len(vectors), 2)
        now, before = np.maximum(now, least), np.maximum(self.shares.astype(np.float64), 1e-4)
        return np.asarray(((now - before) * np.log(now / before)).sum(axis=1))


def spread(vectors: NDArray[np.float32], edges: NDArray[np.float32]) -> NDArray[np.float64]:
    """Shares of the values in each bin, then of missing ones: [features, bins + 1]."""
    out = np.zeros((len(edges), BINS + 1))
    for feature, inner in enumerate(edges):
        column = vectors[:, feature]
        known = column[~np.isnan(column)]
        if not np.isnan(inner).any():
            out[feature, :BINS] = np.bincount(np.searchsorted(inner, known), minlength=BINS)
        else:
            out[feature, 0] = len(known)
        out[feature, BINS] = len(column) - len(known)
    return out / max(len(vectors), 1)


def learn_drift(vectors: NDArray[np.float32]) -> Drift:
    """The spread of `vectors` [rows, features]; a column without any value stays without."""
    count = vectors.shape[1]
    edges = np.full((count, BINS - 1), np.nan, np.float32)
    low, high = np.full(count, -np.inf, np.float32), np.full(count, np.inf, np.float32)
    for feature in range(count):
        known = vectors[:, feature][~np.isnan(vectors[:, feature])]
        if len(known):
            edges[feature] = np.quantile(known, np.arange(1, BINS) / BINS)
            low[feature], high[feature] = np.quantile(known, (0.005, 0.995))
    return Drift(edges, spread(vectors, edges).astype(np.float32), low, high)


def check_prototypes(prototypes: Prototypes, features: int) -> Prototypes:
    """The same, once its arrays are known to fit each other and vectors of `features`."""
    used = len(prototypes.features)
    fits = (prototypes.points.ndim == 2 and prototypes.points.shape[1] == used > 0
            and prototypes.centre.shape == prototypes.scale.shape == (used,)
            and bool((prototypes.features >= 0).all())
            and bool((prototypes.features < features).all())
            and bool(np.isfinite(prototypes.points).all())
            and bool(np.isfinite(prototypes.centre).all())
            and bool((prototypes.scale > 0).all())
            and 1 <= prototypes.nearest <= len(prototypes.points))
    if not fits:
        raise DamagedBundle("The model's prototypes do not fit its features.",
                            "Get or train it anew.")
    return prototypes


def check_drift(drift: Drift, features: int) -> Drift:
    """The same, once its arrays are known to fit vectors of `features`."""
    if not (drift.edges.shape == (features, BINS - 1) and drift.low.shape == (features,)
            and drift.shares.shape == (features, BINS + 1) and drift.high.shape == (features,)):
        raise DamagedBundle("The model's drift signal does not fit its features.",
                            "Get or train it anew.")
    return drift
