"""Strange flows are far from training, and changed traffic is seen as changed."""

from __future__ import annotations

import numpy as np

from classifier.openset import Prototypes, learn_drift, scale_features
from tests.classifier.bundles import data


def prototypes(vectors: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> Prototypes:
    used = np.arange(8, dtype=np.int32)
    centre, scale = np.zeros(8, np.float32), np.ones(8, np.float32)
    return Prototypes(used, centre, scale, scale_features(vectors, centre, scale), 5)


def test_the_distance_is_the_mean_to_the_nearest() -> None:
    vectors, _ = data(80)
    near = prototypes(vectors)
    probes, _ = data(30, seed=2)
    gaps = np.linalg.norm(near.scaled(probes)[:, None, :] - near.points[None], axis=2)
    expected = np.sort(gaps, axis=1)[:, :5].mean(axis=1)
    np.testing.assert_allclose(near.distance(probes), expected, rtol=1e-5)


def test_noise_is_farther_than_what_was_learnt() -> None:
    vectors, _ = data(200)
    near = prototypes(vectors)
    usual, _ = data(100, seed=2)
    noise = np.random.default_rng(1).normal(scale=50, size=(100, 8)).astype(np.float32)
    assert np.quantile(near.distance(noise), 0.05) > np.quantile(near.distance(usual), 0.95)


def test_drift_is_seen_in_the_feature_that_changed() -> None:
    vectors, _ = data(500)
    drift = learn_drift(vectors)
    later, _ = data(500, seed=2)
    assert drift.index(later).max() < 0.25
    later[:, 3] += 3
    assert drift.index(later).argmax() == 3
    assert drift.index(later)[3] > 1
    assert drift.outside(later).mean() > 5 * drift.outside(vectors).mean()


def test_columns_without_any_value_are_endured() -> None:
    vectors, _ = data(50)
    vectors[:, 2] = np.nan
    drift = learn_drift(vectors)
    assert np.isfinite(drift.index(vectors)).all()
    seen = vectors.copy()
    seen[:, 2] = 1
    assert drift.index(seen).argmax() == 2
    assert np.isfinite(drift.index(vectors[:0])).all()
    assert drift.outside(np.full((1, 8), np.nan, np.float32))[0] == 0
