"""Decision trees as plain arrays, evaluated by small compiled functions.

It knows neither files nor labels nor scikit-learn: `export` makes the arrays of trained models,
`bundle` keeps them. The rules for splits and missing values are scikit-learn's, so that the
probabilities are too.

A tree's nodes lie in the order of a walk that goes left first: the left child is the next node and
only the right one is named. Once `check` has seen them, no damaged array can make a walk endless or
lead out of its tree. Few rows are walked one by one; many go through `masks`, which are made of
the same nodes and end at the same leaves.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifier.errors import DamagedBundle
from classifier.masks import Masks, masks_of
from pcap_tools.compiled import compiled

LEAF = -1  # in place of a feature
MANY = 5  # rows from which on masks are faster than walks; ten times so from 128 on

# `right` of a leaf is its row in the table of values.
NODE = np.dtype([
    ("threshold", "<f4"),  # a value up to it goes left
    ("right", "<i4"),
    ("feature", "<i2"),
    ("missing_left", "?"),  # where NaN goes
], align=True)


class Link(IntEnum):
    """How the trees' sums become probabilities."""

    SOFTMAX = 0  # boosting, each tree adds to one class
    SIGMOID = 1  # boosting of two classes, the trees speak for the second
    MEAN = 2  # a forest, each leaf holds the shares of every class


@dataclass(frozen=True)
class Trees:
    """Many trees of one model."""

    nodes: NDArray[np.void]  # NODE
    values: NDArray[np.float32]  # [leaves, 1] of boosting, [leaves, classes] of a forest
    roots: NDArray[np.int32]  # first node of each tree, and the end of the last
    columns: NDArray[np.int32]  # the class each tree of a boosting adds to
    baseline: NDArray[np.float64]  # [classes] what the sums begin with
    link: Link
    features: int

    @property
    def classes(self) -> int:
        return len(self.baseline)

    def probabilities(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """Of each class for each row of `vectors` [rows, features]; NaN is a missing value."""
        if vectors.ndim != 2 or vectors.shape[1] != self.features:
            raise ValueError(f"vectors of {self.features} features are needed, "
                             f"not an array of shape {vectors.shape}")
        vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        out = np.empty((len(vectors), self.classes))
        out[:] = self.baseline
        if len(vectors) >= MANY and self._masks is not None:
            self._masks.add(vectors, self.columns, out)
        else:
            _walk(vectors, self.nodes, self.values, self.roots, self.columns, out)
        _finish(out, int(self.link))
        return out

    @cached_property
    def _masks(self) -> Masks | None:
        """Of a forest there are none: its leaves are many, and each holds many values."""
        if self.link == Link.MEAN:
            return None
        return masks_of(self.nodes, self.values, self.roots)


@compiled
def _walk(
    vectors: NDArray[np.float32], nodes: NDArray[np.void], values: NDArray[np.float32],
    roots: NDArray[np.int32], columns: NDArray[np.int32], out: NDArray[np.float64],
) -> None:
    wide = values.shape[1]
    for tree in range(len(roots) - 1):  # each for all rows while its nodes are at hand
        root = roots[tree]
        for row in range(len(vectors)):
            at = root
            feature = nodes[at].feature
            while feature >= 0:
                value = vectors[row, feature]
                # A comparison with NaN is false, so that only those that fail look for one.
                left = value <= nodes[at].threshold or (
                    nodes[at].missing_left and np.isnan(value))
                at = at + 1 if left else nodes[at].right
                feature = nodes[at].feature
            leaf = nodes[at].right
            if wide > 1:
                for column in range(wide):
                    out[row, column] += values[leaf, column]
            else:
                out[row, columns[tree]] += values[leaf, 0]


@compiled
def _finish(out: NDArray[np.float64], link: int) -> None:
    """Sums [rows, classes] become probabilities."""
    classes = out.shape[1]
    for row in range(len(out)):
        sums = out[row]
        if link == 2:
            total = 0.0
            for column in range(classes):
                total += sums[column]
            for column in range(classes):
                sums[column] /= total
        elif link == 1:
            sums[1] = 1.0 / (1.0 + np.exp(-sums[1]))
            sums[0] = 1.0 - sums[1]
        else:
            highest = sums[0]
            for column in range(1, classes):
                highest = max(highest, sums[column])
            total = 0.0
            for column in range(classes):
                sums[column] = np.exp(sums[column] - highest)
                total += sums[column]
            for column in range(classes):
                sums[column] /= total


def check(trees: Trees) -> Trees:
    """The same trees, once every link of theirs is known to stay where it must.

    Raises DamagedBundle: after it, evaluation can neither read outside the arrays nor go on for
    ever, whoever made them.
    """
    nodes, roots, count = trees.nodes, trees.roots, len(trees.nodes)
    _must(nodes.dtype == NODE and nodes.ndim == 1, "nodes of another type")
    _must(roots.ndim == 1 and len(roots) >= 2 and bool((np.diff(roots) > 0).all())
          and roots[0] == 0 and roots[-1] == count, "trees that do not follow each other")
    wide = 1 if trees.link != Link.MEAN else trees.classes
    _must(trees.values.ndim == 2 and trees.values.shape[1] == wide, "leaves of another width")
    _must(trees.classes >= 2 and bool(np.isfinite(trees.baseline).all())
          and (trees.link != Link.SIGMOID or trees.classes == 2), "classes that cannot be")
    _must(bool(np.isfinite(trees.values).all()), "leaves that are no numbers")
    if trees.link == Link.MEAN:
        _must(bool((trees.values >= 0).all()) and bool((trees.values.sum(axis=1) > 0).all()),
              "leaves that are no shares")
    else:
        _must(trees.columns.shape == (len(roots) - 1,) and bool((trees.columns >= 0).all())
              and bool((trees.columns < trees.classes).all()), "trees for classes it has not")
    leaf = nodes["feature"] < 0
    _must(bool((nodes["feature"] < trees.features).all()), "features it has not")
    _must(not np.isnan(nodes["threshold"][~leaf]).any(), "thresholds that are no numbers")
    rows = nodes["right"][leaf]
    _must(bool((rows >= 0).all()) and bool((rows < len(trees.values)).all()), "leaves it has not")
    left_ends = _branch_ends(leaf, np.flatnonzero(~leaf) + 1)
    _must(bool((left_ends == nodes["right"][~leaf]).all()), "branches that lead astray")
    _must(bool((_branch_ends(leaf, roots[:-1]) == roots[1:]).all()), "branches without an end")
    return trees


def _branch_ends(leaf: NDArray[np.bool_], begins: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """The node after the last one of each branch; a number that no node has where there is none.

    Each test opens a branch more and each leaf ends one, so that a branch ends where as many are
    open as before it, less one, for the first time.
    """
    count = len(leaf) + 1
    opened = np.append(0, np.cumsum(np.where(leaf, -1, 1))) * count
    known = np.sort(opened + np.arange(count))
    level = opened[begins] - count
    found = known[np.minimum(np.searchsorted(known, level + begins + 1), count - 1)] - level
    return np.where((found > begins) & (found < count), found, -1)


def _must(holds: bool, otherwise: str) -> None:
    if not holds:
        raise DamagedBundle(f"The model's trees have {otherwise}.", "Get or train it anew.")
