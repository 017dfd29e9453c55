"""The arithmetic of the virtual radio: sums of delayed, weighted samples, compiled.

Samples are pairs of float32 (in phase, quadrature), since a processor adds those eight at a time
and complex numbers one by one. Loops run over slices from their begin: an index that could be
below 0 would be looked at for each sample, and keep them from being added side by side. It knows no
stations, times or decibels.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pcap_tools.compiled import arithmetic

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Bits = NDArray[np.uint32]
CHUNK = 256  # samples: they stay in the first cache, and a tap hardly turns meanwhile
NO_NUMBER = np.uint32(0x7F80_0000)  # the exponent of what is infinite or none
NOTHING = np.uint32(0)


@arithmetic
def take_in(target: Bits, source: Bits) -> None:
    """Copy floats, given as their bits; 0 for each that is no number."""
    for at in range(len(source)):
        bits = source[at]
        target[at] = NOTHING if bits & NO_NUMBER == NO_NUMBER else bits


@arithmetic
def add_path(out: Floats, source: Floats, start: int, count: int, delays: NDArray[np.int64],
             before: Floats, after: Floats) -> None:
    """Add to out[:count] the samples source[start:start+count], each by every tap.

    A tap's weight goes from `before` to `after` (pairs) over the block, in steps of a chunk.
    `source` must hold the largest delay's samples before `start`.
    """
    weights = np.empty_like(before)
    for first in range(0, count, CHUNK):
        size = min(CHUNK, count - first)
        part = np.float32((first + 0.5 * size) / count)
        for at in range(len(weights)):
            weights[at] = before[at] + (after[at] - before[at]) * part
        to = out[2 * first:2 * (first + size)]
        tap = 0
        while tap + 3 <= len(delays):  # three at once: a third of the loads and stores
            _add_three(to, weights[2 * tap:], source[2 * (start + first - delays[tap]):],
                       source[2 * (start + first - delays[tap + 1]):],
                       source[2 * (start + first - delays[tap + 2]):])
            tap += 3
        while tap < len(delays):
            _add_one(to, weights[2 * tap], weights[2 * tap + 1],
                     source[2 * (start + first - delays[tap]):])
            tap += 1


@arithmetic
def _add_three(to: Floats, weights: Floats, one: Floats, two: Floats, three: Floats) -> None:
    a, b, c, d, e, f = (weights[0], weights[1], weights[2], weights[3], weights[4], weights[5])
    for at in range(len(to) // 2):
        real, other = 2 * at, 2 * at + 1
        to[real] += (a * one[real] - b * one[other] + c * two[real] - d * two[other]
                     + e * three[real] - f * three[other])
        to[other] += (a * one[other] + b * one[real] + c * two[other] + d * two[real]
                      + e * three[other] + f * three[real])


@arithmetic
def _add_one(to: Floats, real: np.float32, imaginary: np.float32, one: Floats) -> None:
    for at in range(len(to) // 2):
        to[2 * at] += real * one[2 * at] - imaginary * one[2 * at + 1]
        to[2 * at + 1] += real * one[2 * at + 1] + imaginary * one[2 * at]


@arithmetic
def turn_taps(phases: Doubles, turns: Doubles, samples: int, scale: Doubles, direct: Doubles,
              weights: Floats) -> None:
    """Turn each tap's waves by so many samples' turns, and weigh each tap by their sum.

    `weights` (pairs) are of every tap of `direct` with every tap that turns, in this order.
    """
    taps = len(scale)
    for tap in range(taps):
        real = imaginary = 0.0
        for wave in range(phases.shape[1]):
            phase = (phases[tap, wave] + turns[tap, wave] * samples) % (2 * math.pi)
            phases[tap, wave] = phase
            real += math.cos(phase)
            imaginary += math.sin(phase)
        for at in range(len(direct)):
            weights[2 * (at * taps + tap)] = direct[at] * scale[tap] * real
            weights[2 * (at * taps + tap) + 1] = direct[at] * scale[tap] * imaginary


@arithmetic
def add_noise(out: Floats, count: int, table: Floats, start: int, real: float,
              imaginary: float) -> None:
    """Add count samples of a table, turned and scaled; after its end its beginning follows."""
    size = len(table) // 2
    done = 0
    while done < count:
        here = min(count - done, size - start)
        _add_one(out[2 * done:2 * (done + here)], np.float32(real), np.float32(imaginary),
                 table[2 * start:])
        done += here
        start = 0


@arithmetic
def active_power(samples: Floats, start: int, count: int) -> tuple[float, int]:
    """Sum of squares where something is sent, by chunks, and how many samples that were."""
    power = 0.0
    active = 0
    for first in range(start, start + count, CHUNK):
        size = min(CHUNK, start + count - first)
        here = samples[2 * first:2 * (first + size)]
        part = np.float32(0)
        for at in range(2 * size):
            part += here[at] * here[at]
        if part > 0:
            power += float(part)
            active += size
    return power, active
