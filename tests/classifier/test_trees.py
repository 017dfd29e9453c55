"""Arrays that a stranger made are refused before the compiled function sees them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from classifier.errors import DamagedBundle
from classifier.export import flatten
from classifier.trees import Trees, check
from tests.classifier.bundles import boosting, data, forest


@pytest.fixture(scope="module")
def boosted() -> Trees:
    return flatten(boosting(*data()))


def with_nodes(trees: Trees, change: Callable[[np.ndarray[tuple[int], np.dtype[np.void]]], None],
               ) -> Trees:
    nodes = trees.nodes.copy()
    change(nodes)
    return replace(trees, nodes=nodes)


DAMAGES: dict[str, Callable[[Trees], Trees]] = {
    "a branch back": lambda trees: with_nodes(trees, lambda nodes: _set(nodes, "right", 0)),
    "a branch out": lambda trees: with_nodes(trees, lambda nodes: _set(nodes, "right", 10**8)),
    "a branch into another": lambda trees: with_nodes(trees, _into_another),
    "a tree with two roots": lambda trees: replace(trees, roots=trees.roots[[0, *range(2, len(
        trees.roots))]], columns=trees.columns[1:]),
    "a feature it has not": lambda trees: with_nodes(
        trees, lambda nodes: _set(nodes, "feature", 8)),
    "a threshold that is none": lambda trees: with_nodes(
        trees, lambda nodes: _set(nodes, "threshold", np.nan)),
    "a leaf it has not": lambda trees: replace(trees, values=trees.values[:-1]),
    "a value that is none": lambda trees: replace(trees, values=trees.values * np.float32("nan")),
    "a class it has not": lambda trees: replace(trees, columns=trees.columns + 1),
    "trees beyond the end": lambda trees: replace(
        trees, roots=np.append(trees.roots, trees.roots[-1] + 5).astype(np.int32)),
    "no trees": lambda trees: replace(trees, roots=np.zeros(1, np.int32)),
    "one class": lambda trees: replace(trees, baseline=np.zeros(1)),
}


def _set(nodes: np.ndarray[tuple[int], np.dtype[np.void]], name: str, value: float) -> None:
    nodes[name][np.flatnonzero(nodes["feature"] >= 0)[3]] = value


def _into_another(nodes: np.ndarray[tuple[int], np.dtype[np.void]]) -> None:
    """Forward and within its tree, but not to where its left branch ends."""
    inner = np.flatnonzero(nodes["feature"] >= 0)
    place = next(at for at in inner if nodes["right"][at] > at + 2)
    nodes["right"][place] -= 1


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_arrays_are_refused(boosted: Trees, damage: str) -> None:
    with pytest.raises(DamagedBundle):
        check(DAMAGES[damage](boosted))


def test_a_forest_with_negative_shares_is_refused() -> None:
    trees = flatten(forest(*data()))
    with pytest.raises(DamagedBundle):
        check(replace(trees, values=-trees.values))


def test_vectors_of_another_width_are_refused(boosted: Trees) -> None:
    with pytest.raises(ValueError, match="8 features"):
        boosted.probabilities(np.zeros((2, 7), np.float32))


def test_one_vector_and_many_get_the_same(boosted: Trees) -> None:
    vectors, _ = data(50, seed=2)
    together = boosted.probabilities(vectors)
    for row in range(len(vectors)):
        np.testing.assert_array_equal(boosted.probabilities(vectors[row:row + 1])[0], together[row])


def test_nothing_known_and_everything_infinite_are_answered(boosted: Trees) -> None:
    vectors = np.array([[np.nan] * 8, [np.inf] * 8, [-np.inf] * 8], np.float32)
    np.testing.assert_allclose(boosted.probabilities(vectors).sum(axis=1), 1)
