"""What all taps say, on its way to who needs it, and what an operator is told of them.

    events = taps.heard(message, source, now)
    events = taps.watch(now)                    # each second

It neither receives nor decides.
"""

from __future__ import annotations

from classifier.messages import AddressRates, Message, TapStatus
from xapp.events import Code, Event, info, warning
from xapp.flows import FlowTable
from xapp.matching import Matching
from xapp.sessions import SessionRates


class Taps:
    """Flows and rates, as taps tell them."""

    def __init__(self, flows: FlowTable, matching: Matching | None, silent: float) -> None:
        """`silent`: seconds after which a tap that says nothing is told of."""
        self.flows, self.matching, self.sessions = flows, matching, SessionRates()
        self._limit = silent
        self._silent = False
        self._lost = 0

    def heard(self, message: Message, source: str, now: float) -> list[Event]:
        """A tap spoke."""
        first = self.flows.heard is None
        self.flows.take(message, source, now)
        events = [info(Code.TAP_HEARD, f"The tap at {source} speaks.", source)] if first else []
        lost = self.flows.counters.lost
        if lost > self._lost and isinstance(message, TapStatus):
            events.append(warning(Code.LABELS_LOST, f"{lost - self._lost} messages of taps never "
                                  "came: what they said of flows is doubted.", source))
            self._lost = lost
        if isinstance(message, AddressRates):
            self.sessions.heard(message, source, now)
            if self.matching is not None:
                self.matching.heard(message, now)
        return events

    def watch(self, now: float) -> list[Event]:
        """Whether they still speak."""
        heard = self.flows.heard
        silent, before = heard is not None and not self.speak(now), self._silent
        self._silent = silent
        if silent and not before:
            return [warning(Code.TAP_SILENT, f"No tap has spoken for {self._limit:g} s: quotas "
                            "stay as they are.")]
        return [info(Code.TAP_HEARD, "A tap speaks again.")] if before and not silent else []

    def speak(self, now: float) -> bool:
        """Whether one spoke lately."""
        heard = self.flows.heard
        return heard is not None and now - heard <= self._limit
