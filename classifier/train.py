"""Fits models to samples: weights, columns, three kinds of model, all asked in the same way.

scikit-learn is loaded when something is fitted, and pinned to one thread: its threads fight over
busy cores for longer than they compute. It knows neither files nor how models are judged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from classifier.dataset import Samples
from classifier.errors import DataError
from classifier.export import flatten
from classifier.openset import scale_features
from classifier.trees import LEAF, Trees

Shares = NDArray[np.float64]  # [rows, classes of the model]
Floats = NDArray[np.float32]
BINS = 64  # of a feature: as good as 255 here, in a third of the time


@dataclass(frozen=True)
class Recipe:
    """How a model is made; with the seed and the data it is all there is to know."""

    kind: str = "boosting"  # or forest, or linear
    robust: bool = False  # only features that survive a change of network
    augmented: bool = True  # learn from varied flows too
    trees: int = 60  # rounds of boosting, or trees of a forest
    leaves: int = 24  # of a tree of a boosting
    rate: float = 0.12  # learning rate of a boosting
    least: int = 20  # samples in a leaf
    depth: int = 16  # of a forest's trees
    balance: float = 0.7  # 0: classes count by their samples, 1: all the same


class Fitted(Protocol):
    """A model that was fitted."""

    @property
    def classes(self) -> NDArray[np.int16]: ...  # codes, in the order of the columns

    def probabilities(self, vectors: Floats) -> Shares: ...


@dataclass(frozen=True)
class FittedTrees:
    """Boosting or forest, flattened; `original` is scikit-learn's, for comparison."""

    classes: NDArray[np.int16]
    trees: Trees
    original: Any
    columns: NDArray[np.int64]
    edges: list[Floats] | None = None  # of the bins that the original was given, of each column

    def probabilities(self, vectors: Floats) -> Shares:
        return self.trees.probabilities(vectors)

    def difference(self, vectors: Floats) -> float:
        """The largest one from what scikit-learn says."""
        with one_thread():
            chosen = vectors[:, self.columns]
            expected = self.original.predict_proba(
                chosen if self.edges is None else binned(chosen, self.edges))
        return float(np.abs(self.probabilities(vectors) - expected).max(initial=0.0))


@dataclass(frozen=True)
class FittedLinear:
    """Logistic regression on features brought to one scale; missing ones count as usual."""

    classes: NDArray[np.int16]
    original: Any
    columns: NDArray[np.int64]
    centre: Floats
    scale: Floats

    def probabilities(self, vectors: Floats) -> Shares:
        with one_thread():
            return np.asarray(self.original.predict_proba(
                scale_features(vectors[:, self.columns], self.centre, self.scale)))


def fit(samples: Samples, recipe: Recipe, robust: NDArray[np.bool_], seed: int) -> Fitted:
    """Fit to all of `samples`; `robust` says which features a robust recipe may use."""
    if not recipe.augmented:
        samples = samples.where(samples.variants == 0)
    classes = np.unique(samples.labels)
    if len(classes) < 2:
        raise DataError("A model needs at least two classes to tell apart.",
                        "Give it more of the data.")
    columns = usable(samples.vectors, robust if recipe.robust else np.ones_like(robust))
    vectors, codes = samples.vectors[:, columns], np.searchsorted(classes, samples.labels)
    shares = weights(samples, recipe.balance)
    make: dict[str, Callable[[], Fitted]] = {
        "boosting": lambda: _binned_trees(_boosting(recipe, seed), vectors, codes, shares,
                                          classes, columns, samples.vectors.shape[1]),
        "forest": lambda: _trees(_forest(recipe, seed), vectors, codes, shares, classes, columns,
                                 samples.vectors.shape[1]),
        "linear": lambda: _linear(vectors, codes, shares, classes, columns, seed),
    }
    with one_thread():
        return make[recipe.kind]()


