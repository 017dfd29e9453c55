"""What was done and seen, read from the store: histories, decisions, events, the audit log.

Every reader has a connection of its own, that cannot write. It knows nothing of what is so now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from xapp.events import Code
from xapp.operating_views import at_of, audit_entry, decision_view, event_view
from xapp.operations import AuditEntry, Clock, DecisionView, EventView, Kind, Series
from xapp.store_read import Reader


class Recorded:
    """The part of `Operations` that reads the disk; from any thread that may wait."""

    def __init__(self, store: Path, clock: Callable[[], Clock]) -> None:
        self._store, self._clock = store, clock

    def history(
        self, kind: Kind, metric: str, since: float, subject: str | None = None
    ) -> Sequence[Series]:
        clock = self._clock()
        found: dict[str, list[tuple[float, float | None]]] = {}
        with Reader(self._store) as reader:
            for row in reader.samples(kind.value, clock.wall_time(since), subject):
                found.setdefault(row["subject"], []).append(
                    (at_of(clock, row["time"]), row["figures"].get(metric)))
        return [Series(name, tuple(points)) for name, points in found.items()]

    def decisions(self, count: int, before: int | None = None) -> Sequence[DecisionView]:
        clock = self._clock()
        with Reader(self._store) as reader:
            return [decision_view(row, reader.steps(row["id"]), reader.actions(row["id"]), clock)
                    for row in reader.decisions(count, before)]

    def decision(self, number: int) -> DecisionView | None:
        with Reader(self._store) as reader:
            row = reader.decision(number)
            return None if row is None else decision_view(
                row, reader.steps(row["id"]), reader.actions(row["id"]), self._clock())

    def events(self, count: int, before: int | None = None) -> Sequence[EventView]:
        clock = self._clock()
        with Reader(self._store) as reader:
            return [event_view(row, clock) for row in reader.events(count, before)
                    if row["code"] in set(Code)]

    def audit(self, since: float | None = None) -> Iterator[AuditEntry]:
        with Reader(self._store) as reader:
            for row in reader.audit(since=since):
                yield audit_entry(row)
