"""Small decision trees as masks of leaves: many rows at a time, and no branch to be guessed.

A tree's leaves are bits, the leftmost the lowest. Each test of the tree holds the leaves that are
left to a row which fails it: all but those below its left branch. Whoever has been through all
tests, in whatever order, ends at its lowest leaf left, which is where a walk from the root ends
(after Lucchese and others, "QuickScorer", 2015). A walk makes fewer tests, but waits for each; here
the same test is made of many rows with a few of the processor's widest instructions. Sums are
added up tree by tree, so that they are those of the walk to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcap_tools.compiled import compiled
from pcap_tools.lookup import ALL, unsigned

MOST_LEAVES = 64  # of one tree: bits of a word
BLOCK = 256  # rows at a time: their columns stay in the second cache
LANES = 16  # numbers that the widest processors compare at once
EVERY = np.uint64(ALL)
DE_BRUIJN = 0x03F7_9D71_B4CB_0A89  # any six of its bits in a row tell where they stand
PLACES = np.zeros(64, np.int64)  # of the one bit that it was multiplied with, by the upper six
for _place in range(64):
    PLACES[(DE_BRUIJN << _place & ALL) >> 58] = _place


@dataclass(frozen=True)
class Masks:
    """The trees of a boosting, none of more than MOST_LEAVES leaves."""

    # Of the tests, tree by tree; in each those first that a missing value passes.
    features: NDArray[np.int32]
    thresholds: NDArray[np.float32]  # a value up to it passes
    left: NDArray[np.uint64]  # leaves left to who does not pass
    bounds: NDArray[np.int32]  # [trees + 1, 2] where a tree's tests begin, and those that NaN fails
    leaves: NDArray[np.int32]  # [trees] first of its leaves in the table of values
    values: NDArray[np.float32]

    def add(self, vectors: NDArray[np.float32], columns: NDArray[np.int32],
            out: NDArray[np.float64]) -> None:
        """Each tree's value for each of `vectors` [rows, features] to its column of `out`."""
        _add(vectors, self.features, self.thresholds, self.left, self.bounds, self.leaves,
             self.values, columns, out)


def masks_of(
    nodes: NDArray[np.void], values: NDArray[np.float32], roots: NDArray[np.int32],
) -> Masks | None:
    """The same as checked trees (see `trees`); None where one has too many leaves."""
    leaf = nodes["feature"] < 0
    before: NDArray[np.int64] = np.cumsum(leaf) - leaf  # leaves left of each node, in all trees
    first: NDArray[np.int64] = before[roots[:-1]]
    if np.diff(np.append(first, leaf.sum())).max() > MOST_LEAVES:
        return None
    tests = np.flatnonzero(~leaf)
    tree = np.searchsorted(roots, tests, side="right") - 1
    passed = nodes["missing_left"][tests]
    order = np.lexsort((~passed, tree))  # each tree's together, and keeps its order otherwise
    tests, tree, passed = tests[order], tree[order], passed[order]
    low, high = (np.uint64(1) << (before[branch] - first[tree]).astype(np.uint64)
                 for branch in (tests, nodes["right"][tests]))  # the bit with which it begins
    begins = np.searchsorted(tree, np.arange(len(roots)))
    fails = begins + np.append(np.bincount(tree, passed, len(first)), 0).astype(np.int64)
    return Masks(
        nodes["feature"][tests].astype(np.int32), nodes["threshold"][tests].copy(),
        ~(high - low), np.stack([begins, fails], axis=1).astype(np.int32),
        first.astype(np.int32), values[nodes["right"][leaf], 0])


@compiled
def _add(
    vectors: NDArray[np.float32], features: NDArray[np.int32], thresholds: NDArray[np.float32],
    left: NDArray[np.uint64], bounds: NDArray[np.int32], leaves: NDArray[np.int32],
    values: NDArray[np.float32], columns: NDArray[np.int32], out: NDArray[np.float64],
) -> None:
    rows, width = vectors.shape
    room = min((rows + LANES - 1) // LANES * LANES, BLOCK)
    block = np.zeros((width, room), np.float32)  # by feature: the same one of many rows
    kept = np.empty(room, np.uint64)
    sums = np.zeros((out.shape[1], room))
    for begin in range(0, rows, room):
        count = min(room, rows - begin)
        for row in range(count):
            for feature in range(width):
                block[feature, row] = vectors[begin + row, feature]
            for column in range(len(sums)):
                sums[column, row] = out[begin + row, column]
        for tree in range(len(leaves)):
            kept[:] = EVERY
            for test in range(bounds[tree, 0], bounds[tree, 1]):
                _keep_above(kept, block[features[test]], thresholds[test], left[test])
            for test in range(bounds[tree, 1], bounds[tree + 1, 0]):
                _keep_unless_up_to(kept, block[features[test]], thresholds[test], left[test])
            _add_leaves(kept, values[leaves[tree]:], sums[columns[tree]])
        for row in range(count):
            for column in range(len(sums)):
                out[begin + row, column] = sums[column, row]


@compiled
def _keep_above(kept: Any, column: Any, threshold: Any, left: Any) -> None:
    """Who is above keeps only `left`; a missing value is not above."""
    for row in range(len(kept)):
        kept[row] &= left if column[row] > threshold else EVERY


@compiled
def _keep_unless_up_to(kept: Any, column: Any, threshold: Any, left: Any) -> None:
    """The same, but a missing value is not below, either."""
    for row in range(len(kept)):
        kept[row] &= EVERY if column[row] <= threshold else left


@compiled
def _add_leaves(kept: Any, values: Any, sums: Any) -> None:
    """The value of the leaf at which each row ends."""
    for row in range(len(kept)):
        sums[row] += values[lowest(kept[row])]


@compiled
def lowest(bits: Any) -> int:
    """The place of the lowest bit that is set."""
    word = unsigned(bits)
    bit = word & (ALL - word + unsigned(1))
    return PLACES[((bit * unsigned(DE_BRUIJN)) & ALL) >> unsigned(58)]  # type: ignore[no-any-return]  # numpy's stubs
