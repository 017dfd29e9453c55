"""What a core counts and times for who measures it: events, ends, answers, seconds to an effect.

    tally.kept(record, now)                     # whatever is handed to the store
    tally.effect = timer.measured               # and likewise the other callables

It is told what happened, and changes nothing.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable

from xapp.effect_watch import Verdict
from xapp.store_records import Kind, Record

MOST_INTENTS = 1024  # actions under way; there is one at most in each cell


class Tally:
    """Of one core, since its start."""

    def __init__(self) -> None:
        self.events: Counter[str] = Counter()  # by level
        self.ends: Counter[str] = Counter()  # of decisions, by how they ended
        self.controls: Counter[tuple[str, str]] = Counter()  # (actuator, answer)
        # For who measures: seconds to an answer, and to an effect; and when what led to a control
        # came in.
        self.acknowledgement: Callable[[float], None] = lambda seconds: None
        self.effect: Callable[[float], None] = lambda seconds: None
        self.control_sent: Callable[[float], None] = lambda arrived: None
        self._intents: OrderedDict[str, float] = OrderedDict()

    def kept(self, record: Record, now: float) -> None:
        """A record goes to the store."""
        if record.kind is Kind.DECISION_ENDED:
            self.ends[str(record.body["state"])] += 1
        elif record.kind is Kind.ACTION and not record.body["puts_back"]:
            self._intents[record.subject] = now
            if len(self._intents) > MOST_INTENTS:
                self._intents.popitem(last=False)
        elif record.kind is Kind.EFFECT and record.body["verdict"] == Verdict.SEEN.value:
            intended = self._intents.pop(record.subject, None)  # not of what was put back
            if intended is not None:
                self.effect(now - intended)
        elif record.kind is Kind.ACTION_ENDED:
            self._intents.pop(record.subject, None)
