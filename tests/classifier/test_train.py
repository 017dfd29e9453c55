"""Every kind of model fits, equals scikit-learn, endures odd columns, and is the same by seed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from classifier.dataset import Samples
from classifier.errors import DataError
from classifier.shipping import (
    LEAST_SPLIT,
    ROBUST,
    decide,
    learn_prototypes,
    telling,
    temperature,
)
from classifier.train import FittedParts, FittedTrees, Recipe, fit, fit_parts, usable, weights
from tests.classifier.traffic import samples

QUICK = Recipe(parts=1, trees=3, leaves=6, least=5)
CLASSES = ("llm_split", "web", "bulk")


@pytest.fixture(scope="module")
def made() -> Samples:
    return samples(12, labels=CLASSES, flows=3)


@pytest.mark.parametrize("kind", ["boosting", "forest", "extra", "linear"])
def test_every_kind_tells_what_can_be_told(made: Samples, kind: str) -> None:
    unseen = samples(9, seed=2, labels=CLASSES, flows=3)
    model = fit(made, replace(QUICK, kind=kind, trees=3 if kind == "boosting" else 40), ROBUST, 1)
    shares = model.probabilities(unseen.vectors)
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
    assert (model.classes[shares.argmax(axis=1)] == unseen.labels).mean() > 0.8


@pytest.mark.parametrize("kind", ["boosting", "forest", "extra"])
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


@pytest.mark.parametrize("kind", ["boosting", "forest"])
def test_distances_are_made_of_features_that_tell(made: Samples, kind: str) -> None:
    model = fit(made, replace(QUICK, kind=kind), ROBUST, 1)
    features = telling(model, 4)
    assert {0, 11} & set(features.tolist())
    near = learn_prototypes(made, features, 1, count=50)
    assert near.points.shape == (50, len(features))


@pytest.mark.parametrize("kind", ["boosting", "forest"])
def test_parts_are_joined_to_what_they_say_in_the_mean(made: Samples, kind: str) -> None:
    model, unseen = fit_parts(made, replace(QUICK, kind=kind, parts=3), ROBUST, 1)
    assert isinstance(model, FittedParts)
    assert len(model.members) == 3
    assert model.difference(made.vectors) < 1e-6
    assert sorted(unseen.rows.tolist()) == np.flatnonzero(made.variants == 0).tolist()
    for number, train in enumerate(unseen.train):
        asked = unseen.rows[unseen.member == number]
        assert not set(made.captures[train]) & set(made.captures[asked])
        np.testing.assert_array_equal(unseen.shares[unseen.member == number],
                                      model.members[number].probabilities(made.vectors[asked]))
    assert len(telling(model, 4)) == 4


def test_a_class_of_one_part_alone_is_known_to_all_members(made: Samples) -> None:
    rare = made.where((made.labels != 2) | (made.captures == 0))
    model, unseen = fit_parts(rare, replace(QUICK, parts=3), ROBUST, 1)
    assert all(len(member.classes) == len(np.unique(rare.labels)) for member in model.members)
    assert set(unseen.rows) <= set(np.flatnonzero(rare.variants == 0))


def test_sources_of_a_class_count_alike() -> None:
    made = samples(12, labels=CLASSES, flows=3, sources=("a", "a", "a", "b"))
    even = weights(made, 1.0, sources=True)
    for label in np.unique(made.labels):
        totals = [even[(made.labels == label) & (made.sources == name)].sum() for name in "ab"]
        assert totals[0] == pytest.approx(totals[1])


def test_the_class_that_others_act_on_has_one_limit_and_room_for_the_strange() -> None:
    random = np.random.default_rng(1)
    truth = random.integers(0, 3, 900)
    shares = random.dirichlet(np.ones(3), 900)
    shares[np.arange(900), truth] += 2
    shares /= shares.sum(axis=1, keepdims=True)
    distance = random.exponential(size=900).astype(np.float32)
    usual, careful = (decide(truth, shares, distance, np.ones(900), careful=code)
                      for code in (None, 1))
    assert careful.least[1] == LEAST_SPLIT
    assert careful.most[1] > 2 * usual.most[1]
    assert (careful.least[0], careful.most[2]) == (usual.least[0], usual.most[2])
