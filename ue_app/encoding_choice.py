"""Which encoding rows should be written in now: from the link's measured rate and a quality budget.

The rate comes from what exchanges took: a prompt's many bytes against a token's few, over the same
link. Whatever else delays an exchange makes the link look slower than it is, so the best rate seen
lately counts. Of the encodings whose measured cost in quality is within the budget the fastest is
taken, and of those that are as fast the most exact. Pure: bytes and times come in.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

PROMPT_ROWS = 8  # an exchange of fewer says something of the delay
PROMPT_BYTES = 8192  # and one of so many of the rate: what is shorter may pass in one burst
KEPT_PROMPTS, KEPT_STEPS = 8, 32  # exchanges that are remembered: a link changes
RESOLUTION = 0.5e-3  # seconds: differences below it are the clock's and the scheduler's
WORTH = 0.01  # share of a token's time that less exact rows have to win at least


@dataclass(frozen=True)
class Progress:
    """What a connection has carried up so far."""

    sent: int  # bytes
    seconds: float  # that it was busy with them; only differences mean something


class LinkRate:
    """Bytes a second that the link carries, and how long it takes for nothing."""

    def __init__(self) -> None:
        self._prompts: deque[tuple[int, float]] = deque(maxlen=KEPT_PROMPTS)  # bytes, seconds
        self._steps: deque[tuple[int, float]] = deque(maxlen=KEPT_STEPS)

    def exchange(self, rows: int, sent: int, seconds: float) -> None:
        """`rows` went out as `sent` bytes, and their result was here after `seconds`."""
        if sent <= 0 or seconds < 0:
            return
        if rows < PROMPT_ROWS:
            self._steps.append((sent, seconds))
        elif sent >= PROMPT_BYTES:
            self._prompts.append((sent, seconds))

    @property
    def step(self) -> float | None:
        """Seconds that a token takes; None before there was one."""
        return statistics.median(took for _, took in self._steps) if self._steps else None

    @property
    def rate(self) -> float | None:
        """Bytes a second; None before a prompt and a token were measured."""
        if not self._steps or not self._prompts:
            return None
        # The quickest: a step that was held up would make a prompt look as if it flew.
        few, least = min(self._steps, key=lambda step: step[1])
        found = [(sent - few) / max(took - least, RESOLUTION)
                 for sent, took in self._prompts if sent > few]
        return max(found, default=None)


@dataclass(frozen=True)
class Candidate:
    """An encoding that may be chosen."""

    name: str
    row_bytes: float
    seconds: float  # to write and read a row, on both sides together
    increase: float  # of perplexity, percent, as measured for this model; 0 where nothing is lost


class Choice:
    """The encoding for the rows to come."""

    def __init__(self, candidates: Sequence[Candidate], budget: float) -> None:
        """Of `candidates` those count that cost at most `budget` percent of perplexity.

        The first is taken until the link is known; of equals the earlier one.
        """
        if not candidates or candidates[0].increase > budget:
            raise ValueError("the first candidate has to be within the budget")
        self.candidates = [one for one in candidates if one.increase <= budget]
        self.link = LinkRate()
        self.name = self.candidates[0].name

    def exchange(self, rows: int, sent: int, seconds: float) -> None:
        """As of `LinkRate`; chooses anew."""
        self.link.exchange(rows, sent, seconds)
        rate, step = self.link.rate, self.link.step
        if rate is None or step is None:
            return
        costs = {one.name: one.row_bytes / rate + one.seconds for one in self.candidates}
        enough = min(costs.values()) + WORTH * step
        good = [one for one in self.candidates if costs[one.name] <= enough]
        self.name = min(good, key=lambda one: one.increase).name
