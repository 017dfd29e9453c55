"""Samples of several stages together get what each stage's samples get alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from classifier.answers import NOTHING, Decision, calibrated
from classifier.bundle import Bundle, load
from classifier.tap import default_bundle
from tests.classifier.bundles import boosting, bundle, data

KINDS = ("PACKETS_5", "AFTER_1_S", "WINDOW_10_S", "other")


@pytest.fixture(scope="module")
def several() -> Bundle:
    """Two models, and a decision of each kind."""
    from classifier.export import flatten
    from classifier.model import Model

    made = bundle()
    vectors, codes = data(seed=6)
    models = {**made.models, "windows": Model(flatten(boosting(vectors, codes)))}
    return replace(made, models=models, decisions={
        **made.decisions, "PACKETS_5": Decision("stages"),
        "AFTER_1_S": Decision("stages", 0.7, (), (0.4, 0.5, 0.6), (0.5, 1.0, 2.0)),
        "WINDOW_10_S": Decision("windows", 1.2, (0.2, 0.0, -0.2), (0.6, 0.6, 0.6), (1.0,) * 3)})


@pytest.mark.parametrize("brief", [False, True])
@pytest.mark.parametrize("kinds", [KINDS, KINDS[:2], KINDS[2:3]])
def test_together_as_alone(several: Bundle, brief: bool, kinds: tuple[str, ...]) -> None:
    vectors, _ = data(200, seed=7)
    which = np.random.default_rng(1).integers(0, len(kinds), len(vectors))
    together = several.stages(kinds).labels(which, vectors, brief)
    seen = set()
    for place, kind in enumerate(kinds):
        rows = which == place
        alone = several.predict(kind, vectors[rows], brief)
        for name in ("codes", "confidence", "best", "novelty", "probabilities"):
            np.testing.assert_array_equal(getattr(together, name)[rows], getattr(alone, name))
        seen |= set(alone.codes.tolist())
    assert len(seen) > 2


def test_the_shipped_model_together_as_alone() -> None:
    shipped = load(default_bundle())
    kinds = [kind for kind in shipped.decisions if kind]
    random = np.random.default_rng(2)
    vectors = random.normal(size=(300, len(shipped.schema.features))).astype(np.float32) * 50
    which = random.integers(0, len(kinds), len(vectors))
    together = shipped.stages(kinds).labels(which, vectors)
    for place, kind in enumerate(kinds):
        alone = shipped.predict(kind, vectors[which == place])
        np.testing.assert_array_equal(together.codes[which == place], alone.codes)
        np.testing.assert_array_equal(together.probabilities[which == place], alone.probabilities)


def test_nothing_gets_nothing(several: Bundle) -> None:
    for kinds in (KINDS, KINDS[:1]):
        labels = several.stages(kinds).labels(np.zeros(0, np.intp), np.zeros((0, 8), np.float32))
        assert len(labels) == 0
        assert labels.names() == []


def test_too_little_confidence_or_too_far_away_is_unknown(several: Bundle) -> None:
    vectors, _ = data(100, seed=8)
    sure = several.predict("AFTER_1_S", vectors)
    least = np.array(several.decisions["AFTER_1_S"].least)[sure.best]
    unsure = sure.confidence < least
    assert 0 < unsure.sum() < len(vectors)
    assert (sure.codes[unsure] == NOTHING).all()
    far = sure.novelty > 1
    assert far.any()
    assert (sure.codes[far] == NOTHING).all()
    assert (sure.codes[~unsure & ~far] == sure.best[~unsure & ~far]).all()


def test_calibration_keeps_sums_and_order() -> None:
    shares = np.random.default_rng(1).dirichlet(np.ones(4), 50)
    assert calibrated(shares, 1.0) is shares
    softer = calibrated(shares, 0.5)
    np.testing.assert_allclose(softer.sum(axis=1), 1)
    assert (softer.argmax(axis=1) == shares.argmax(axis=1)).all()
    assert (softer.max(axis=1) <= shares.max(axis=1) + 1e-12).all()
    biased = calibrated(shares, 1.0, (5.0, 0, 0, 0))
    assert (biased[:, 0] >= shares[:, 0]).all()
