"""Runs a simulated network: stations in threads, and between two steps what E2 and the xApp do.

    result = simulate(SimulatedSettings(cells=10), seed=1, say=print)

Time is only a number: a step of it is simulated as fast as it goes, and how fast that was is part
of the result. The scheduler's loops run without Python's lock; E2 and the xApp run alone, between
the steps, so that their time can be told.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from testbed.experiments.simulated.audit import Audit
from testbed.experiments.simulated.ric import Ric
from testbed.experiments.simulated.settings import SimulatedSettings
from testbed.experiments.simulated.station import SLOT_US, Station
from testbed.experiments.simulated.users import DOWN, K, State, User, run_window
from testbed.ran.mac.state import BITS, PRBS, Bearer

STEP_SLOTS = 50  # between two looks at E2: a control is late by half of that in the mean
SAY_EVERY = 5.0  # simulated seconds
YOUNG = 50_000  # objects between two looks for garbage: about those of a round of reports


@dataclass
class Tokens:
    """Of all users, in no order; times in seconds."""

    at: NDArray[np.float64]
    wait: NDArray[np.float64]  # since the token before, or the prompt
    first: NDArray[np.bool_]


@dataclass
class Simulation:
    """What came of it."""

    settings: SimulatedSettings
    tokens: Tokens
    standing: list[float]  # seconds that those who await an answer's next token did so at the end
    wall_seconds: float  # of the simulated time, without making it
    scheduler_cpu: float  # seconds
    node_cpu: float  # of base stations' E2
    xapp_cpu: float
    xapp_longest: float  # seconds, of one message or tick
    reports: int  # messages of base stations that the xApp took
    decisions: int
    ended: dict[str, int]  # decisions, by how they ended
    quota_seconds: list[float | None]  # of each cell: from the others' load to a higher guarantee;
    # 0: it was there as the load began, None: it never was from then on
    guarantees: list[int]  # highest, percent
    others_mbps: tuple[float, float]  # down and up of a cell, mean, while figures count
    others_offered_mbps: float  # both ways
    below_floor: list[int]  # cells' reports in a row in which the others wanted more than they got
    used: float  # of the downlink's blocks, while figures count
    skipped: float  # of all slots
    audit: Audit


class _Run:
    def __init__(self, settings: SimulatedSettings, seed: int, say: Callable[[str], None]) -> None:
        self.settings, self.say = settings, say
        self.stations = [Station(settings, place, seed * 10_007 + place)
                         for place in range(settings.cells)]
        self.ric = Ric(settings, self.stations)
        self.scheduler_cpu = 0.0
        self.base = [one.guarantee for one in self.stations]
        self.quota_at: list[float | None] = [None] * settings.cells
        self.highest = list(self.base)
        self._counted: NDArray[np.float64] | None = None
        self._used: NDArray[np.float64] | None = None
        self._offered = 0
        self._floor_windows = [0] * settings.cells
        self._floor_worst = [0] * settings.cells
        self._floor_at: list[NDArray[np.float64] | None] = [None] * settings.cells

    def run(self) -> Simulation:
        """Half of the base stations go on while the others' E2 is seen to, and the other way."""
        settings, slot = self.settings, 0
        last = round(settings.total * 1e6) // SLOT_US
        halves = [self.stations[0::2], self.stations[1::2]]
        began, said = time.perf_counter(), 0.0
        with ThreadPoolExecutor(settings.threads) as pool:
            while slot < last:
                slots = min(STEP_SLOTS, last - slot)
                for half, other in (halves, halves[::-1]):
                    running = [pool.submit(_advance, part, slots) for part in self._parts(half)]
                    self._see_to(other)
                    self.scheduler_cpu += sum(one.result() for one in running)
                slot += slots
                now = slot * SLOT_US / 1e6
                self._look(now)
                if now - said >= SAY_EVERY:
                    said = now
                    self.say(f"{now:.0f} of {settings.total:.0f} s, "
                             f"{now / (time.perf_counter() - began):.2f} x real time")
        return self._result(time.perf_counter() - began)

    def _see_to(self, half: Sequence[Station]) -> None:
        """E2 and the xApp, at the time at which these base stations stand."""
        if not half:
            return
        now = half[0].now
        self.ric.turn(half, now)
        # Spread over a period, as base stations are that were started one by one.
        for station in half:
            if not self.ric.knows(station) and now >= self._joins(station.place):
                self.ric.connect(station, now)
        self.ric.tick(now)

    def _parts(self, half: Sequence[Station]) -> list[Sequence[Station]]:
        threads = self.settings.threads
        return [part for place in range(threads) if (part := half[place::threads])]

    def _joins(self, place: int) -> float:
        return self.settings.period_ms / 1000 * place / self.settings.cells

    def _look(self, now: float) -> None:
        settings = self.settings
        for place, station in enumerate(self.stations):
            found = station.guarantee
            self.highest[place] = max(self.highest[place], found)
            # One that was given while nobody else was there, and taken back, is none of the load's.
            if (found > self.base[place] and self.quota_at[place] is None
                    and now >= settings.calm_seconds):
                self.quota_at[place] = now
        if self._counted is None and now >= settings.counted_from:
            self._counted, self._used = self._others(), self._blocks()
            self._offered = self._brought()
        if now >= settings.counted_from and round(now * 1000) % settings.period_ms < STEP_SLOTS:
            self._floors()

    def _floors(self) -> None:
        """Whether the others got less than their floor while their packets waited."""
        for place, station in enumerate(self.stations):
            mine = station.mac.counts[self.settings.llm_users:, DOWN, PRBS]
            used = np.array([mine.sum(), station.now])
            before, self._floor_at[place] = self._floor_at[place], used
            if before is None or station.now <= before[1]:
                continue
            share = 100 * (used[0] - before[0]) / (used[1] - before[1]) / int(
                station.mac.cell_prbs[0])
            # Packets for more than a hundred slots' blocks wait: they want more than they get.
            waiting = int(station.mac.bearers[self.settings.llm_users:, DOWN, Bearer.BYTES].sum())
            wants = waiting > 100 * int(station.mac.sizes[0, 0, int(station.mac.cell_prbs[0])])
            below = wants and share < self.settings.floor
            self._floor_windows[place] = self._floor_windows[place] + 1 if below else 0
            self._floor_worst[place] = max(self._floor_worst[place], self._floor_windows[place])

    def _others(self) -> NDArray[np.float64]:
        """Bits of those that use no split model, down and up."""
        people = self.settings.llm_users
        total = np.zeros(2)
        for one in self.stations:
            total += one.mac.counts[people:, :, BITS].sum(axis=0)
        return total

    def _blocks(self) -> NDArray[np.float64]:
        return np.array([one.mac.cell_used[0, 0] / one.mac.cell_prbs[0] for one in self.stations])

    def _brought(self) -> int:
        return sum(int(one.users.numbers[K.OFFERED]) for one in self.stations)

    def _result(self, wall: float) -> Simulation:
        settings, ric = self.settings, self.ric
        counted, used = self._counted, self._used
        assert counted is not None  # the end is after that
        assert used is not None
        bits = (self._others() - counted) / settings.seconds / settings.cells / 1e6
        blocks = float((self._blocks() - used).mean()) / settings.seconds
        offered = (self._brought() - self._offered) * 8e-6 / settings.seconds / settings.cells
        return Simulation(
            settings, tokens_of(self.stations), standing_of(self.stations), wall,
            self.scheduler_cpu, ric.node_cpu, ric.cpu, ric.longest, ric.reports, ric.decisions,
            ric.ended,
            [None if at is None else _since(settings.calm_seconds, at) for at in self.quota_at],
            self.highest, (float(bits[0]), float(bits[1])), offered, self._floor_worst, blocks,
            float(np.mean([one.skipped for one in self.stations])), ric.audit)