def usable(vectors: Floats, allowed: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Columns that are allowed and have at least two values: no model can use the others.

    scikit-learn 1.9.1 fails on a column that is missing everywhere.
    """
    missing = np.isnan(vectors)
    lowest = np.where(missing, np.inf, vectors).min(axis=0, initial=np.inf)
    highest = np.where(missing, -np.inf, vectors).max(axis=0, initial=-np.inf)
    varied = (lowest < highest) | ((lowest == highest) & missing.any(axis=0))
    return np.flatnonzero(allowed & varied)


def weights(samples: Samples, balance: float) -> NDArray[np.float64]:
    """What each sample counts: captures of a class alike, and classes as `balance` says.

    A capture with a hundred flows says little more than one with ten, as they resemble each other.
    """
    if not len(samples):
        return np.zeros(0)
    cell = samples.captures.astype(np.int64) * 64 + samples.labels
    _, place, sizes = np.unique(cell, return_inverse=True, return_counts=True)
    share = 1 / np.sqrt(sizes[place])
    totals = np.bincount(samples.labels, weights=share)
    share *= (totals[samples.labels] / totals.max()) ** -balance
    return np.asarray(share / share.mean())


def one_thread() -> Any:
    """A context in which OpenMP and BLAS keep to one thread."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(limits=1)


def usual(vectors: Floats) -> tuple[Floats, Floats]:
    """Median and spread of each column of which something is known."""
    centre = np.nanmedian(vectors, axis=0).astype(np.float32)
    low, high = np.nanquantile(vectors, (0.1, 0.9), axis=0)
    spread = np.where(high > low, (high - low) / 2, np.maximum(np.abs(centre), 1))
    return centre, spread.astype(np.float32)


def _boosting(recipe: Recipe, seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(
        max_iter=recipe.trees, max_leaf_nodes=recipe.leaves, learning_rate=recipe.rate,
        min_samples_leaf=recipe.least, l2_regularization=1.0, max_features=0.3,
        max_bins=BINS, early_stopping=False, random_state=seed)


def _forest(recipe: Recipe, seed: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(
        recipe.trees, max_depth=recipe.depth, min_samples_leaf=max(recipe.least // 4, 1),
        n_jobs=1, random_state=seed)


def bin_edges(vectors: Floats) -> list[Floats]:
    """What divides each column into at most BINS parts that hold about as much."""
    edges = []
    for column in vectors.T:
        known = np.unique(column[~np.isnan(column)])
        if len(known) > BINS:
            quantiles = np.quantile(column[~np.isnan(column)], np.arange(1, BINS) / BINS)
            edges.append(np.unique(quantiles.astype(np.float32)))
        else:
            edges.append(np.unique((known[:-1] + known[1:]) / np.float32(2)))
    return edges


def binned(vectors: Floats, edges: list[Floats]) -> Floats:
    """The number of each value's bin; what is missing stays so."""
    out = np.empty_like(vectors)
    for column, inner in enumerate(edges):
        values = vectors[:, column]
        out[:, column] = np.where(np.isnan(values), np.nan, np.searchsorted(inner, values))
    return out


def _binned_trees(
    model: Any, vectors: Floats, codes: NDArray[np.int64], shares: NDArray[np.float64],
    classes: NDArray[np.int16], columns: NDArray[np.int64], features: int,
) -> FittedTrees:
    """Fit to numbers of bins, and say the trees' thresholds in the features' own units.

    scikit-learn 1.9 looks for bins by sorting all samples anew for each of them.
    """
    edges = bin_edges(vectors)
    fitted = _trees(model, binned(vectors, edges), codes, shares, classes, columns, features)
    nodes = fitted.trees.nodes.copy()
    place = {int(column): place for place, column in enumerate(columns)}
    for node in np.flatnonzero((nodes["feature"] != LEAF) & np.isfinite(nodes["threshold"])):
        # A value is in bin k or below it if it is not above edge k.
        inner = edges[place[int(nodes["feature"][node])]]
        nodes["threshold"][node] = inner[int(np.floor(nodes["threshold"][node]))]
    return replace(fitted, trees=replace(fitted.trees, nodes=nodes), edges=edges)


def _trees(
    model: Any, vectors: Floats, codes: NDArray[np.int64], shares: NDArray[np.float64],
    classes: NDArray[np.int16], columns: NDArray[np.int64], features: int,
) -> FittedTrees:
    model.fit(vectors, codes, sample_weight=shares)
    trees = flatten(model)
    nodes = trees.nodes.copy()
    inner = nodes["feature"] != LEAF
    nodes["feature"][inner] = columns[nodes["feature"][inner]]
    return FittedTrees(classes, replace(trees, nodes=nodes, features=features), model, columns)


def _linear(
    vectors: Floats, codes: NDArray[np.int64], shares: NDArray[np.float64],
    classes: NDArray[np.int16], columns: NDArray[np.int64], seed: int,
) -> FittedLinear:
    from sklearn.linear_model import LogisticRegression

    centre, scale = usual(vectors)
    model = LogisticRegression(max_iter=300, tol=1e-3, random_state=seed)
    model.fit(scale_features(vectors, centre, scale), codes, sample_weight=shares)
    return FittedLinear(classes, model, columns, centre, scale)
