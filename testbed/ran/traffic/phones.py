"""Traffic of phones, made anew from models of recorded ones: both ways, without end.

Each phone takes one model and begins somewhere of its own in it. Packets are made up; which is
which phone's is seen by the flow's number. It reads no recordings, and knows no cell: a phone here
does not slow down when packets are lost, as a TCP sender would.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from testbed.ran.traffic.arrivals import DOWN, SECOND, UP, Arrivals, User, arrivals, merged
from testbed.ran.traffic.config import TrafficConfig
from testbed.ran.traffic.phone_model import BUNDLED, PhoneModel, read_models
from xapp.errors import ConfigurationError


class Phone:
    """One phone's packets, bin after bin."""

    def __init__(self, model: PhoneModel, config: TrafficConfig, user: User, flow: int,
                 begin: float, chance: np.random.Generator) -> None:
        self._model, self._config, self._user, self._flow = model, config, user, flow
        self._chance = chance
        self._moves = np.cumsum(np.array(model.moves), axis=1)
        self._packets = [[np.array(row) for row in table] for table in (
            model.down_packets, model.up_packets)]
        self._sizes = [[np.array(row) for row in table] for table in (
            model.down_bytes, model.up_bytes)]
        self._bin = model.bin_seconds * SECOND / config.speed
        self._at, self._silent = begin, 0
        self._level = int(chance.integers(len(model.moves)))
        self._made: list[Arrivals] = []

    def until(self, end: int) -> Arrivals:
        while self._at < end:
            self._made.append(self._next_bin())
        rows = merged(self._made)
        count = int(np.searchsorted(rows["time"], end, side="left"))
        self._made = [rows[count:]]
        return rows[:count]

    def _next_bin(self) -> Arrivals:
        begin = self._at
        if self._level == 0:
            length = float(self._chance.choice(self._model.silences))
            self._at += self._bin * self._rounded(length)
            parts = []
        else:
            self._at += self._bin
            point = int(self._chance.integers(len(self._packets[DOWN][self._level])))
            parts = [self._packets_of(way, point, begin) for way in (DOWN, UP)]
        move = np.searchsorted(self._moves[self._level], self._chance.random(), side="right")
        self._level = min(int(move), len(self._moves) - 1)  # sums may fall short of 1
        return merged(parts)

    def _packets_of(self, way: int, point: int, begin: float) -> Arrivals:
        rows = arrivals(self._rounded(
            float(self._packets[way][self._level][point]) * self._config.load))
        rows["time"] = np.sort(begin + self._chance.random(len(rows)) * self._bin)
        rows["ue"], rows["session"] = self._user
        rows["direction"], rows["flow"] = way, self._flow
        sizes = self._chance.choice(self._sizes[way][self._level], len(rows))
        rows["size"] = np.minimum(np.rint(sizes), self._config.packet_bytes)
        return rows

    def _rounded(self, value: float) -> int:
        """A whole number, `value` in the mean."""
        return int(value + self._chance.random())


class Phones:
    """Several phones of one user."""

    def __init__(self, phones: list[Phone]) -> None:
        self._phones = phones

    def until(self, end: int) -> Arrivals:
        return merged([one.until(end) for one in self._phones])


def make_phones(config: TrafficConfig, user: User, begin: float,
                chance: np.random.Generator) -> Phones:
    """The phones of one user; which models they have is by chance, all as often as they can."""
    models = models_of(config)
    names = list(models)
    first = int(chance.integers(len(names)))
    return Phones([
        Phone(models[names[(first + number) % len(names)]], config, user, number, begin, own)
        for number, own in enumerate(chance.spawn(config.phones))])


def models_of(config: TrafficConfig) -> dict[str, PhoneModel]:
    """Those that phones of this configuration take."""
    path = config.file or BUNDLED
    models = _read(path)
    unknown = [one for one in config.uses if one not in models]
    if unknown:
        raise ConfigurationError(f"{path} has no phone use {unknown[0]!r}.",
                                 f"It has {', '.join(models)}.")
    return {name: models[name] for name in config.uses or models}


@lru_cache(maxsize=8)
def _read(path: Path) -> dict[str, PhoneModel]:
    return read_models(path)
