"""Alarms to an OSC RIC's alarm manager: raised once when something is wrong, cleared when not.

    for message in watch.look(condition, now, wall): ...      # RMR messages of type 110
    watch.unsent(message, now)                                # it is tried again

The messages are as `ricxappframe.alarm` writes them. An alarm is known by its number and what it is
about, so a second one of the same is none. What the last run left raised is cleared at the start.
It does not know how it is found out that something is wrong (`osc_condition`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from xapp.ric.osc_config import OscConfig
from xapp.ric.osc_messages import ALARM, RmrMessage, clean, written

OBJECT = "RIC"  # managedObjectId: the alarm manager knows what an application is part of
AGAIN_SECONDS = 10.0  # before an alarm that RMR did not take is sent again
MOST_ALARMS = 256  # raised at a time; of more, the rest is not: no operator reads so many


class Severity(Enum):
    CRITICAL = "CRITICAL"
    MAJOR = "MAJOR"
    MINOR = "MINOR"
    WARNING = "WARNING"
    CLEARED = "CLEARED"
    DEFAULT = "DEFAULT"


class Problem(Enum):
    """Number, severity and text; the number of the first is OSC's own, the others are ours."""

    E2_LOST = (8006, Severity.MAJOR, "E2 CONNECTIVITY LOST TO G-NODEB", "Communication error")
    TAP_SILENT = (84801, Severity.MINOR, "AIRSPLIT TAP SILENT", "Communication error")
    CONTROL_FAILING = (84802, Severity.MAJOR, "AIRSPLIT CONTROL FAILING", "Processing error")
    STORE_DOWN = (84803, Severity.CRITICAL, "AIRSPLIT STORE DOWN", "Processing error")

    @property
    def number(self) -> int:
        return self.value[0]

    @property
    def severity(self) -> Severity:
        return self.value[1]

    @property
    def text(self) -> str:
        return self.value[2]

    @property
    def kind(self) -> str:
        return self.value[3]


Identity = tuple[Problem, str]  # and what it is about


@dataclass(frozen=True, slots=True)
class Condition:
    """How the xApp fares at one moment."""

    stations: Mapping[str, bool] = field(default_factory=dict)  # ever known, and whether there
    tap_silent: float | None = None  # seconds, where that is too long
    store: str | None = None  # why nothing can be kept
    # Of controls and decisions by name: how often since the start they failed, and worked.
    failed: Mapping[str, int] = field(default_factory=dict)
    worked: Mapping[str, int] = field(default_factory=dict)
    figures: Mapping[str, tuple[str, float]] = field(default_factory=dict)  # metrics: type, value


class Alarms:
    """Which alarms are raised."""

    def __init__(self, config: OscConfig) -> None:
        self._config = config
        self._raised: dict[Identity, str] = {}  # and the sentence
        self._failed: Mapping[str, int] = {}
        self._worked: Mapping[str, int] = {}
        self._failing: set[str] = set()  # names whose last end was a failure
        self._again: dict[bytes, float] = {}  # messages that RMR did not take, and when to try
        self._begun = False

    @property
    def raised(self) -> frozenset[Identity]:
        return frozenset(self._raised)

    def look(self, condition: Condition, now: float, wall: float) -> list[RmrMessage]:
        """What is to be raised and cleared now."""
        out = [] if self._begun else [self._message("CLEARALL", None, "", wall)]
        self._begun = True
        out += [RmrMessage(ALARM, payload, to=self._config.alarms or "")
                for payload, due in self._again.items() if due <= now]
        self._again = {payload: due for payload, due in self._again.items() if due > now}
        wrong = dict(list(self._wrong(condition).items())[:MOST_ALARMS])
        for identity in [one for one in self._raised if one not in wrong]:
            out.append(self._message("CLEAR", identity, self._raised.pop(identity), wall))
        for identity, why in wrong.items():
            if identity not in self._raised:
                self._raised[identity] = why
                out.append(self._message("RAISE", identity, why, wall))
        return out

    def unsent(self, message: RmrMessage, now: float) -> None:
        """RMR did not take it: what it says is still to be said, if it is still so."""
        if len(self._again) < MOST_ALARMS:
            self._again[message.payload] = now + AGAIN_SECONDS

    def stop(self, wall: float) -> list[RmrMessage]:
        """The xApp ends in order: nothing is wrong with it any more."""
        return [self._message("CLEAR", identity, why, wall)
                for identity, why in self._raised.items()]

    def _wrong(self, condition: Condition) -> dict[Identity, str]:
        found: dict[Identity, str] = {
            (Problem.E2_LOST, name): f"{name} is gone."
            for name, there in condition.stations.items() if not there}
        if condition.tap_silent is not None:
            # The sentence has no figure that grows: an alarm is raised once.
            found[Problem.TAP_SILENT, "tap"] = "No tap speaks; quotas stay as they are."
        if condition.store is not None:
            found[Problem.STORE_DOWN, "store"] = f"Nothing can be kept: {condition.store}"
        for name in self._still_failing(condition):
            found[Problem.CONTROL_FAILING, name] = f"The last use of {name} failed or did nothing."
        return found

    def _still_failing(self, condition: Condition) -> Iterable[str]:
        for name in {*condition.failed, *condition.worked}:
            if condition.failed.get(name, 0) > self._failed.get(name, 0):
                self._failing.add(name)
            elif condition.worked.get(name, 0) > self._worked.get(name, 0):
                self._failing.discard(name)
        self._failed, self._worked = dict(condition.failed), dict(condition.worked)
        return sorted(self._failing)

    def _message(self, action: str, identity: Identity | None, why: str, wall: float) -> RmrMessage:
        """Of one alarm, or of all that this xApp ever raised."""
        severity = Severity.DEFAULT if identity is None else identity[0].severity
        return RmrMessage(ALARM, written({
            "managedObjectId": OBJECT, "applicationId": self._config.name,
            "specificProblem": 0 if identity is None else identity[0].number,
            "perceivedSeverity": severity.value,
            "identifyingInfo": "" if identity is None else clean(identity[1]),
            "additionalInfo": clean(why), "AlarmAction": action,
            "AlarmTime": round(wall * 1000)}), to=self._config.alarms or "")


def definitions() -> dict[str, object]:
    """What the alarm manager has to be told before it takes our numbers."""
    return {"alarmdefinitions": [
        {"alarmId": one.number, "alarmText": one.text, "eventtype": one.kind,
         "operationinstructions": "See docs/osc.md of airsplit.", "raiseDelay": 0, "clearDelay": 0,
         "timeToLive": 0} for one in Problem if one is not Problem.E2_LOST]}
