"""The arithmetic of the virtual radio: sums of delayed, weighted samples, compiled.

Samples are pairs of float32 (in phase, quadrature), since a processor adds those eight at a time
and complex numbers one by one. It knows no stations, times or decibels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pcap_tools.compiled import arithmetic

Floats = NDArray[np.float32]
CHUNK = 256  # samples: they stay in the first cache, and a tap hardly turns meanwhile


@arithmetic
def add_path(out: Floats, source: Floats, start: int, count: int, delays: NDArray[np.int64],
             before: Floats, after: Floats) -> None:
    """Add to out[:count] the samples source[start:start+count], each by every tap.

    A tap's weight goes from `before` to `after` (pairs) over the block, in steps of a chunk.
    `source` must hold the largest delay's samples before `start`.
    """
    for first in range(0, count, CHUNK):
        size = min(CHUNK, count - first)
        part = np.float32((first + 0.5 * size) / count)
        for tap in range(len(delays)):
            real = before[2 * tap] + (after[2 * tap] - before[2 * tap]) * part
            imaginary = before[2 * tap + 1] + (after[2 * tap + 1] - before[2 * tap + 1]) * part
            behind = 2 * (start + first - delays[tap])
            for at in range(size):
                one = source[behind + 2 * at]
                other = source[behind + 2 * at + 1]
                out[2 * (first + at)] += real * one - imaginary * other
                out[2 * (first + at) + 1] += real * other + imaginary * one


@arithmetic
def add_noise(out: Floats, count: int, table: Floats, start: int, real: float,
              imaginary: float) -> None:
    """Add count samples of a table, turned and scaled; after its end its beginning follows."""
    size = len(table) // 2
    done = 0
    r = np.float32(real)
    i = np.float32(imaginary)
    while done < count:
        here = min(count - done, size - start)
        for at in range(here):
            one = table[2 * (start + at)]
            other = table[2 * (start + at) + 1]
            out[2 * (done + at)] += r * one - i * other
            out[2 * (done + at) + 1] += r * other + i * one
        done += here
        start = 0


@arithmetic
def active_power(samples: Floats, start: int, count: int) -> tuple[float, int]:
    """Sum of squares where something is sent, by chunks, and how many samples that were."""
    power = 0.0
    active = 0
    for first in range(start, start + count, CHUNK):
        size = min(CHUNK, start + count - first)
        part = np.float32(0)
        for at in range(2 * first, 2 * (first + size)):
            part += samples[at] * samples[at]
        if part > 0:
            power += float(part)
            active += size
    return power, active
