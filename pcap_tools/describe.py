"""A vector of features from what was accumulated, at any moment; compiled.

The order is that of `features.FEATURES`, group by group; what is not defined is NaN. Deviations are
those of all values (not of a sample of them), and 0 where they would be lost in rounding.
"""

from __future__ import annotations

import math
from typing import Any

from pcap_tools import accumulate as kept
from pcap_tools.compiled import compiled, inlined
from pcap_tools.features import FIRST_PACKETS, ROW

SECONDS = 1e-9  # accumulated times are nanoseconds
LOST = 1e-10  # of the mean's square: a variance below it is rounding
NAN = math.nan


@inlined
def ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0.0 else NAN


@compiled
def deviation(number: float, total: float, square: float) -> float:
    """Standard deviation of `number` values by their sum and the sum of their squares."""
    if number < 2.0:
        return NAN
    mean = total / number
    variance = square / number - mean * mean
    return math.sqrt(variance) if variance > LOST * mean * mean else 0.0


@compiled
def variation(number: float, total: float, square: float) -> float:
    """Deviation by mean."""
    if number < 2.0 or total <= 0.0:
        return NAN
    return deviation(number, total, square) * number / total


@compiled
def memory(number: float, total: float, square: float, product: float) -> float:
    """Correlation of each value with the next; `product` sums `number - 1` products."""
    if number < 3.0:
        return NAN
    spread = deviation(number, total, square)
    if spread == 0.0:
        return NAN
    mean = total / number
    value = (product / (number - 1.0) - mean * mean) / (spread * spread)
    return min(max(value, -1.0), 1.0)


@inlined
def from_octaves(value: float) -> float:
    """What has this `accumulate.octaves`."""
    whole = math.floor(value)
    return math.ldexp(1.0 + value - whole, int(whole))


@compiled
def quantile(counts: Any, begin: int, bins: int, bottom: float, width: float, share: float,
             least: float, most: float) -> float:
    """From a histogram of `octaves`; the first bin begins at 0 and ends at `bottom`."""
    total = 0
    for index in range(begin, begin + bins):
        total += counts[index]
    if total == 0:
        return NAN
    target = share * total
    below = 0.0
    for index in range(bins):
        number = float(counts[begin + index])
        if number > 0.0 and below + number >= target:
            low = 0.0 if index == 0 else bottom + (index - 1) * width
            high = bottom + index * width
            value = from_octaves(low + (high - low) * (target - below) / number)
            return min(max(value, least), most)
        below += number
    return most


@compiled
def _size_quantile(counts: Any, side: int, share: float, least: float, most: float) -> float:
    return quantile(counts, kept.SIZES + side * kept.SIZE_BINS, kept.SIZE_BINS, 3.0, 0.5, share,
                    least, most)


@compiled
def _gap_median(counts: Any, begin: int, least: float, most: float) -> float:
    return quantile(counts, begin, kept.GAP_BINS, 14.0, 1.0, 0.5, least, most) * SECONDS


@compiled
def share_of(counts: Any, begin: int, end: int, whole: float) -> float:
    total = 0
    for index in range(begin, end):
        total += counts[index]
    return total / whole if whole > 0.0 else NAN


@compiled
def _volume(sums: Any, stream: bool, vector: Any, at: int) -> int:
    up, down = kept.SIDES, kept.SIDES + kept.SIDE
    packets_up, packets_down = sums[kept.PACKETS_UP], sums[kept.PACKETS_DOWN]
    data_up, data_down = sums[up + kept.DATA], sums[down + kept.DATA]
    bytes_up, bytes_down = sums[up + kept.BYTES], sums[down + kept.BYTES]
    duration = (sums[kept.LAST] - sums[kept.START]) * SECONDS
    vector[at], vector[at + 1] = packets_up, packets_down
    vector[at + 2], vector[at + 3] = data_up, data_down
    vector[at + 4], vector[at + 5], vector[at + 6] = bytes_up, bytes_down, duration
    vector[at + 7] = ratio(packets_up + packets_down, duration)
    vector[at + 8], vector[at + 9] = ratio(bytes_up, duration), ratio(bytes_down, duration)
    vector[at + 10] = ratio(data_up, data_up + data_down)
    vector[at + 11] = ratio(bytes_up, bytes_up + bytes_down)
    vector[at + 12] = ratio(packets_up - data_up, packets_up)
    vector[at + 13] = ratio(packets_down - data_down, packets_down)
    vector[at + 14] = ratio(sums[up + kept.TURNS] + sums[down + kept.TURNS],
                            data_up + data_down - 1.0)
    vector[at + 15] = 1.0 if stream else 0.0
    return at + 16


