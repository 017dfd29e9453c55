"""Sources that are made up: at a rate, by chance, in bursts, and a split LLM's even tokens.

Each gives arrivals up to a moment, so that any clock can drive it. The split LLM here is a
metronome: its next token does not wait for the cell to deliver the last, as the fluid cell's does.
Use it to load a cell in a known way; for how fast a real one is, run a real one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from testbed.ran.traffic.arrivals import DOWN, SECOND, UP, Arrivals, Source, User, arrivals, merged
from testbed.ran.traffic.config import LEAST_PACKET, Kind, TrafficConfig

BLOCK = 1024  # intervals that are drawn at once
_Gaps = Callable[[int], NDArray[np.float64]]


class Stream:
    """One user in one direction: packets of one size, with gaps as drawn."""

    def __init__(self, user: User, direction: int, size: int, begin: float, gaps: _Gaps) -> None:
        self._user, self._direction, self._size = user, direction, size
        self._gaps, self._last = gaps, begin
        self._times = np.zeros(0)

    def until(self, end: int) -> Arrivals:
        while not len(self._times) or self._times[-1] < end:
            times = self._last + np.cumsum(self._gaps(BLOCK)) * SECOND
            self._last = float(times[-1])
            self._times = np.concatenate((self._times, times))
        count = int(np.searchsorted(self._times, end, side="left"))
        rows = arrivals(count)
        rows["time"] = self._times[:count]
        rows["ue"], rows["session"] = self._user
        rows["direction"], rows["size"] = self._direction, self._size
        self._times = self._times[count:]
        return rows


class OnOff:
    """A stream while it is on, and nothing while it is off; both last as chance has it."""

    def __init__(self, config: TrafficConfig, user: User, begin: float,
                 chance: np.random.Generator) -> None:
        self._config, self._user, self._chance = config, user, chance
        self._begin = begin
        self._end = begin  # of the burst that is being given
        self._streams: list[Stream] = []

    def until(self, end: int) -> Arrivals:
        parts: list[Arrivals] = []
        while True:
            parts.extend(one.until(min(end, round(self._end))) for one in self._streams)
            if end <= self._end:
                return merged(parts)
            begin = self._end if not self._streams else (
                self._end + self._chance.exponential(self._config.off_seconds) * SECOND)
            self._end = begin + self._chance.exponential(self._config.on_seconds) * SECOND
            self._streams = _streams(self._config, self._user, begin, self._chance)


class SplitLlm:
    """Prompt, then tokens up at an even pace, each answered; then a pause, and so on."""

    def __init__(self, config: TrafficConfig, user: User, begin: float,
                 chance: np.random.Generator) -> None:
        self._config, self._user, self._chance = config, user, chance
        self._next = begin  # when the next prompt is sent
        self._given = arrivals(0)

    def until(self, end: int) -> Arrivals:
        while self._next < end:
            self._given = merged((self._given, self._answer(round(self._next))))
        count = int(np.searchsorted(self._given["time"], end, side="left"))
        rows, self._given = self._given[:count], self._given[count:]
        return rows.copy()

    def _answer(self, begin: int) -> Arrivals:
        config = self._config
        starts = begin + np.arange(config.tokens) * round(config.token_seconds * SECOND)
        first = self._packets(starts[:1], UP, config.prompt_bytes)
        later = self._packets(starts[1:], UP, config.token_bytes)
        back = self._packets(starts + round(config.edge_seconds * SECOND), DOWN,
                             config.answer_bytes)
        self._next = float(starts[-1]) + config.token_seconds * SECOND + (
            self._chance.exponential(config.think_seconds) * SECOND)
        return merged((first, later, back))

    def _packets(self, times: NDArray[np.int64], direction: int, size: int) -> Arrivals:
        sizes = pieces(size, self._config.packet_bytes)
        rows = arrivals(len(times) * len(sizes))
        rows["time"] = np.repeat(times, len(sizes))
        rows["size"] = np.tile(sizes, len(times))
        rows["ue"], rows["session"] = self._user
        rows["direction"] = direction
        return rows


def pieces(size: int, most: int) -> NDArray[np.int64]:
    """Packets that bear `size` bytes of payload between them, with headers, of at most `most`."""
    room = most - LEAST_PACKET
    if room < 1:
        return np.full(size, most)
    full, rest = divmod(size, room)
    return np.array([most] * full + ([rest + LEAST_PACKET] if rest else []), np.int64)


class Between:
    """A source that ends at a moment."""

    def __init__(self, source: Source, stop: int) -> None:
        self.source, self._stop = source, stop

    def until(self, end: int) -> Arrivals:
        return self.source.until(min(end, self._stop))


class Together:
    """Users of one kind of traffic."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources = sources

    def until(self, end: int) -> Arrivals:
        return merged([one.until(end) for one in self.sources])


def make_source(config: TrafficConfig, users: Sequence[User], seed: int) -> Source:
    """Traffic as configured for these users; the same with the same seed.

    Each user has chances of its own: one more user changes nothing for the others.
    """
    made: list[Source] = []
    for number, user in enumerate(users):
        chance = np.random.default_rng((seed, number))
        begin = (config.start + config.stagger * chance.random()) * SECOND
        made.append(_of_user(config, user, begin, chance))
    together = Together(made)
    return together if config.stop is None else Between(together, round(config.stop * SECOND))


def _of_user(config: TrafficConfig, user: User, begin: float,
             chance: np.random.Generator) -> Source:
    if config.kind is Kind.REPLAY:
        from testbed.ran.traffic.recording import read_recording
        from testbed.ran.traffic.replay import Replay
        return Replay(read_recording(config), config, user, round(begin),
                      chance.random() if config.anywhere else 0.0)
    if config.kind is Kind.PHONES:
        from testbed.ran.traffic.phones import make_phones
        return make_phones(config, user, begin, chance)
    if config.kind is Kind.ON_OFF:
        return OnOff(config, user, begin, chance)
    if config.kind is Kind.SPLIT_LLM:
        return SplitLlm(config, user, begin, chance)
    return Together(_streams(config, user, begin, chance))


def _streams(config: TrafficConfig, user: User, begin: float,
             chance: np.random.Generator) -> list[Stream]:
    made = []
    for direction, kbps in ((DOWN, config.down_kbps), (UP, config.up_kbps)):
        if kbps > 0:
            gap = config.packet_bytes * 8 / (kbps * 1000)
            gaps: _Gaps = partial(np.full, fill_value=gap)
            if config.kind is Kind.POISSON:
                gaps = partial(_exponential, chance, gap)
            made.append(Stream(user, direction, config.packet_bytes, begin, gaps))
    return made


def _exponential(chance: np.random.Generator, mean: float, count: int) -> NDArray[np.float64]:
    return chance.exponential(mean, count)
