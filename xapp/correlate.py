"""Finds which UE an address is, by its traffic, where nothing in E2 or the core links the two.

A tap counts an address's bytes, the RAN those of a UE; over a window, the two rise and fall
together if they are one. A match is claimed only where enough was seen, the traffic varied enough
to be told apart, the rates agree in size, each is the other's best, and the next best on both sides
is worse by a stated margin. Alike traffic therefore matches nothing, and nothing is said.

    correlator.address("10.45.0.2", kbps, now, 1.0); correlator.ue(key, kbps, now, 0.5)
    correlator.matches(now)

A rate counts for the seconds that it is of, so that reports of other times and lengths compare.
Much is compared a part at a time (`work`), so that nobody waits for it: up to `PAIRS` pairs of an
address and a UE in one go, which takes some milliseconds; a thousand of each take a minute.

The one UE of a network with one address needs no such thing: see `single`. It keeps rates, and
knows neither taps nor KPM.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from xapp.observations import UeKey
from xapp.ue_map import UeEntry

PAIRS = 16_384  # that are compared in one go
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
        rows = max(PAIRS // len(one.keys), 1)
        part = one.first[len(one.done):len(one.done) + rows]
        one.done.extend(_scores(part, one.second, self._config))
        if len(one.done) < len(one.names):
            return None
        self._round = None
        return tuple(UeEntry(one.names[row], one.keys[column], confidence=confidence)
                     for row, column, confidence in _pairs(np.array(one.done), self._config))


@dataclass
class _Round:
    """Rates as they were when it began, and the scores of the first addresses."""

    names: list[str]
    first: NDArray[np.float64]
    keys: list[UeKey]
    second: NDArray[np.float64]
    done: list[NDArray[np.float64]] = field(default_factory=list)


class _Rates:
    """The latest bins of each, by name."""

    def __init__(self, config: CorrelateConfig) -> None:
        self._config = config
        # Of each bin its number, kbps times weight, weight.
        self._bins: OrderedDict[str, deque[tuple[int, float, float]]] = OrderedDict()
        self._count = int(config.window / config.bin)

    def __contains__(self, name: str) -> bool:
        return name in self._bins

    def add(self, name: str, kbps: float, now: float, seconds: float) -> None:
        if not (math.isfinite(kbps) and kbps >= 0 and 0 <= seconds <= self._config.window):
            return
        bins = self._bins.get(name)
        if bins is None:
            bins = self._bins[name] = deque(maxlen=self._count)
            if len(self._bins) > self._config.most:
                self._bins.popitem(last=False)
        self._bins.move_to_end(name)
        width = self._config.bin
        for number in range(int((now - seconds) / width), int(now / width) + 1):
            within = min(now, (number + 1) * width) - max(now - seconds, number * width)
            self._count_in(bins, number, kbps, within if seconds else 1.0)

    @staticmethod
    def _count_in(bins: deque[tuple[int, float, float]], number: int, kbps: float,
                  weight: float) -> None:
        if weight <= 0:
            return
        for place in range(len(bins) - 1, -1, -1):
            if bins[place][0] == number:
                _, total, weights = bins[place]
                bins[place] = (number, total + kbps * weight, weights + weight)
                return
            if bins[place][0] < number:
                break
        if not bins or bins[-1][0] < number:
            bins.append((number, kbps * weight, weight))

    def drop(self, name: str) -> None:
        self._bins.pop(name, None)

    def table(self, now: float) -> tuple[list[str], NDArray[np.float64]]:
        """[name, bin] of rates up to the last full bin; NaN where nothing was said."""
        newest = int(now / self._config.bin) - 1
        table = np.full((len(self._bins), self._count), np.nan)
        for row, bins in enumerate(self._bins.values()):
            for number, total, values in bins:
                place = self._count - 1 - (newest - number)
                if 0 <= place < self._count:
                    table[row, place] = total / values
        return list(self._bins), table


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


def _pairs(
    scores: NDArray[np.float64], config: CorrelateConfig
) -> Iterable[tuple[int, int, float]]:
    """Each other's best by a margin; confidence is what is left of doubt by it."""
    for row in range(scores.shape[0]):
        column = int(scores[row].argmax())
        best = float(scores[row, column])
        if best < config.alike or int(scores[:, column].argmax()) != row:
            continue
        others = np.concatenate((np.delete(scores[row], column), np.delete(scores[:, column], row)))
        next_best = float(others.max(initial=-1.0))
        if best - next_best >= config.margin:
            # Never certain: traffic alike by chance exists, and a margin of 1 is the most there is.
            yield row, column, round(0.5 + 0.45 * min(best - max(next_best, 0.0), 1.0), 3)


def single(addresses: Collection[str], ues: Collection[UeKey]) -> tuple[UeEntry, ...]:
    """The only UE is the only address."""
    if len(addresses) != 1 or len(ues) != 1:
        return ()
    return (UeEntry(next(iter(addresses)), next(iter(ues)), confidence=SINGLE_CONFIDENCE),)
