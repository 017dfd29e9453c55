"""Values in bins, by which boosting looks for thresholds; common values have bins of their own.

scikit-learn 1.9 would find its own bins by sorting all samples anew for each of them. Pure.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

BINS = 64  # of a feature that hold about as much: as good as 255 here, in a third of the time
COMMON = 1 / 300  # of what is known of a feature: a value that so many have gets a bin of its own,
MOST_COMMON = 60  # and so many values at most
MOST_BINS = 255  # that scikit-learn takes


def bin_edges(vectors: Floats) -> list[Floats]:
    """What divides each column into parts that hold about as much, and sets common values apart.

    A size that a protocol always has says more than those beside it.
    """
    edges = []
    for column in vectors.T:
        known = column[~np.isnan(column)]
        values, counts = np.unique(known, return_counts=True)
        between = (values[:-1] + values[1:]) / np.float32(2)
        if len(values) <= BINS:
            edges.append(np.unique(between))
            continue
        common = np.flatnonzero(counts >= max(COMMON * len(known), 2))
        common = common[np.argsort(-counts[common], kind="stable")[:MOST_COMMON]]
        beside = np.concatenate([common - 1, common])
        apart = between[beside[(beside >= 0) & (beside < len(between))]]
        quantiles = np.quantile(known, np.arange(1, BINS) / BINS).astype(np.float32)
        edges.append(np.unique(np.concatenate([quantiles, apart])))
    return edges


def binned(vectors: Floats, edges: list[Floats]) -> Floats:
    """The number of each value's bin; what is missing stays so."""
    out = np.empty_like(vectors)
    for column, inner in enumerate(edges):
        values = vectors[:, column]
        out[:, column] = np.where(np.isnan(values), np.nan, np.searchsorted(inner, values))
    return out