@compiled
def _sizes(sums: Any, counts: Any, side: int, vector: Any, at: int) -> int:
    base = kept.SIDES + side * kept.SIDE
    number, total = sums[base + kept.DATA], sums[base + kept.BYTES]
    square = sums[base + kept.SIZE_SQUARE]
    least, most = sums[base + kept.SIZE_MIN], sums[base + kept.SIZE_MAX]
    bins = kept.SIZES + side * kept.SIZE_BINS
    vector[at] = ratio(total, number)
    vector[at + 1] = deviation(number, total, square)
    vector[at + 2] = least if number > 0.0 else NAN
    vector[at + 3] = most if number > 0.0 else NAN
    vector[at + 4] = _size_quantile(counts, side, 0.25, least, most)
    vector[at + 5] = _size_quantile(counts, side, 0.5, least, most)
    vector[at + 6] = _size_quantile(counts, side, 0.75, least, most)
    vector[at + 7] = variation(number, total, square)
    # The bins of half an octave that begin at 64, 256 and 1,024 bytes.
    vector[at + 8] = share_of(counts, bins, bins + 7, number)
    vector[at + 9] = share_of(counts, bins + 7, bins + 11, number)
    vector[at + 10] = share_of(counts, bins + 11, bins + 15, number)
    vector[at + 11] = share_of(counts, bins + 15, bins + kept.SIZE_BINS, number)
    return at + 12


@compiled
def _gaps(sums: Any, counts: Any, vector: Any, at: int) -> int:
    number = sums[kept.PACKETS_UP] + sums[kept.PACKETS_DOWN] - 1.0
    total, square = sums[kept.GAP_SUM], sums[kept.GAP_SQUARE]
    least, most = sums[kept.GAP_MIN], sums[kept.GAP_MAX]
    vector[at] = ratio(total, number) * SECONDS
    vector[at + 1] = deviation(number, total, square) * SECONDS
    vector[at + 2] = least * SECONDS if number > 0.0 else NAN
    vector[at + 3] = most * SECONDS if number > 0.0 else NAN
    vector[at + 4] = _gap_median(counts, kept.GAPS, least, most)
    # Octaves of nanoseconds: 2 ** 20 is 1.05 ms.
    vector[at + 5] = share_of(counts, kept.GAPS, kept.GAPS + 7, number)
    vector[at + 6] = share_of(counts, kept.GAPS + 7, kept.GAPS + 10, number)
    vector[at + 7] = share_of(counts, kept.GAPS + 10, kept.GAPS + 12, number)
    vector[at + 8] = share_of(counts, kept.GAPS + 12, kept.GAPS + 14, number)
    vector[at + 9] = share_of(counts, kept.GAPS + 14, kept.GAPS + 17, number)
    vector[at + 10] = share_of(counts, kept.GAPS + 17, kept.GAPS + kept.GAP_BINS, number)
    return at + 11


@compiled
def _data_gaps(sums: Any, counts: Any, side: int, vector: Any, at: int) -> int:
    base = kept.SIDES + side * kept.SIDE
    number = sums[base + kept.DATA] - 1.0
    total, square = sums[base + kept.SIDE_GAP_SUM], sums[base + kept.SIDE_GAP_SQUARE]
    vector[at] = ratio(total, number) * SECONDS
    vector[at + 1] = deviation(number, total, square) * SECONDS
    vector[at + 2] = _gap_median(counts, kept.GAPS + (1 + side) * kept.GAP_BINS,
                                 sums[base + kept.SIDE_GAP_MIN], sums[base + kept.SIDE_GAP_MAX])
    vector[at + 3] = variation(number, total, square)
    vector[at + 4] = deviation(number, sums[base + kept.SIDE_LOG_SUM],
                               sums[base + kept.SIDE_LOG_SQUARE])
    vector[at + 5] = ratio(sums[base + kept.PAUSES], number)
    return at + 6


@compiled
def _series(sums: Any, vector: Any, at: int) -> int:
    number = sums[kept.SIDES + kept.DATA] + sums[kept.SIDES + kept.SIDE + kept.DATA] - 1.0
    total, square = sums[kept.LOG_SUM], sums[kept.LOG_SQUARE]
    vector[at] = deviation(number, total, square)
    vector[at + 1] = memory(number, total, square, sums[kept.LOG_PRODUCT])
    return at + 2


@compiled
def _bursts(sums: Any, base: int, vector: Any, at: int) -> int:
    number = sums[base + kept.BURST_COUNT]
    payload, period = sums[base + kept.BURST_BYTES], sums[base + kept.BURST_PERIOD]
    vector[at] = ratio(payload, number)
    vector[at + 1] = variation(number, payload, sums[base + kept.BURST_SQUARE])
    vector[at + 2] = ratio(sums[base + kept.BURST_PACKETS], number)
    vector[at + 3] = ratio(period, number) * SECONDS
    vector[at + 4] = variation(number, period, sums[base + kept.BURST_PERIOD_SQUARE])
    return at + 5