def _since(begin: float, at: float) -> float:
    """Seconds; 0 within the first step, in which nobody can have acted on what began."""
    found = at - begin
    return found if found >= STEP_SLOTS * SLOT_US / 1e6 else 0.0


def _advance(stations: Sequence[Station], slots: int) -> float:
    """CPU seconds of this thread."""
    began = time.thread_time()
    for one in stations:
        one.advance(slots)
    return time.thread_time() - began


def tokens_of(stations: Sequence[Station]) -> Tokens:
    """All that came."""
    counts = [int(one.users.numbers[K.TOKENS]) for one in stations]
    users = [one.users for one in stations]
    at, wait, first = (np.concatenate([getattr(one, name)[:count] for one, count in zip(
        users, counts, strict=True)]) for name in ("at", "wait", "first"))
    return Tokens(at / 1e9, wait / 1e9, first.astype(np.bool_))


def standing_of(stations: Sequence[Station]) -> list[float]:
    """Of all users in the midst of an answer: a token that never comes is a long wait, too."""
    found: list[float] = []
    for one in stations:
        llm = one.users.llm
        waits = (llm[:, User.STATE] != State.THINKS) & (llm[:, User.FIRST] == 0)
        found += (one.now - llm[waits, User.LAST] / 1e9).tolist()
    return found


def simulate(settings: SimulatedSettings, seed: int, say: Callable[[str], None]) -> Simulation:
    """All of it; the same with the same seed, but for how long it takes."""
    warm()
    run = _Run(settings, seed, say)
    with _collecting_seldom():
        return run.run()


@contextmanager
def _collecting_seldom() -> Iterator[None]:
    """What is there by now is no garbage: as the xApp's program does, it is not looked through.

    Thousands of UEs of all base stations would be, every now and then, which none of them has.
    """
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def warm() -> None:
    """Have the loop compiled, if it never was."""
    station = Station(SimulatedSettings(ues=2, llm_users=1), 0, 1)
    run_window(station.mac, station.users, 0, 0, 1, True)


if __name__ == "__main__":  # for set-up, which compiles ahead of time
    warm()
