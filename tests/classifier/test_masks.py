"""Masks end at the leaves at which a walk ends, whatever the trees and the rows are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from classifier import trees as trees_module
from classifier.bundle import load
from classifier.export import flatten
from classifier.masks import BLOCK, MOST_LEAVES, lowest, masks_of
from classifier.tap import default_bundle
from classifier.trees import LEAF, NODE, Link, Trees, check
from tests.classifier.bundles import boosting, data, forest

ODD = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0], np.float32)


def walked(trees: Trees, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Row by row, which no mask is made for."""
    assert trees_module.MANY > 1
    return np.concatenate([trees.probabilities(vectors[row:row + 1])
                           for row in range(len(vectors))])


def grown(random: np.random.Generator, features: int, most: int, count: int, classes: int) -> Trees:
    """Trees of any shape, with thresholds that rows can lie on."""
    nodes: list[NDArray[np.void]] = []
    roots = [0]
    for _ in range(count):
        tree: list[tuple[float, int, int, bool]] = []
        _grow(random, features, int(random.integers(1, most + 1)), roots[-1], tree)
        nodes.append(np.array(tree, NODE))
        roots.append(roots[-1] + len(tree))
    joined = np.concatenate(nodes)
    leaf = joined["feature"] == LEAF
    joined["right"][leaf] = random.permutation(int(leaf.sum()))
    return check(Trees(
        joined, random.normal(size=(int(leaf.sum()), 1)).astype(np.float32),
        np.array(roots, np.int32), random.integers(0, classes, count).astype(np.int32),
        random.normal(size=classes), Link.SOFTMAX, features))


def _grow(random: np.random.Generator, features: int, leaves: int, begin: int,
          tree: list[tuple[float, int, int, bool]]) -> None:
    """Append a branch of so many leaves; `begin` is the whole tree's first node."""
    place = len(tree)
    tree.append((0.0, 0, LEAF, False))
    if leaves == 1:
        return
    left = int(random.integers(1, leaves))
    _grow(random, features, left, begin, tree)
    right = begin + len(tree)
    _grow(random, features, leaves - left, begin, tree)
    threshold = random.choice([0.0, 1.0, np.inf, -np.inf, random.normal()])
    tree[place] = (threshold, right, int(random.integers(features)), bool(random.random() < 0.5))


@given(st.integers(0, 1 << 30), st.integers(1, MOST_LEAVES), st.integers(5, 40))
@settings(max_examples=60, deadline=None)
def test_masks_and_walks_end_at_the_same_leaves(seed: int, leaves: int, rows: int) -> None:
    random = np.random.default_rng(seed)
    trees = grown(random, 6, leaves, 8, 3)
    vectors = random.normal(size=(rows, 6)).astype(np.float32)
    odd = random.random(vectors.shape) < 0.5
    vectors[odd] = random.choice(ODD, int(odd.sum()))
    np.testing.assert_array_equal(trees.probabilities(vectors), walked(trees, vectors))


@pytest.mark.parametrize("rows", [5, 16, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 7])
def test_every_number_of_rows(rows: int) -> None:
    trees = flatten(boosting(*data()))
    vectors, _ = data(rows, seed=4)
    np.testing.assert_array_equal(trees.probabilities(vectors), walked(trees, vectors))


@pytest.mark.parametrize("name", ["stages", "windows"])
def test_the_shipped_trees_have_masks_that_say_the_same(name: str) -> None:
    trees = load(default_bundle()).models[name].trees
    assert masks_of(trees.nodes, trees.values, trees.roots) is not None
    random = np.random.default_rng(3)
    inner = trees.nodes["feature"] != LEAF
    vectors = np.full((200, trees.features), np.nan, np.float32)
    for feature in range(trees.features):
        tests = trees.nodes["threshold"][inner & (trees.nodes["feature"] == feature)]
        if len(tests):  # on a threshold, or just above it
            chosen = random.choice(tests, len(vectors))
            above = np.nextafter(chosen, np.float32(np.inf))
            vectors[:, feature] = np.where(random.random(len(vectors)) < 0.5, chosen, above)
    vectors[random.random(vectors.shape) < 0.2] = np.nan
    np.testing.assert_array_equal(trees.probabilities(vectors), walked(trees, vectors))


def test_trees_with_too_many_leaves_have_none() -> None:
    random = np.random.default_rng(1)
    for leaves in (MOST_LEAVES, MOST_LEAVES + 1):
        tree: list[tuple[float, int, int, bool]] = []
        _grow(random, 3, leaves, 0, tree)
        nodes = np.array(tree, NODE)
        nodes["right"][nodes["feature"] == LEAF] = np.arange(leaves)
        values = np.zeros((leaves, 1), np.float32)
        made = masks_of(nodes, values, np.array([0, len(nodes)], np.int32))
        assert (made is None) == (leaves > MOST_LEAVES)


def test_forests_are_walked_through() -> None:
    trees = flatten(forest(*data()))
    vectors, _ = data(40, seed=5)
    np.testing.assert_array_equal(trees.probabilities(vectors), walked(trees, vectors))


@pytest.mark.parametrize("place", range(64))
def test_the_lowest_bit(place: int) -> None:
    for others in (0, 1 << 63, (1 << 64) - (1 << place)):
        assert lowest(np.uint64(others >> place << place | 1 << place)) == place
