"""Channels that are made: fading after Clarke and Jakes, shadows, a walk to the edge, outages.

A fade is a sum of waves from all around, so that it changes as fast as the speed and the carrier
say; what a report of a whole carrier sees is the mean of several of them. Shadows are a first-order
process over the way gone (Gudmundson's). Everything by chance comes from the generator that is
given. It knows no antennas, no delay spread and no other cell.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from testbed.ran.mac.channel import Channel, ChannelConfig, Kind, Seconds, made_of

LIGHT = 299_792_458.0  # metres a second
WAVES = 16  # of one fade
NEAR_METRES, EDGE_METRES = 35.0, 500.0  # between which a walk goes
DEEPEST_DB = -40.0  # of a fade: below it a report says the same
SPEEDS = {Kind.PEDESTRIAN: 3.0, Kind.CELL_EDGE: 3.0, Kind.VEHICULAR: 60.0}  # km/h


def make(config: ChannelConfig, chance: np.random.Generator) -> Channel:
    """A channel of every kind but those of files."""
    count = max(1, round(config.seconds / config.report_seconds))
    seconds = np.arange(count) * config.report_seconds
    snr = np.full(count, float(config.snr_db))
    if config.kind is Kind.OUTAGE:
        snr[_outages(config, seconds, chance)] = -np.inf
    elif config.kind is not Kind.STATIC:
        speed = (config.speed_kmh or SPEEDS[config.kind]) / 3.6
        if config.kind is Kind.CELL_EDGE:
            snr = _walk(config, seconds)
        snr = snr + shadows(seconds, speed, config, chance) + 10 * np.log10(
            fades(seconds, speed * config.carrier_ghz * 1e9 / LIGHT, config.diversity, chance))
    return made_of(seconds, snr, count * config.report_seconds, config.cqi_table,
                   config.up_offset_db)


def fades(seconds: Seconds, doppler: float, diversity: int,
          chance: np.random.Generator) -> NDArray[np.float64]:
    """Power at each moment, 1 in the mean: of `diversity` independent fades, their mean."""
    power = np.zeros(len(seconds))
    for _ in range(diversity):
        # Arrivals spread evenly around, turned by chance: their mean power is exact.
        angles = 2 * np.pi * (np.arange(WAVES) + chance.random()) / WAVES
        phases = 2 * np.pi * chance.random(WAVES)
        field = np.zeros(len(seconds), np.complex128)
        for angle, phase in zip(angles, phases, strict=True):
            field += np.exp(1j * (2 * np.pi * doppler * np.cos(angle) * seconds + phase))
        power += np.abs(field) ** 2 / WAVES
    least: float = 10 ** (DEEPEST_DB / 10)
    return np.maximum(power / diversity, least)


def shadows(seconds: Seconds, speed: float, config: ChannelConfig,
            chance: np.random.Generator) -> NDArray[np.float64]:
    """dB at each moment."""
    kept = float(np.exp(-speed * config.report_seconds / config.shadow_metres))
    new = chance.normal(0.0, config.shadow_db, len(seconds))
    new[1:] *= np.sqrt(1 - kept * kept)
    values, value = [], 0.0
    for one in new.tolist():
        value = kept * value + one
        values.append(value)
    return np.array(values)


def _walk(config: ChannelConfig, seconds: Seconds) -> NDArray[np.floating[Any]]:
    """From near the mast to the edge in half of the time, and back; dB fall with log distance."""
    part = 1 - np.abs(2 * seconds / config.seconds - 1)
    metres = NEAR_METRES + (EDGE_METRES - NEAR_METRES) * part
    lost = np.log(metres / NEAR_METRES) / np.log(EDGE_METRES / NEAR_METRES)
    fall: float = config.snr_db - config.edge_snr_db
    snr: NDArray[np.floating[Any]] = config.snr_db - fall * lost
    return snr


def _outages(config: ChannelConfig, seconds: Seconds,
             chance: np.random.Generator) -> NDArray[np.bool_]:
    """Where it is gone: lengths and gaps of exponential distribution."""
    gone = np.zeros(len(seconds), np.bool_)
    at = chance.exponential(config.outage_every)
    while at < config.seconds:
        end = at + max(config.report_seconds, chance.exponential(config.outage_seconds))
        gone |= (seconds >= at) & (seconds < end)
        at = end + chance.exponential(config.outage_every)
    return gone
