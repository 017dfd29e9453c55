"""Finds which UE an address is, by its traffic, where nothing in E2 or the core links the two.

A tap counts an address's bytes, the RAN those of a UE; over a window, the two rise and fall
together if they are one. A match is claimed only where enough was seen, the traffic varied enough
to be told apart, the rates agree in size, each is the other's best, and the next best on both sides
is worse by a stated margin. Alike traffic therefore matches nothing, and nothing is said.

    correlator.address("10.45.0.2", kbps, now, 1.0); correlator.ue(key, kbps, now, 0.5)
    correlator.matches(now)

A rate counts for the seconds that it is of, so that reports of other times and lengths compare.
Much is compared a part at a time (`work`), so that nobody waits for it: up to `PAIRS` pairs of an
address and a UE in one turn, the first and the last turn included, which takes a few milliseconds.
At one turn a second, a thousand of each take two minutes.

The one UE of a network with one address needs no such thing: see `single`. It keeps rates, and
knows neither taps nor KPM.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xapp.observations import UeKey
from xapp.ue_map import UeEntry

PAIRS = 8192  # that are compared in one turn
NO_BIN = -1 << 62  # before all numbers of bins
SINGLE_CONFIDENCE = 0.8  # another UE may be there that neither side has reported yet


@dataclass(frozen=True, slots=True)
class CorrelateConfig:
    """How much has to be seen before anything is said."""

    bin: float = 1.0  # seconds that rates are averaged over; the RAN reports no faster
    window: float = 60.0  # seconds
    bins: int = 20  # with both rates known, at least
    alike: float = 0.9  # correlation, at least
    margin: float = 0.25  # that the next best must be worse by
    varied: float = 0.25  # standard deviation over mean that traffic must have at least
    size: float = 1.5  # most that the rates' sums may differ by, as a factor: headers, resends
    most: int = 1024  # addresses, and UEs


class Correlator:
    """Rates of addresses and of UEs."""

    def __init__(self, config: CorrelateConfig = CorrelateConfig()) -> None:
        self._config = config
        self._addresses = _Rates(config)
        self._ues = _Rates(config)
        self._keys: dict[str, UeKey] = {}
        self._round: _Round | None = None  # what is being compared
        self.compared = 0  # pairs, in the last turn

    def address(self, address: str, kbps: float, now: float, seconds: float = 0.0) -> None:
        """What a tap saw of an address, both ways, in the last seconds."""
        self._addresses.add(address, kbps, now, seconds)

    def ue(self, key: UeKey, kbps: float, now: float, seconds: float = 0.0) -> None:
        """What a node reported of a UE, both ways, in the last seconds."""
        self._ues.add(str(key), kbps, now, seconds)
        self._keys[str(key)] = key
        if len(self._keys) > 2 * self._config.most:
            self._keys = {text: key for text, key in self._keys.items() if text in self._ues}

    def forget(self, key: UeKey) -> None:
        self._ues.drop(str(key))

    def matches(self, now: float) -> tuple[UeEntry, ...]:
        """Addresses and the UEs that they are, with confidence; all at once."""
        self._round = None
        while (found := self.work(now)) is None:
            pass
        return found

    def work(self, now: float) -> tuple[UeEntry, ...] | None:
        """Compare some more; the matches once all has been compared, else None."""
        if self._round is None:
            names, first = self._addresses.table(now)
            keys, second = self._ues.table(now)
            if not names or not keys:
                return ()
            self._round = _Round(names, first, [self._keys[key] for key in keys], second)
        one = self._round
        self.compared = one.go_on(self._config)
        if one.done < len(one.names):
            return None
        self._round = None
        return tuple(UeEntry(one.names[row], one.keys[column], confidence=confidence)
                     for row, column, confidence in one.pairs(self._config))


class _Round:
    """Rates as they were when it began, and the best of what was compared of them so far.

    Of every address and every UE the best and the next best score are kept, and never all scores:
    so no turn is longer than the others, the last one included.
    """

    def __init__(self, names: list[str], first: NDArray[np.float64], keys: list[UeKey],
                 second: NDArray[np.float64]) -> None:
        self.names, self.keys, self.done = names, keys, 0
        self._first, self._second = first, second
        self._column = np.zeros(len(names), np.int64)  # of each address the best UE
        self._best, self._next = np.full((2, len(names)), -1.0)
        self._row = np.zeros(len(keys), np.int64)  # of each UE the best address
        self._ue_best, self._ue_next = np.full((2, len(keys)), -1.0)

    def go_on(self, config: CorrelateConfig) -> int:
        """Compare some addresses with all UEs; how many pairs that was."""
        start, end = self.done, self.done + max(PAIRS // len(self.keys), 1)
        scores = _scores(self._first[start:end], self._second, config)
        self.done = end = start + len(scores)
        self._column[start:end], self._best[start:end], self._next[start:end] = _two_best(scores)
        row, best, follows = _two_best(scores.T)
        # Of the two best so far and the two best of these, the two best.
        better = best > self._ue_best
        self._ue_next = np.maximum(np.minimum(best, self._ue_best),
                                   np.where(better, follows, self._ue_next))
        self._row = np.where(better, start + row, self._row)
        self._ue_best = np.maximum(best, self._ue_best)
        return int(scores.size)

    def pairs(self, config: CorrelateConfig) -> Iterable[tuple[int, int, float]]:
        """Each other's best by a margin; confidence is what is left of doubt by it."""
        rows = np.arange(len(self.names))
        follows = np.maximum(self._next, self._ue_next[self._column])
        told = ((self._best >= config.alike) & (self._row[self._column] == rows)
                & (self._best - follows >= config.margin))
        for row in np.flatnonzero(told).tolist():
            # Never certain: traffic alike by chance exists, and a margin of 1 is the most there is.
            margin = min(float(self._best[row]) - max(float(follows[row]), 0.0), 1.0)
            yield row, int(self._column[row]), round(0.5 + 0.45 * margin, 3)


