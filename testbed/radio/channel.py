"""One path between two stations: loss, delay, fading and outage, block by block.

A delay of parts of a sample is a windowed sinc; fading is Rayleigh by a sum of sinusoids with the
classical Doppler spectrum. Fading taps lie on whole samples. What is random comes in as a
generator. It knows no sockets, and of time only how many samples went by.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from testbed.radio.kernel import Floats, add_path, turn_taps
from testbed.radio.profiles import PROFILES, on_grid
from testbed.radio.settings import PathSettings

SINC_REACH = 12  # samples each side: flat within 0.1 dB over 80 % of the band
SINUSOIDS = 24  # for each tap; Rayleigh within a few per cent
TURNED = 0.02  # of the fastest turn of a tap: weights are straight lines over pieces this long
SHORTEST = 16  # samples of such a piece


class Path:
    """It is asked for consecutive blocks, and remembers where its fading is."""

    def __init__(self, settings: PathSettings, rate: float, random: np.random.Generator) -> None:
        self._rate = rate
        self._random = random
        self.set(settings)

    def set(self, settings: PathSettings) -> None:
        """Take other settings from the next block on."""
        self.settings = settings
        delay = settings.delay * 1e-6 * self._rate
        whole, fraction = math.floor(delay + 1e-9), delay - math.floor(delay + 1e-9)
        direct, weights = _fractional(whole, max(fraction, 0.0))
        weights *= 10 ** (-settings.path_loss / 20)
        self._fading: _Fading | None = None
        self._delays, self._weights = direct, _pairs(weights)
        if settings.profile != "none":
            self._fading = _Fading(settings.profile, settings.doppler, self._rate, self._random,
                                   weights)
            self._delays = np.add.outer(direct, self._fading.delays).ravel()

    @property
    def reach(self) -> int:
        """How many samples before a block it needs."""
        return int(self._delays.max())

    def add(self, out: Floats, source: Floats, start: int, count: int) -> None:
        """Add what arrives to out[:count] of what was sent at source[start:start + count]."""
        if self._fading is None:
            if not self.settings.outage:
                add_path(out, source, start, count, self._delays, self._weights, self._weights)
            return
        piece = self._fading.piece
        for first in range(0, count, piece):
            size = min(piece, count - first)
            before, after = self._fading.move(size)
            if not self.settings.outage:
                add_path(out[2 * first:], source, start + first, size, self._delays, before, after)


class _Fading:
    """Taps that turn as a receiver moves, each after every tap of `direct`."""

    def __init__(self, profile: str, doppler: float, rate: float, random: np.random.Generator,
                 direct: NDArray[np.float64]) -> None:
        delays, parts = on_grid(PROFILES[profile], rate)
        self.delays = np.array(delays, np.int64)
        taps = len(delays)
        # Angles of arrival spread evenly, each tap's turned by chance: Clarke's spectrum.
        angle = (np.arange(SINUSOIDS) + random.uniform(0, 1, (taps, 1))) * 2 * np.pi / SINUSOIDS
        self.piece = max(SHORTEST, int(TURNED * rate / max(doppler, 1e-3)))
        self._turn = 2 * np.pi * doppler / rate * np.cos(angle)  # a sample
        self._phase = random.uniform(0, 2 * np.pi, (taps, SINUSOIDS))
        self._scale = np.sqrt(np.array(parts) / SINUSOIDS)
        self._direct = direct
        self._before, self._now = np.zeros((2, 2 * taps * len(direct)), np.float32)
        self.move(0)

    def move(self, samples: int) -> tuple[Floats, Floats]:
        """The taps' weights (pairs) before and after so many samples."""
        self._before, self._now = self._now, self._before
        turn_taps(self._phase, self._turn, samples, self._scale, self._direct, self._now)
        return self._before, self._now


def _fractional(whole: int, fraction: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Taps of a delay; one tap where it is a whole number of samples."""
    if fraction < 1e-3 or fraction > 1 - 1e-3:
        return np.array([whole + round(fraction)]), np.ones(1)
    # No sample is known before it was sent: short delays have shorter filters.
    reach = min(max(1, whole), SINC_REACH)
    at = np.arange(-reach + 1, reach + 1)
    away = at - fraction
    window = 0.5 * (1 + np.cos(np.pi * away / (reach + 1)))
    weights = np.sinc(away) * window
    kept = whole + at >= 0
    weights, at = weights[kept], at[kept]
    return (whole + at).astype(np.int64), weights / weights.sum()


def _pairs(values: NDArray[Any]) -> Floats:
    return np.ascontiguousarray(values.astype(np.complex64)).view(np.float32)
