"""Records such as steering makes, and a listener that notes what a store reports."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from xapp.actuators.targets import SliceTarget
from xapp.observations import CellKey, Quota, Snssai
from xapp.store import Report
from xapp.store_records import Held, Kind, Record

CELL = CellKey("gnb_001_01_000019b", "00019b001")
TARGET = SliceTarget(CELL, Snssai(1, 5))
HANG_SECONDS = 20.0  # a store that never answers must not hang the run


class Listener:
    """What a store reported, in order."""

    def __init__(self) -> None:
        self.reports: list[Report] = []
        self._changed = threading.Condition()

    def __call__(self, report: Report) -> None:
        with self._changed:
            self.reports.append(report)
            self._changed.notify_all()

    def wait_for(self, wanted: Callable[[Report], bool]) -> Report:
        """The first report that is so, now or later."""
        with self._changed:
            found = self._changed.wait_for(
                lambda: next((one for one in self.reports if wanted(one)), None), HANG_SECONDS)
            assert found, self.reports
            return found

    def of(self, kind: type[Any]) -> list[Any]:
        with self._changed:
            return [one for one in self.reports if isinstance(one, kind)]


def decision(name: str = "1.1") -> Record:
    return Record(Kind.DECISION, name, "proportional", "flows need it.",
                  {"cell": str(CELL), "at": 1.0, "do": "set_quotas"})


def action(name: str = "1.2", of: str | None = "1.1", padding: int = 0) -> Record:
    return Record(Kind.ACTION, name, "rc_slice_quota", body={
        "decision": of, "cell": str(CELL), "at": 1.0, "sets": [], "padding": "x" * padding})


def ended(name: str = "1.2", outcome: str = "confirmed", of: str = "1.1") -> Record:
    return Record(Kind.ACTION_ENDED, name, "rc_slice_quota", "seen", {
        "decision": of, "cell": str(CELL), "at": 2.0, "outcome": outcome})


def decision_ended(name: str = "1.1", state: str = "confirmed") -> Record:
    return Record(Kind.DECISION_ENDED, name, why="seen", body={
        "state": state, "at": 2.0, "tried": []})


def held(minimum: int = 40, certain: bool = True) -> Held:
    quota = Quota(minimum, 100, 0)
    return Held(TARGET, Quota(), quota, quota, "rc_slice_quota", certain)
