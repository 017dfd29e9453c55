"""Tapped delay lines by name: how much power arrives how late.

Delays in nanoseconds and powers in decibels, as TS 38.101-4 (annex B.2.1: TDLA30, TDLB100, TDLC300)
and TS 36.104 (annex B.2: EPA, EVA, ETU) have them. How taps move in time is not known here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Profile:
    """One delay line."""

    delays: tuple[float, ...]  # ns
    powers: tuple[float, ...]  # dB, to each other


PROFILES: Mapping[str, Profile] = {
    "flat": Profile((0,), (0,)),
    "tdla30": Profile((0, 10, 15, 20, 25, 50, 65, 75, 105, 135, 150, 290),
                      (-15.5, 0, -5.1, -5.1, -9.6, -8.2, -13.1, -11.5, -11, -16.2, -16.6, -26.2)),
    "tdlb100": Profile((0, 10, 20, 30, 35, 45, 55, 120, 170, 245, 330, 480),
                       (0, -2.2, -0.6, -0.6, -0.3, -1.2, -5.9, -2.2, -0.8, -6.3, -7.5, -7.1)),
    "tdlc300": Profile((0, 65, 70, 190, 195, 200, 240, 325, 520, 1045, 1510, 2595),
                       (-6.9, 0, -7.7, -2.5, -2.4, -9.9, -8, -6.6, -7.1, -13, -14.2, -16)),
    "epa": Profile((0, 30, 70, 90, 110, 190, 410), (0, -1, -2, -3, -8, -17.2, -20.8)),
    "eva": Profile((0, 30, 150, 310, 370, 710, 1090, 1730, 2510),
                   (0, -1.5, -1.4, -3.6, -0.6, -9.1, -7, -12, -16.9)),
    "etu": Profile((0, 50, 120, 200, 230, 500, 1600, 2300, 5000),
                   (-1, -1, -1, 0, 0, 0, -3, -5, -7)),
}


def on_grid(profile: Profile, rate: float) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Its taps at whole samples, and each one's part of the power; what falls together is added."""
    total = sum(10 ** (power / 10) for power in profile.powers)
    parts: dict[int, float] = {}
    for delay, power in zip(profile.delays, profile.powers, strict=True):
        at = round(delay * 1e-9 * rate)
        parts[at] = parts.get(at, 0.0) + 10 ** (power / 10) / total
    return tuple(sorted(parts)), tuple(parts[at] for at in sorted(parts))
