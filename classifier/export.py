"""Trained scikit-learn models, turned into the arrays that are evaluated without it.

It reads the models' attributes and needs scikit-learn only where they were made. Everything that
is exported can be compared with the original on any data; see tests/classifier/test_export.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifier.trees import LEAF, NODE, Link, Trees, check


def flatten(model: Any) -> Trees:
    """The trees of a fitted HistGradientBoostingClassifier or RandomForestClassifier."""
    return check(_boosting(model) if hasattr(model, "_predictors") else _forest(model))


def joined(models: Sequence[Trees]) -> Trees:
    """One model that says the mean of what several of the same kind and classes say.

    Of boostings it is the mean of the sums before they become probabilities.
    """
    first, count = models[0], len(models)
    nodes, roots = [], []
    node = leaf = 0
    for model in models:
        moved = model.nodes.copy()
        moved["right"] += np.where(moved["feature"] == LEAF, leaf, node).astype(np.int32)
        nodes.append(moved)
        roots.append(model.roots[:-1] + node)
        node, leaf = node + len(moved), leaf + len(model.values)
    share = np.float32(1 if first.link == Link.MEAN else count)
    return check(Trees(
        np.concatenate(nodes),
        np.asarray(np.concatenate([model.values for model in models]) / share, np.float32),
        np.concatenate([*roots, np.array([node])]).astype(np.int32),
        np.concatenate([model.columns for model in models]),
        np.mean([model.baseline for model in models], axis=0), first.link, first.features))


def not_above(thresholds: NDArray[np.float64]) -> NDArray[np.float32]:
    """The largest 32-bit number up to each: compared with 32-bit features it decides the same."""
    rounded = thresholds.astype(np.float32)
    above = rounded.astype(np.float64) > thresholds
    rounded[above] = np.nextafter(rounded[above], np.float32(-np.inf))
    return rounded


def _boosting(model: Any) -> Trees:
    nodes, values, columns = [], [], []
    for iteration in model._predictors:
        for column, predictor in enumerate(iteration):
            source = predictor.nodes
            leaf = source["is_leaf"].astype(bool)
            nodes.append(_walked(
                np.where(leaf, LEAF, source["feature_idx"].astype(np.int64)),
                source["num_threshold"], source["left"].astype(np.int64),
                source["right"].astype(np.int64), source["missing_go_to_left"].astype(bool)))
            values.append(source["value"][:, None])
            columns.append(column)
    classes = len(model.classes_)
    binary = classes == 2
    start = np.zeros(classes)
    start[-1 if binary else slice(None)] = np.ravel(model._baseline_prediction)[
        0 if binary else slice(None)]
    return _joined(nodes, values, np.array(columns, np.int32) + binary, start,
                   Link.SIGMOID if binary else Link.SOFTMAX, model.n_features_in_)


def _forest(model: Any) -> Trees:
    nodes, values = [], []
    for estimator in model.estimators_:
        tree = estimator.tree_
        leaf = tree.children_left < 0
        nodes.append(_walked(
            np.where(leaf, LEAF, tree.feature), tree.threshold, tree.children_left,
            tree.children_right, np.asarray(tree.missing_go_to_left).astype(bool)))
        shares = tree.value[:, 0, :]
        values.append(shares / shares.sum(axis=1, keepdims=True))
    return _joined(nodes, values, np.zeros(len(nodes), np.int32), np.zeros(len(model.classes_)),
                   Link.MEAN, model.n_features_in_)


def _walked(
    feature: NDArray[np.int64], threshold: NDArray[np.float64], left: NDArray[np.int64],
    right: NDArray[np.int64], missing_left: NDArray[np.bool_],
) -> tuple[NDArray[np.void], NDArray[np.int64]]:
    """The nodes in the order of a walk that goes left first, and the row each had before."""
    order: list[int] = []
    waiting = [0]
    while waiting:
        at = waiting.pop()
        order.append(at)
        if feature[at] != LEAF:
            waiting += [int(right[at]), int(left[at])]
    rows = np.array(order)
    place = np.zeros(len(feature), np.int64)
    place[rows] = np.arange(len(rows))
    nodes = np.zeros(len(rows), NODE)
    nodes["feature"] = feature[rows]
    inner = nodes["feature"] != LEAF
    nodes["threshold"][inner] = not_above(threshold[rows[inner]])
    nodes["right"][inner] = place[right[rows[inner]]]
    nodes["missing_left"][inner] = missing_left[rows[inner]]
    return nodes, rows


def _joined(
    trees: list[tuple[NDArray[np.void], NDArray[np.int64]]], values: list[NDArray[np.float64]],
    columns: NDArray[np.int32], baseline: NDArray[np.float64], link: Link, features: int,
) -> Trees:
    roots = np.cumsum([0] + [len(nodes) for nodes, _ in trees]).astype(np.int32)
    nodes = np.concatenate([nodes for nodes, _ in trees])
    inner = nodes["feature"] != LEAF
    nodes["right"][inner] += np.repeat(roots[:-1], np.diff(roots))[inner]
    leaves = np.concatenate([table[rows][part["feature"] == LEAF]
                             for (part, rows), table in zip(trees, values, strict=True)])
    nodes["right"][~inner] = np.arange(len(leaves))
    return Trees(nodes, leaves.astype(np.float32), roots, columns, baseline, link, features)
