"""Means, pairs and corrections, held to what is known and to scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from testbed.experiments.statistics import (
    half_width,
    hedges,
    holm,
    mean_of,
    median_of,
    paired,
    unpaired,
)

VALUES = st.lists(st.floats(1.0, 1000.0), min_size=3, max_size=20)


def test_nothing_has_no_mean_and_one_value_no_interval() -> None:
    assert mean_of([]) is None
    assert median_of([]) is None
    assert paired([], []) is None
    assert unpaired([], [1.0]) is None
    one = mean_of([3.0])
    assert one is not None
    assert (one.value, one.low, one.high, one.count) == (3.0, None, None, 1)
    contrast = paired([2.0], [4.0])
    assert contrast is not None
    assert contrast.change.value == pytest.approx(2.0)
    assert contrast.p is None
    assert contrast.effect is None


@given(VALUES)
def test_the_interval_is_student_s(values: list[float]) -> None:
    found = mean_of(values)
    assert found is not None
    assert found.low is not None
    half = half_width(values)
    assert half is not None
    expected = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values))
    assert half == pytest.approx(expected, abs=1e-9)
    assert found.value - half == pytest.approx(found.low)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    chance = np.random.default_rng(7)
    held = 0
    for _ in range(600):
        one = mean_of(chance.normal(5.0, 2.0, 6).tolist())
        assert one is not None
        assert one.low is not None
        assert one.high is not None
        held += one.low <= 5.0 <= one.high
    assert 0.92 < held / 600 < 0.98


def test_pairs_are_tested_as_by_scipy() -> None:
    base, other = [110.0, 96.0, 130.0, 101.0], [41.0, 39.0, 52.0, 38.0]
    found = paired(base, other)
    assert found is not None
    assert found.ratio
    assert found.p == pytest.approx(stats.ttest_rel(np.log(other), np.log(base)).pvalue)
    assert found.change.value == pytest.approx(
        math.exp(np.mean(np.log(other)) - np.mean(np.log(base))))
    assert found.effect is not None
    assert found.effect < -3
    plain = paired(base, other, ratio=False)
    assert plain is not None
    assert plain.change.value == pytest.approx(np.mean(other) - np.mean(base))


def test_a_zero_has_no_ratio() -> None:
    found = paired([0.0, 1.0, 0.0], [2.0, 2.0, 3.0])
    assert found is not None
    assert not found.ratio
    assert found.change.value == pytest.approx(2.0)


def test_what_is_alike_in_every_pair() -> None:
    same, shifted = paired([2.0, 3.0], [2.0, 3.0]), paired([2.0, 3.0], [4.0, 6.0])
    assert same is not None
    assert same.p == 1.0
    assert shifted is not None
    assert shifted.p == 0.0
    assert shifted.change.value == pytest.approx(2.0)


def test_independent_samples_are_tested_as_by_scipy() -> None:
    one, two = [1.0, 2.0, 3.0, 2.5], [4.0, 7.0, 5.5]
    found = unpaired(one, two, ratio=False)
    assert found is not None
    assert found.p == pytest.approx(stats.ttest_ind(two, one, equal_var=False).pvalue)
    expected = stats.ttest_ind(two, one, equal_var=False).confidence_interval(0.95)
    assert (found.change.low, found.change.high) == pytest.approx((expected.low, expected.high))


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=12))
def test_holm_never_lowers_a_p_and_keeps_their_order(ps: list[float | None]) -> None:
    found = holm(ps)
    for p, corrected in zip(ps, found, strict=True):
        if p is None or corrected is None:
            assert p is None
            assert corrected is None
        else:
            assert p <= corrected <= 1.0
    known = sorted((p, q) for p, q in zip(ps, found, strict=True)
                   if p is not None and q is not None)
    assert [q for _, q in known] == sorted(q for _, q in known)


def test_holm_of_a_known_example() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_hedges_correction() -> None:
    assert hedges(10) == pytest.approx(0.9228, abs=1e-3)
    assert hedges(1000) == pytest.approx(0.99925, abs=1e-4)


def test_medians_have_an_interval_of_a_bootstrap() -> None:
    found = median_of([float(one) for one in range(1, 12)])
    assert found is not None
    assert found.value == 6
    assert found.low is not None
    assert found.high is not None
    assert found.low < 6 < found.high
    assert found == median_of([float(one) for one in range(1, 12)])
