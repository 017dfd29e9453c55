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

from classifier import splits
from classifier.bins import MOST_BINS, bin_edges, binned
from classifier.dataset import Samples
from classifier.errors import DataError
from classifier.export import flatten, joined
from classifier.openset import scale_features
from classifier.trees import LEAF, Trees

Shares = NDArray[np.float64]  # [rows, classes of the model]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Recipe:
    """How a model is made; with the seed and the data it is all there is to know."""

    kind: str = "boosting"  # or forest, extra (a forest of random thresholds), linear
    robust: bool = False  # only features that survive a change of network
    augmented: bool = True  # learn from varied flows too
    parts: int = 4  # of the captures; as many models, each without one of them, are joined; 1: one
    trees: int = 15  # rounds of boosting, or trees of a forest, of each
    leaves: int = 24  # of a tree of a boosting
    rate: float = 0.25  # learning rate of a boosting
    least: int = 20  # samples in a leaf
    depth: int = 16  # of a forest's trees
    balance: float = 0.7  # 0: classes count by their samples, 1: all the same
    sources: bool = False  # within a class, all its sources count the same


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

    def original_probabilities(self, vectors: Floats) -> Shares:
        """What scikit-learn says."""
        with one_thread():
            chosen = vectors[:, self.columns]
            return np.asarray(self.original.predict_proba(
                chosen if self.edges is None else binned(chosen, self.edges)))

    def difference(self, vectors: Floats) -> float:
        """The largest one from what scikit-learn says."""
        expected = self.original_probabilities(vectors)
        return float(np.abs(self.probabilities(vectors) - expected).max(initial=0.0))


@dataclass(frozen=True)
class FittedParts:
    """Models of the same classes, each of which has not seen a part of the captures, as one."""

    members: tuple[FittedTrees, ...]
    trees: Trees

    @property
    def classes(self) -> NDArray[np.int16]:
        return self.members[0].classes

    def probabilities(self, vectors: Floats) -> Shares:
        return self.trees.probabilities(vectors)

    def difference(self, vectors: Floats) -> float:
        """The largest one from the mean of what scikit-learn's models say."""
        each = np.stack([member.original_probabilities(vectors) for member in self.members])
        if self.members[0].edges is None:
            expected = each.mean(axis=0)
        else:  # boostings add up logarithms
            expected = np.exp(np.log(each).mean(axis=0))
            expected /= expected.sum(axis=1, keepdims=True)
        return float(np.abs(self.probabilities(vectors) - expected).max(initial=0.0))


@dataclass(frozen=True)
class Unseen:
    """What members say of samples as recorded whose captures they have not seen."""

    rows: NDArray[np.int64]
    shares: Shares  # [rows, classes of the model]
    train: tuple[NDArray[np.int64], ...]  # what each member learnt from
    member: NDArray[np.int64]  # which one was asked


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
    if recipe.parts > 1 and recipe.kind != "linear":
        return fit_parts(samples, recipe, robust, seed)[0]
    return fit_one(samples, recipe, robust, seed)


def fit_parts(
    samples: Samples, recipe: Recipe, robust: NDArray[np.bool_], seed: int,
    progress: Callable[[str], None] = lambda line: None,
) -> tuple[FittedParts, Unseen]:
    """One model for each part of the captures that it does not see, joined; and what each says
    of its part.

    Calibration and limits cost no further models so, and what is joined tells more than its parts.
    """
    members, rows, shares, train, asked = [], [], [], [], []
    counts = np.bincount(samples.labels)
    for number, split in enumerate(splits.by_capture(samples, recipe.parts, seed)):
        test = split.test[samples.variants[split.test] == 0]
        # All members know all classes; one that is in this part alone is learnt from it as well.
        lost = (np.bincount(samples.labels[split.train], minlength=len(counts)) == 0) & (counts > 0)
        alone = lost[samples.labels]
        seen = np.union1d(split.train, np.flatnonzero(alone))
        model = fit_one(samples.where(seen), recipe, robust, seed + number)
        assert isinstance(model, FittedTrees)
        test = test[~alone[test]]
        members.append(model)
        rows.append(test)
        shares.append(model.probabilities(samples.vectors[test]))
        train.append(seen)
        asked.append(np.full(len(test), number, np.int64))
        progress(f"{recipe.kind}: without {split.name}")
    return (FittedParts(tuple(members), joined([member.trees for member in members])),
            Unseen(np.concatenate(rows), np.concatenate(shares), tuple(train),
                   np.concatenate(asked)))


def fit_one(samples: Samples, recipe: Recipe, robust: NDArray[np.bool_], seed: int) -> Fitted:
    """One model, whatever `recipe.parts` says."""
    if not recipe.augmented:
        samples = samples.where(samples.variants == 0)
    classes = np.unique(samples.labels)
    if len(classes) < 2:
        raise DataError("A model needs at least two classes to tell apart.",
                        "Give it more of the data.")
    columns = usable(samples.vectors, robust if recipe.robust else np.ones_like(robust))
    vectors, codes = samples.vectors[:, columns], np.searchsorted(classes, samples.labels)
    shares = weights(samples, recipe.balance, recipe.sources)

    def trees(model: Any) -> Fitted:
        return _trees(model, vectors, codes, shares, classes, columns, samples.vectors.shape[1])

    make: dict[str, Callable[[], Fitted]] = {
        "boosting": lambda: _binned_trees(_boosting(recipe, seed), vectors, codes, shares,
                                          classes, columns, samples.vectors.shape[1]),
        "forest": lambda: trees(_forest(recipe, seed)),
        "extra": lambda: trees(_extra(recipe, seed)),
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


def weights(samples: Samples, balance: float, sources: bool = False) -> NDArray[np.float64]:
    """What each sample counts: captures of a class alike, and classes as `balance` says.

    With `sources`, all sources of a class count the same, however many captures each has.

    A capture with a hundred flows says little more than one with ten, as they resemble each other.
    """
    if not len(samples):
        return np.zeros(0)
    cell = samples.captures.astype(np.int64) * 64 + samples.labels
    _, place, sizes = np.unique(cell, return_inverse=True, return_counts=True)
    share = 1 / np.sqrt(sizes[place])
    if sources:
        names = np.unique(samples.sources, return_inverse=True)[1]
        both = names * 64 + samples.labels
        share /= np.bincount(both, weights=share)[both]
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
        max_bins=MOST_BINS, early_stopping=False, random_state=seed)


def _forest(recipe: Recipe, seed: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(
        recipe.trees, max_depth=recipe.depth, min_samples_leaf=max(recipe.least // 4, 1),
        n_jobs=1, random_state=seed)


def _extra(recipe: Recipe, seed: int) -> Any:
    from sklearn.ensemble import ExtraTreesClassifier

    return ExtraTreesClassifier(
        recipe.trees, max_depth=recipe.depth, min_samples_leaf=recipe.least, n_jobs=1,
        random_state=seed)


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
