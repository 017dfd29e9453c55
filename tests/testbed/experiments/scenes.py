"""Scenarios and rows for tests: a small design, and figures as a stand-in makes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from testbed.experiments.design import trials_of
from testbed.experiments.kind import Value
from testbed.experiments.results import DONE, FAILED, Row
from testbed.experiments.scenario import Scenario, scenario_of

MACHINE: dict[str, Any] = {"processor": "one", "processors": 2, "commit": "abc", "changed": False}


def document(**changes: Any) -> dict[str, Any]:
    """Two factors, twice two levels, of kind loop."""
    return {
        "name": "small", "kind": "loop", "settings": {"crowd": 3},
        "factors": {"steering": {"none": {"steering": "none"},
                                 "xapp": {"steering": "proportional"}},
                    "load": ["none", "saturation"]},
        "repetitions": 4, "seed": 5,
        "compare": [{"factor": "steering", "base": "none", "columns": ["p95_ms", "stalls"]}],
    } | changes


def small(**changes: Any) -> Scenario:
    return scenario_of(document(**changes))


def row(trial: str, repetition: int, levels: Mapping[str, str],
        figures: Mapping[str, Value] | None, **changes: Any) -> Row:
    """One that is done, or has failed where there are no figures."""
    values: dict[str, Any] = {
        "trial": trial, "repetition": repetition, "seed": 5 + repetition, "levels": levels,
        "status": DONE if figures is not None else FAILED,
        "error": None if figures is not None else "LinkFailure: no device",
        "began": "2026-01-01T00:00:00+00:00", "seconds": 1.0, "load_before": 0.2,
        "load_after": 0.4, "settings": {}, "machine": MACHINE, "figures": figures or {}}
    return Row(**values | changes)


def rows_of(scenario: Scenario, p95: Mapping[tuple[str, ...], Sequence[float]],
            **others: Value) -> list[Row]:
    """A row for each trial, with the p95 of its levels and repetition."""
    return [row(one.name, one.repetition, one.levels, {
        "p95_ms": p95[tuple(one.levels.values())][one.repetition], **others})
        for one in trials_of(scenario)]
