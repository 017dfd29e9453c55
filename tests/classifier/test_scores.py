"""Figures against scikit-learn's, and intervals that know how few captures there are."""

from __future__ import annotations

import numpy as np
import pytest

from classifier import scores


def test_figures_equal_the_usual_ones() -> None:
    from sklearn import metrics

    random = np.random.default_rng(1)
    truth = random.integers(0, 4, 500).astype(np.int16)
    said = np.where(random.random(500) < 0.7, truth, random.integers(0, 4, 500)).astype(np.int16)
    table = scores.confusion(truth, said, 4)
    np.testing.assert_array_equal(table, metrics.confusion_matrix(truth, said))
    assert scores.macro_f1(table) == pytest.approx(metrics.f1_score(truth, said, average="macro"))
    assert scores.accuracy(table) == pytest.approx(metrics.accuracy_score(truth, said))
    np.testing.assert_allclose(scores.recall(table), metrics.recall_score(
        truth, said, average=None))
    ranks = np.round(random.normal(size=500), 1)
    outside = truth == 0
    assert scores.auroc(ranks[~outside], ranks[outside]) == pytest.approx(
        metrics.roc_auc_score(outside, ranks))


def test_a_class_that_is_not_there_does_not_count() -> None:
    table = scores.confusion(np.array([0, 1], np.int16), np.array([0, 1], np.int16), 5)
    assert scores.macro_f1(table) == 1
    assert np.isnan(scores.macro_f1(np.zeros((5, 5), np.int64)))


def test_many_flows_of_few_captures_make_no_certainty() -> None:
    random = np.random.default_rng(1)
    truth = np.zeros(1000, np.int16)
    good = random.random(20) < 0.7
    few = np.repeat(np.arange(20, dtype=np.int32), 50)
    said = (~good[few]).astype(np.int16)
    wide = scores.interval(truth, said, few, 2, scores.accuracy, 1)
    narrow = scores.interval(truth, said, np.arange(1000, dtype=np.int32), 2, scores.accuracy, 1)
    assert wide.low <= wide.value <= wide.high
    assert wide.high - wide.low > 3 * (narrow.high - narrow.low)
    assert np.isnan(scores.interval(truth, said, few * 0, 2, scores.accuracy, 1).low)


def test_calibration_error_is_the_gap_between_saying_and_being() -> None:
    sure = np.full(100, 0.9)
    assert scores.calibration_error(sure, np.arange(100) % 10 > 0) == pytest.approx(0, abs=0.15)
    assert scores.calibration_error(sure, np.zeros(100, bool)) == pytest.approx(0.9)
    assert np.isnan(scores.calibration_error(sure[:0], np.zeros(0, bool)))
