"""What is read from the store: each part of it, from any thread, beside the one who writes."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from xapp.errors import StoreError
from xapp.events import Code, info
from xapp.operations import Clock, Kind
from xapp.recorded import Recorded
from xapp.store import Store
from xapp.store_records import Kind as Written
from xapp.store_records import Record, Sample, event_record

WALL = 1_800_000_000.0


def clock() -> Clock:
    return Clock(100.0, WALL)


def written(path: Path) -> Recorded:
    store = Store(path, lambda report: None, wall=lambda: WALL - 10.0)
    store.put(Sample("cell", "n/c", {"down_prbs": 40.0}))
    store.put(Sample("cell", "n/d", {"down_prbs": None}))
    store.put(event_record(info(Code.NODE_UP, "It is there.", "n")))
    store.put(Record(Written.POLICY, "20981/a", "anna", "put", {
        "type_id": 20981, "instance": "a", "policy": {}}))
    store.close()
    return Recorded(path, clock)


def test_histories_are_on_the_xapps_clock(tmp_path: Path) -> None:
    recorded = written(tmp_path / "xapp.db")
    seen = recorded.history(Kind.CELL, "down_prbs", 0.0)
    found: dict[str, object] = {one.subject: one.points for one in seen}
    assert found == {"n/c": ((pytest.approx(90.0), 40.0),), "n/d": ((pytest.approx(90.0), None),)}
    assert [one.subject for one in recorded.history(Kind.CELL, "down_prbs", 0.0, "n/d")] == ["n/d"]
    assert recorded.history(Kind.CELL, "down_prbs", 95.0) == []


def test_events_and_the_audit_log_are_read_in_any_thread(tmp_path: Path) -> None:
    recorded = written(tmp_path / "xapp.db")
    found: list[str] = []

    def read() -> None:
        found.extend(one.event.sentence for one in recorded.events(10))
        found.extend(one.who for one in recorded.audit() if one.who == "anna")

    thread = threading.Thread(target=read)
    thread.start()
    thread.join(30)
    assert found == ["It is there.", "anna"]
    assert recorded.decisions(10) == []
    assert recorded.decision(1) is None


def test_without_a_store_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="There is no"):
        Recorded(tmp_path / "none.db", clock).events(1)