def _two_best(scores: NDArray[np.float64]) -> tuple[
        NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Of each row where its best is, its best, and its next best, -1 where there is none."""
    places, rows = scores.argmax(axis=1), np.arange(len(scores))
    best = scores[rows, places]
    others = scores.copy()
    others[rows, places] = -1.0
    return places, best, others.max(axis=1)


class _Rates:
    """The latest bins of each, by name, as arrays: so that a table of all is made at once."""

    def __init__(self, config: CorrelateConfig) -> None:
        self._config = config
        self._count = int(config.window / config.bin)
        self._rows: OrderedDict[str, int] = OrderedDict()
        self._free: list[int] = []
        shape = config.most + 1, self._count  # [name, number of the bin modulo count]
        self._numbers = np.full(shape, NO_BIN, np.int64)
        self._sums, self._weights = np.zeros(shape), np.zeros(shape)  # kbps times weight

    def __contains__(self, name: str) -> bool:
        return name in self._rows

    def add(self, name: str, kbps: float, now: float, seconds: float) -> None:
        if not (math.isfinite(kbps) and kbps >= 0 and 0 <= seconds <= self._config.window):
            return
        row = self._rows.get(name)
        if row is None:
            row = self._free.pop() if self._free else len(self._rows)
            self._rows[name] = row
            if len(self._rows) > self._config.most:
                self.drop(next(iter(self._rows)))
        self._rows.move_to_end(name)
        width = self._config.bin
        for number in range(int((now - seconds) / width), int(now / width) + 1):
            within = min(now, (number + 1) * width) - max(now - seconds, number * width)
            self._count_in(row, number, kbps, within if seconds else 1.0)

    def _count_in(self, row: int, number: int, kbps: float, weight: float) -> None:
        if weight <= 0:
            return
        at = row, number % self._count
        known = self._numbers[at]
        if known < number:
            self._numbers[at], self._sums[at], self._weights[at] = number, kbps * weight, weight
        elif known == number:
            self._sums[at] += kbps * weight
            self._weights[at] += weight

    def drop(self, name: str) -> None:
        row = self._rows.pop(name, None)
        if row is not None:
            self._numbers[row] = NO_BIN
            self._free.append(row)

    def table(self, now: float) -> tuple[list[str], NDArray[np.float64]]:
        """[name, bin] of rates up to the last full bin; NaN where nothing was said."""
        wanted = int(now / self._config.bin) - self._count + np.arange(self._count)
        at = np.ix_(np.fromiter(self._rows.values(), np.int64, len(self._rows)),
                    wanted % self._count)
        known = self._numbers[at] == wanted
        weights = np.where(known, self._weights[at], 1.0)
        return list(self._rows), np.where(known, self._sums[at] / weights, np.nan)


def _scores(
    first: NDArray[np.float64], second: NDArray[np.float64], config: CorrelateConfig
) -> NDArray[np.float64]:
    """[address, UE]: correlation over the bins that both have; -1 where nothing can be said."""
    there, here = ~np.isnan(first), ~np.isnan(second).T  # [address, bin], [bin, UE]
    one, other = np.nan_to_num(first), np.nan_to_num(second).T
    there, here = there.astype(np.float64), here.astype(np.float64)
    count = _times(there, here)  # [address, UE], as all below
    some = np.maximum(count, 1.0)
    means = _times(one, here) / some, _times(there, other) / some
    spreads = (np.sqrt(np.maximum(_times(one**2, here) / some - means[0]**2, 0.0)),
               np.sqrt(np.maximum(_times(there, other**2) / some - means[1]**2, 0.0)))
    least, most = np.minimum(*means), np.maximum(*means)
    told = ((count >= config.bins) & (least > 0) & (most <= config.size * least)
            & (spreads[0] >= config.varied * means[0]) & (spreads[1] >= config.varied * means[1]))
    product = spreads[0] * spreads[1]
    told &= product > 0
    shared = (_times(one, other) / some - means[0] * means[1]) / np.where(told, product, 1.0)
    return np.where(told, np.clip(shared, -1.0, 1.0), -1.0)


def _times(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """A matrix product on one thread: a library's own threads wait for each other when others
    have the processors, for longer than all of this takes."""
    return np.asarray(np.einsum("ij,jk->ik", first, second))


def single(addresses: Collection[str], ues: Collection[UeKey]) -> tuple[UeEntry, ...]:
    """The only UE is the only address."""
    if len(addresses) != 1 or len(ues) != 1:
        return ()
    return (UeEntry(next(iter(addresses)), next(iter(ues)), confidence=SINGLE_CONFIDENCE),)
