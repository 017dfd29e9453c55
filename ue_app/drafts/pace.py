"""How many tokens to draft: as many as pay, by what came of the last ones.

A draft costs time on the phone, on the link and at the edge, and saves a round trip where it comes
true. The pace keeps running figures of all that and picks the count with the most tokens a second;
none, where drafting does not pay, with a look now and then whether it would again. An account of
time won and lost bounds what wrong guesses may cost: what is short of it is not drafted.
Pure: times come in. It knows no drafter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

MEMORY = 0.9  # share of the past in the figures, at each step
TIME_MEMORY = 0.8  # the same for times: links change faster than texts
HOPE = (1.0, 2.0)  # hits and tries before there are any: half
FIRST = 2  # tokens of the first draft: nothing is known of its cost
LOOK_AFTER, LOOK_AT_MOST = 16, 128  # steps without drafts until one is tried again
LOSS = 0.03  # share of the time that wrong drafts may cost; 0.05 is what is promised
CREDIT = 2.0  # plain steps' time that the account may hold: old gains excuse no new losses
OVERDRAFT = 1.0  # plain steps' time that it may lack besides: a beginning costs something


@dataclass(frozen=True)
class Step:
    """What one round trip took and brought."""

    drafted: int
    accepted: int
    drafting: float  # seconds that the drafter took
    took: float  # seconds in all, drafting included


class Pace(Protocol):
    """The count of tokens to draft next."""

    def choose(self) -> int:
        """Tokens to draft for the next step."""

    def observe(self, step: Step) -> None:
        """Take in what a step was like."""


class SteadyPace:
    """Always as many, whatever comes of it: for who measures."""

    def __init__(self, count: int) -> None:
        self._count = count

    def choose(self) -> int:
        return self._count

    def observe(self, step: Step) -> None:
        """It makes no difference."""


class AdaptivePace:
    """As many as pay."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._hits, self._tries = HOPE
        self._plain: float | None = None  # seconds of a step without drafts
        self._each: float | None = None  # seconds that each draft adds
        self._saved = 0.0  # seconds won so far, within bounds
        self._spent = 0.0  # seconds of all steps
        self._idle, self._look = 0, LOOK_AFTER  # steps since the last draft, and until the next

    @property
    def rate(self) -> float:
        """Share of drafts that come true, lately."""
        return self._hits / self._tries

    def choose(self) -> int:
        if self._plain is None or self._short():
            return 0
        best = FIRST if self._each is None else self._best(self._plain, self._each)
        if best == 0 and self._idle >= self._look:
            return 1
        return min(best, self._longest)

    def observe(self, step: Step) -> None:
        self._spent += step.took
        if not step.drafted:
            self._idle += 1
            self._plain = _blend(self._plain, step.took, TIME_MEMORY)
            return
        self._count(step)
        if self._plain is None:
            return
        own = step.drafting / step.drafted  # it certainly cost that
        extra = max(own, (step.took - self._plain) / step.drafted)
        self._each = _blend(self._each, extra, TIME_MEMORY)
        if step.took - step.drafting < self._plain:  # the link got faster
            self._plain = _blend(self._plain, step.took - step.drafting, TIME_MEMORY)
        won = step.accepted * self._plain - (step.took - self._plain)
        self._saved = min(self._saved + won, CREDIT * self._plain)

    def _count(self, step: Step) -> None:
        # Drafts after the first wrong one say nothing: they were not looked at.
        self._hits = MEMORY * self._hits + step.accepted
        self._tries = MEMORY * self._tries + min(step.drafted, step.accepted + 1)
        waited, self._idle = self._idle > 0, 0
        if step.accepted:
            self._look = LOOK_AFTER
        elif waited:
            self._look = min(2 * self._look, LOOK_AT_MOST)

    def _short(self) -> bool:
        """Whether drafts have cost more than they may."""
        assert self._plain is not None
        return self._saved < -(LOSS * self._spent + OVERDRAFT * self._plain)

    def _best(self, plain: float, each: float) -> int:
        """The count with the most tokens a second."""
        best, most = 0, 1.0 / plain
        tokens, chance = 1.0, 1.0
        for count in range(1, self._longest + 1):
            chance *= self.rate
            tokens += chance
            speed = tokens / (plain + count * each)
            if speed > most:
                best, most = count, speed
        return best


def _blend(past: float | None, value: float, memory: float) -> float:
    return value if past is None else memory * past + (1.0 - memory) * value
