"""How many tokens to draft: as many as pay, by what came of the last ones.

A draft costs time on the phone, on the link and at the edge, and saves a round trip where it comes
true. The pace keeps running figures of all that and picks the count with the most tokens a second;
none, where drafting does not pay, with a look now and then whether it would again. An account of
time won and lost bounds what wrong guesses may cost: what would overdraw it is not drafted.
Pure: times come in. It knows no drafter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

MEMORY = 0.97  # share of the past in what is known of guesses, at each step that has some
TIME_MEMORY = 0.8  # the same for times: links change faster than texts
HOPE = (1.0, 2.0)  # hits and tries before there are any: half
REST = 1.0  # what a draft adds on the link and at the edge before it is known: as its making
LOOK_AFTER = 8  # steps without drafts until one is tried again, at least
LOOKING = 0.01  # share of the time that such tries may cost
LOSS = 0.02  # share of the time that wrong drafts may cost; 0.05 is what is promised
CREDIT = 2.0  # plain steps' time that the account may hold: old gains excuse no new losses
OVERDRAFT = 0.5  # plain steps' time that it may lack besides: a beginning costs something


@dataclass(frozen=True)
class Step:
    """What one round trip took and brought."""

    drafted: int
    accepted: int
    drafting: float  # seconds that the drafter took
    took: float  # seconds in all, drafting included


class Pace(Protocol):
    """The count of tokens to draft next."""

    def expect(self, drafting: float) -> None:
        """One draft was made for a trial, and took so many seconds."""

    def choose(self) -> int:
        """Tokens to draft for the next step."""

    def observe(self, step: Step) -> None:
        """Take in what a step was like."""


class SteadyPace:
    """Always as many, whatever comes of it: for who measures."""

    def __init__(self, count: int) -> None:
        self._count = count

    def expect(self, drafting: float) -> None:
        """It makes no difference."""

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
        self._idle = 0  # steps since the last draft
        self._sent = False  # whether a draft ever was

    @property
    def rate(self) -> float:
        """Share of drafts that come true, lately."""
        return self._hits / self._tries

    def expect(self, drafting: float) -> None:
        """Believed until a draft was sent; of several trials the quickest: the first is cold."""
        expected = drafting * (1.0 + REST)
        if self._each is None or (not self._sent and expected < self._each):
            self._each = expected

    def choose(self) -> int:
        if self._plain is None or self._each is None:
            return 0
        best = self._best(self._plain, self._each)
        if best == 0:
            wait = max(LOOK_AFTER, self._each / (LOOKING * self._plain))
            best = 1 if self._idle >= wait else 0
        return min(best, self._affordable(self._plain, self._each))

    def observe(self, step: Step) -> None:
        self._spent += step.took
        if not step.drafted:
            self._idle += 1
            self._plain = _blend(self._plain, step.took, TIME_MEMORY)
            return
        self._idle, self._sent = 0, True
        # Drafts after the first wrong one say nothing: they were not looked at.
        self._hits = MEMORY * self._hits + step.accepted
        self._tries = MEMORY * self._tries + min(step.drafted, step.accepted + 1)
        if self._plain is None:
            return
        rest = step.took - step.drafting
        if rest < self._plain:  # the link got faster
            self._plain = _blend(self._plain, rest, TIME_MEMORY)
        extra = (step.drafting + max(0.0, rest - self._plain)) / step.drafted
        self._each = _blend(self._each, extra, TIME_MEMORY)
        won = step.accepted * self._plain - step.drafted * self._each
        self._saved = min(self._saved + won, CREDIT * self._plain)

    def _affordable(self, plain: float, each: float) -> int:
        """The drafts that may all turn out wrong without costing more than they may."""
        left = self._saved + LOSS * self._spent + OVERDRAFT * plain
        return max(0, int(left / each)) if each > 0 else self._longest

    def _best(self, plain: float, each: float) -> int:
        """The count with the most tokens a second."""
        best, most = 0, 1.0 / plain if plain > 0 else 0.0
        tokens, chance = 1.0, 1.0
        for count in range(1, self._longest + 1):
            chance *= self.rate
            tokens += chance
            took = plain + count * each
            if took > 0 and tokens / took > most:
                best, most = count, tokens / took
        return best


def _blend(past: float | None, value: float, memory: float) -> float:
    return value if past is None else memory * past + (1.0 - memory) * value
