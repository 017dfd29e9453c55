"""Goals are met by what was measured, missed by what was lost, and neither by what was not."""

from __future__ import annotations

from tests.benchmarks.cell_packets import met
from tests.benchmarks.report import Figures

GOOD: Figures = {"reason": None, "slot_us": 1000, "mbit_s": 500.0, "packets_s": 60_000.0,
                 "core": 0.5, "lost": 0.0, "delay_p99_ms": 1.4, "control_p99_slots": 1.1}


def judged(**changes: object) -> dict[str, bool | None]:
    return met([{**GOOD, "load": load, **changes}
                for load in ("500 Mbit/s", "60,000 small", "idle")])


def test_what_reaches_its_goal() -> None:
    assert set(judged().values()) == {True}


def test_what_does_not() -> None:
    for changes, missed in (({"mbit_s": 480.0}, 1), ({"packets_s": 50_000.0}, 1),
                            ({"core": 1.2}, 2), ({"lost": 0.01}, 4), ({"delay_p99_ms": 1.6}, 1),
                            ({"delay_p99_ms": None}, 1), ({"control_p99_slots": 2.5}, 1)):
        assert list(judged(**changes).values()).count(False) == missed


def test_what_was_not_measured() -> None:
    assert set(judged(reason="no root").values()) == {None}
    assert set(met([]).values()) == {None}
