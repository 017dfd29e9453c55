"""Every kind of model fits, equals scikit-learn, endures odd columns, and is the same by seed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from classifier.dataset import Samples
from classifier.errors import DataError
from classifier.shipping import ROBUST, decide, learn_prototypes, telling, temperature
from classifier.train import (
    BINS,
    FittedTrees,
    Recipe,
    bin_edges,
    binned,
    fit,
    usable,
    weights,
)
from tests.classifier.traffic import samples

QUICK = Recipe(trees=3, leaves=6, least=5)
CLASSES = ("llm_split", "web", "bulk")


@pytest.fixture(scope="module")
def made() -> Samples:
    return samples(12, labels=CLASSES, flows=3)


@pytest.mark.parametrize("kind", ["boosting", "forest", "linear"])
def test_every_kind_tells_what_can_be_told(made: Samples, kind: str) -> None:
    unseen = samples(9, seed=2, labels=CLASSES, flows=3)
    model = fit(made, replace(QUICK, kind=kind, trees=3 if kind == "boosting" else 40), ROBUST, 1)
    shares = model.probabilities(unseen.vectors)
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
    assert (model.classes[shares.argmax(axis=1)] == unseen.labels).mean() > 0.8


@pytest.mark.parametrize("kind", ["boosting", "forest"])
def test_flattened_trees_equal_scikit_learn_on_every_sample(made: Samples, kind: str) -> None:
    model = fit(made, replace(QUICK, kind=kind), ROBUST, 1)
    assert isinstance(model, FittedTrees)
    assert model.difference(made.vectors) < 1e-6


def test_the_same_seed_gives_the_same_model(made: Samples) -> None:
    first, again = (fit(made, QUICK, ROBUST, 3).probabilities(made.vectors) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_robust_models_look_at_robust_features_alone(made: Samples) -> None:
    model = fit(made, replace(QUICK, robust=True), ROBUST, 1)
    assert isinstance(model, FittedTrees)
    used = model.trees.nodes["feature"]
    assert ROBUST[used[used >= 0]].all()


def test_columns_that_tell_nothing_are_left_out() -> None:
    vectors = np.array([[1, np.nan, 2, np.nan], [2, np.nan, 2, 5]], np.float32)
    assert usable(vectors, np.ones(4, bool)).tolist() == [0, 3]
    assert usable(vectors, np.array([False, True, True, True])).tolist() == [3]


def test_one_class_alone_is_an_error(made: Samples) -> None:
    with pytest.raises(DataError, match="two classes"):
        fit(made.where(made.labels == made.labels[0]), QUICK, ROBUST, 1)


def test_rare_classes_and_small_captures_count_for_more(made: Samples) -> None:
    rare = made.where((made.labels != 2) | (made.captures == 0))
    even = weights(rare, 1.0)
    totals = np.bincount(rare.labels, weights=even)
    np.testing.assert_allclose(totals[totals > 0], totals.max())
    assert weights(rare, 1.0).mean() == pytest.approx(1)
    assert len(weights(rare.where(np.zeros(len(rare), bool)), 1.0)) == 0


def test_calibration_takes_back_what_is_too_sure() -> None:
    random = np.random.default_rng(1)
    truth = random.integers(0, 2, 2000)
    said = np.where(random.random(2000) < 0.7, truth, 1 - truth)
    shares = np.full((2000, 2), 0.01)
    shares[np.arange(2000), said] = 0.99
    scale = temperature(truth, shares, np.ones(2000))
    assert 1 / (1 + np.exp(-scale * np.log(99))) == pytest.approx(0.7, abs=0.05)


def test_limits_keep_nearly_all_right_answers() -> None:
    random = np.random.default_rng(1)
    truth = random.integers(0, 3, 900)
    shares = random.dirichlet(np.ones(3), 900)
    shares[np.arange(900), truth] += 2
    shares /= shares.sum(axis=1, keepdims=True)
    distance = random.exponential(size=900).astype(np.float32)
    limits = decide(truth, shares, distance, np.ones(900))
    kept = distance < np.array(limits.most)[truth]
    assert 0.95 < kept.mean() < 0.99
    assert all(0 < one <= 0.7 for one in limits.least)


def test_binned_values_are_on_the_same_side_of_every_edge() -> None:
    random = np.random.default_rng(1)
    vectors = np.stack([random.normal(size=500), random.integers(0, 5, 500),
                        np.full(500, 7)], axis=1).astype(np.float32)
    vectors[::7, 0] = np.nan
    edges = bin_edges(vectors)
    assert [len(one) for one in edges] == [BINS - 1, 4, 0]
    numbers = binned(vectors, edges)
    for column, inner in enumerate(edges):
        known = ~np.isnan(vectors[:, column])
        assert (np.isnan(numbers[:, column]) == ~known).all()
        for place, edge in enumerate(inner):
            np.testing.assert_array_equal(numbers[known, column] <= place,
                                          vectors[known, column] <= edge)


@pytest.mark.parametrize("kind", ["boosting", "forest"])
def test_distances_are_made_of_features_that_tell(made: Samples, kind: str) -> None:
    model = fit(made, replace(QUICK, kind=kind), ROBUST, 1)
    features = telling(model, 4)
    assert {0, 11} & set(features.tolist())
    near = learn_prototypes(made, features, 1, count=50)
    assert near.points.shape == (50, len(features))