@compiled
def _turns(sums: Any, side: int, vector: Any, at: int) -> int:
    base = kept.SIDES + side * kept.SIDE
    number, total = sums[base + kept.TURNS], sums[base + kept.TURN_BYTES]
    first = sums[base + kept.TURN_FIRST]
    vector[at] = ratio(total, number)
    vector[at + 1] = variation(number, total, sums[base + kept.TURN_SQUARE])
    vector[at + 2] = ratio(sums[base + kept.REPEATS], number - 1.0)
    vector[at + 3] = ratio(sums[base + kept.REPEAT_BYTES], sums[base + kept.REPEATS])
    vector[at + 4] = ratio(sums[base + kept.SINGLES], number)
    vector[at + 5] = ratio(sums[base + kept.SMALLS], number)
    vector[at + 6] = first * (number - 1.0) / (total - first) if number > 1.0 else NAN
    exacts, latest = sums[base + kept.EXACTS], sums[base + kept.EXACT_BYTES]
    vector[at + 7] = ratio(exacts, number - 1.0)
    vector[at + 8] = latest if exacts > 0.0 else NAN
    vector[at + 9] = latest % ROW if exacts > 0.0 else NAN
    return at + 10


@compiled
def _exchanges(sums: Any, counts: Any, vector: Any, at: int) -> int:
    up, down = kept.SIDES, kept.SIDES + kept.SIDE
    responses, response = sums[kept.RESPONSES], sums[kept.RESPONSE_SUM]
    least = sums[kept.RESPONSE_MIN]
    thinks, think = sums[kept.THINKS], sums[kept.THINK_SUM]
    periods, period = sums[kept.PERIODS], sums[kept.PERIOD_SUM]
    response_mean, think_mean = ratio(response, responses), ratio(think, thinks)
    vector[at] = sums[up + kept.TURNS] + sums[down + kept.TURNS]
    vector[at + 1] = response_mean * SECONDS
    vector[at + 2] = _gap_median(counts, kept.RESPONSE_GAPS, least, sums[kept.RESPONSE_MAX])
    vector[at + 3] = variation(responses, response, sums[kept.RESPONSE_SQUARE])
    vector[at + 4] = ratio(response_mean, least) if responses > 1.0 else NAN
    vector[at + 5] = think_mean * SECONDS
    vector[at + 6] = variation(thinks, think, sums[kept.THINK_SQUARE])
    vector[at + 7] = ratio(think_mean, think_mean + response_mean)
    vector[at + 8] = ratio(period, periods) * SECONDS
    vector[at + 9] = variation(periods, period, sums[kept.PERIOD_SQUARE])
    vector[at + 10] = memory(periods, period, sums[kept.PERIOD_SQUARE], sums[kept.PERIOD_PRODUCT])
    vector[at + 11] = sums[kept.LONGEST]
    vector[at + 12] = ratio(sums[kept.BEATS], sums[down + kept.TURNS])
    vector[at + 13] = ratio(sums[up + kept.TURN_BYTES],
                            sums[up + kept.TURN_BYTES] + sums[down + kept.TURN_BYTES])
    vector[at + 14] = ratio(sums[kept.MIRRORS], sums[down + kept.TURNS])
    vector[at + 15] = sums[kept.STEADY_LONGEST]
    vector[at + 16] = ratio(sums[kept.STEADIES], sums[down + kept.TURNS])
    return at + 17


@compiled
def describe(sums: Any, counts: Any, first: Any, with_first: bool, stream: bool,
             vector: Any) -> None:
    """Fill `vector`; windows have no first packets of their own (`with_first`)."""
    at = _volume(sums, stream, vector, 0)
    at = _sizes(sums, counts, 0, vector, at)
    at = _sizes(sums, counts, 1, vector, at)
    at = _gaps(sums, counts, vector, at)
    at = _data_gaps(sums, counts, 0, vector, at)
    at = _data_gaps(sums, counts, 1, vector, at)
    at = _series(sums, vector, at)
    for kind in range(2):
        for side in range(2):
            at = _bursts(sums, kept.SIDES + side * kept.SIDE + kept.BURSTS + kind * kept.BURST,
                         vector, at)
    at = _turns(sums, 0, vector, at)
    at = _turns(sums, 1, vector, at)
    at = _exchanges(sums, counts, vector, at)
    data = int(sums[kept.SIDES + kept.DATA] + sums[kept.SIDES + kept.SIDE + kept.DATA])
    for index in range(FIRST_PACKETS):
        vector[at + index] = first[index] if with_first and index < data else NAN
    at += FIRST_PACKETS
    for index in range(FIRST_PACKETS - 1):
        known = with_first and index + 1 < data
        vector[at + index] = first[FIRST_PACKETS + index] if known else NAN
