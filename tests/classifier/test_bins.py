"""Bins keep the order of values, and set common ones apart."""

from __future__ import annotations

import numpy as np

from classifier.bins import BINS, MOST_BINS, bin_edges, binned


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


def test_a_common_value_has_a_bin_of_its_own() -> None:
    random = np.random.default_rng(1)
    column = random.integers(0, 2000, 3000).astype(np.float32)
    column[::10] = 104
    numbers = binned(column[:, None], bin_edges(column[:, None]))[:, 0]
    assert (column[numbers == numbers[0]] == 104).all()
    assert numbers.max() < MOST_BINS
    assert numbers.max() > BINS * 0.8
