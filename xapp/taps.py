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

CROWDED_SECONDS = 30.0  # between two words on flows that were given up
AWAITED_SECONDS = 15.0  # for a tap's first word, of which there is one each second
NEVER_HEARD = (
    f"No tap has spoken in the {AWAITED_SECONDS:g} s since the start. Start one (airsplit "
    "tap) and see that its address under `taps` is right. Where there is to be none, write "
    "`taps: []`: as long as one is waited for, quotas that the last run left are held for "
    "`limits.abandon`, though nobody may need them.")


class Taps:
    """Flows and rates, as taps tell them."""

    def __init__(self, flows: FlowTable, matching: Matching | None, silent: float,
                 awaited: bool = False) -> None:
        """`silent`: seconds after which a tap that says nothing is told of; `awaited`: there is to
        be one, by the configuration."""
        self.flows, self.matching, self.sessions = flows, matching, SessionRates()
        self._limit = silent
        self._silent = False
        self._awaited, self._began = awaited, float("inf")
        self._lost = 0
        self._evicted, self._crowded = 0, float("-inf")

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
        """Whether they still speak, and whether they said more than is remembered."""
        heard = self.flows.heard
        silent, before = heard is not None and not self.speak(now), self._silent
        self._silent = silent
        events = []
        self._began = min(self._began, now)
        if self._awaited and (heard is not None or now - self._began >= AWAITED_SECONDS):
            self._awaited = False
            if heard is None:
                events.append(warning(Code.TAP_SILENT, NEVER_HEARD))
        if silent and not before:
            events.append(warning(Code.TAP_SILENT, f"No tap has spoken for {self._limit:g} s: "
                                  "quotas stay as they are."))
        elif before and not silent:
            events.append(info(Code.TAP_HEARD, "A tap speaks again."))
        evicted = self.flows.counters.evicted
        if evicted > self._evicted and now - self._crowded >= CROWDED_SECONDS:
            events.append(warning(Code.FLOWS_CROWDED, f"{evicted - self._evicted} flows were given "
                                  "up, as taps tell of more than are remembered: first those of "
                                  "no known UE. See that nobody floods a tap, or raise "
                                  "`flows.most_strangers`."))
            self._evicted, self._crowded = evicted, now
        return events

    def speak(self, now: float) -> bool:
        """Whether one spoke lately."""
        heard = self.flows.heard
        return heard is not None and now - heard <= self._limit
