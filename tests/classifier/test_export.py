"""What runs without scikit-learn says what scikit-learn says, on every flow it was trained on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from classifier.export import flatten, not_above
from tests.classifier.bundles import boosting, data, forest


@pytest.mark.parametrize("make", [boosting, forest])
@pytest.mark.parametrize("classes", [2, 3, 7])
def test_flattened_trees_equal_the_original(make: type, classes: int) -> None:
    vectors, codes = data(400, classes)
    model = make(vectors, codes)
    expected = model.predict_proba(vectors)
    np.testing.assert_allclose(flatten(model).probabilities(vectors), expected, rtol=0, atol=1e-6)
    unseen, _ = data(400, classes, seed=9)
    np.testing.assert_allclose(
        flatten(model).probabilities(unseen), model.predict_proba(unseen), rtol=0, atol=1e-6)


def test_values_that_lie_on_a_threshold_go_the_same_way() -> None:
    vectors, codes = data(400)
    vectors = np.round(vectors)
    model = forest(vectors, codes)
    thresholds = np.unique(np.concatenate(
        [tree.tree_.threshold[tree.tree_.feature >= 0] for tree in model.estimators_]))
    finite = thresholds[np.isfinite(thresholds)].astype(np.float32)
    probes = np.repeat(finite[:, None], vectors.shape[1], axis=1)
    np.testing.assert_allclose(
        flatten(model).probabilities(probes), model.predict_proba(probes), rtol=0, atol=1e-6)


@given(arrays(np.float64, 1, elements=st.floats(-2.0**120, 2.0**120)),
       arrays(np.float32, 1, elements=st.floats(-2.0**120, 2.0**120, width=32)))
@settings(max_examples=200)
def test_rounded_thresholds_decide_the_same(
    threshold: np.ndarray[tuple[int], np.dtype[np.float64]],
    value: np.ndarray[tuple[int], np.dtype[np.float32]],
) -> None:
    rounded = not_above(threshold)
    assert (value[0] <= rounded[0]) == (float(value[0]) <= threshold[0])
    near = np.nextafter(rounded, np.float32(np.inf))
    assert float(rounded[0]) <= threshold[0] < float(near[0])
