"""Drafting beside the generation loop: what to guess now, and what came of it.

It joins a drafter with the pace that says how much of it pays, and reads time from the clock it is
given. It knows no links and no rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edge_server.messages import Sampling
from ue_app.drafts.drafter import Drafter
from ue_app.drafts.pace import Pace, Step

FIRST_TRIALS = 2  # drafts made to see what one takes: the very first is a cold one


class Speculation:
    """One conversation's drafts."""

    def __init__(self, drafter: Drafter, pace: Pace, clock: Callable[[], float]) -> None:
        self.drafter = drafter
        self._pace, self._clock = pace, clock
        self._began = self._drafting = 0.0
        self._trials = FIRST_TRIALS

    def start(self, sampling: Sampling, first: int) -> None:
        """A new answer begins at position `first`."""
        self.drafter.start(sampling, first)

    def read(self, ids: Sequence[int]) -> None:
        """Use a wait: take in what is certain, and see what a draft takes."""
        self.drafter.read(ids)
        for _ in range(self._trials):
            began = self._clock()
            self.drafter.draft(ids, 1)
            self._pace.expect(self._clock() - began)
        self._trials = 1

    def draft(self, ids: Sequence[int], room: int) -> list[int]:
        """What to send after `ids`, at most `room` tokens; a step begins."""
        self._began = self._clock()
        count = min(self._pace.choose(), room)
        drafts = self.drafter.draft(ids, count) if count > 0 else []
        self._drafting = self._clock() - self._began
        return drafts

    def came(self, drafted: int, accepted: int) -> None:
        """The step is over; so many of the drafts stand."""
        self._pace.observe(Step(drafted, accepted, self._drafting, self._clock() - self._began))
