"""Buckets follow each other without a gap, and quantiles are no worse than a bucket."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from testbed.ran.plane.histogram import BUCKETS, begin_of, bucket, note, quantile


def test_buckets_begin_where_the_last_ends() -> None:
    for place in range(1, BUCKETS):
        assert begin_of(place) > begin_of(place - 1)
        assert bucket(begin_of(place)) == place
        assert bucket(begin_of(place) - 1) == place - 1


def test_what_is_out_of_range_is_in_the_first_and_the_last() -> None:
    assert bucket(-5) == 0
    assert bucket(1 << 40) == BUCKETS - 1


@given(st.lists(st.integers(0, 10**7), min_size=1, max_size=200), st.floats(0.01, 1.0))
def test_a_quantile_is_right_to_a_bucket(times: list[int], share: float) -> None:
    histogram = np.zeros(BUCKETS, np.int64)
    for time in times:
        note(histogram, time * 1000 + 999)
    exact = sorted(times)[max(1, int(np.ceil(share * len(times)))) - 1]
    found = quantile(histogram, share)
    assert found is not None
    assert exact < found <= exact * 1.07 + 1


def test_nothing_measured_is_none() -> None:
    assert quantile(np.zeros(BUCKETS, np.int64), 0.5) is None
