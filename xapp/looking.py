"""When the core looks at what was reported, and what came of it how long after it came in.

A look costs time, the more UEs there are. What a base station reports at one moment comes as a
message for each slice: a few looks may follow each other at once, so that the last of them does not
wait because the first was looked at; on average there is a pause between two. It reads no clock.
"""

from __future__ import annotations

LOOKS_IN_A_ROW = 4  # without a pause
UES_A_PAUSE = 64  # for each of which pauses are longer by one `every`
PATIENT_SECONDS = 0.05  # between a look and the next that only labels are the reason of


class Looking:
    """The pace of looks, and what each is about."""

    def __init__(self, every: float) -> None:
        """`every`: seconds between looks on average, where there are few UEs."""
        self._every = every
        self.due: float | None = None  # when to look, where what came has to wait
        self.arrived: float | None = None  # when what is being taken in came; None: now
        self.more = False  # more is taken in right after it, and looked at together
        self.patient = False  # a label is taken in: a flood of them has few looks
        self._began = float("-inf")  # the last look
        self._paced = float("-inf")  # when the next look were due, had each had its pause
        self._unseen: float | None = None  # when the first of what was not looked at came
        self._seen: float | None = None  # the same of what is being looked at
        self._causes: dict[str, float] = {}  # the same of what waits for the disk, by ticket

    def came(self, now: float, ues: int) -> bool:
        """Something is to be looked at: whether that may be now; else it is `due`."""
        if self._unseen is None:
            self._unseen = now if self.arrived is None else self.arrived
        if self.more or self.patient:
            due = max(now, self._began + PATIENT_SECONDS) if self.patient else now
            self.due = due if self.due is None else min(self.due, due)
            return False
        free = self._paced - (LOOKS_IN_A_ROW - 1) * self._pause(ues)
        if now >= free:
            return True
        if self.due is None:
            self.due = free
        return False

    def begin(self, now: float, ues: int) -> None:
        """A look begins."""
        self.due, self._began = None, now
        self._paced = max(self._paced, now) + self._pause(ues)
        self._seen, self._unseen = self._unseen, None

    def _pause(self, ues: int) -> float:
        return self._every * (1 + ues / UES_A_PAUSE)

    def end(self) -> None:
        self._seen = None

    def wait(self, ticket: str) -> None:
        """What this look led to waits for the disk."""
        if self._seen is not None:
            self._causes[ticket] = self._seen

    @property
    def waiting(self) -> bool:
        """Something does."""
        return bool(self._causes)

    def cause(self, ticket: str) -> float | None:
        """When what led to it came in; it waits no more."""
        return self._causes.pop(ticket, None)
