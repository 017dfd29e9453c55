"""Times in buckets, each a sixteenth of a power of two wide: two words a count, no sorting.

Whole microseconds up to 32 are told apart; above, a bucket is at most 6 % of its value wide. What
is counted is not known here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from testbed.ran.plane.compiled import compiled

_FINE = 32  # buckets of one microsecond
_HALF = 16  # buckets of each further power of two
BUCKETS = 448  # up to half an hour; longer times are in the last


@compiled
def bucket(microseconds: int) -> int:
    """Where a time belongs; times below 0 count as 0."""
    value = max(microseconds, 0)
    shift = 0
    while value >> shift >= _FINE:
        shift += 1
    return min(_HALF * shift + (value >> shift), BUCKETS - 1)


@compiled
def note(histogram: NDArray[np.int64], nanoseconds: int) -> None:
    histogram[bucket(nanoseconds // 1000)] += 1


def begin_of(place: int) -> int:
    """The smallest time of a bucket, in microseconds; of the one after the last too."""
    if place < _FINE:
        return place
    shift = place // _HALF - 1
    return (place - _HALF * shift) << shift


def quantile(histogram: NDArray[np.int64], share: float) -> float | None:
    """Microseconds below which `share` of the times are, at most; None where none was counted."""
    total = int(histogram.sum())
    if not total:
        return None
    place = int(np.searchsorted(np.cumsum(histogram), max(1, np.ceil(share * total))))
    return float(begin_of(place + 1))
