"""Scenarios and rows of the execution modes for tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from testbed.experiments.kind import Value
from testbed.experiments.results import DONE, Row
from testbed.experiments.scenario import Scenario

RATES = (1.0, 10.0, 100.0)
# What the semantic mode takes of the others' time: it pays on slow links alone.
RATIOS: Mapping[float, float] = {1.0: 0.1, 10.0: 0.6, 100.0: 0.98}
MODES = ("handle", "semantic")


def scenario(modes: Sequence[str] = MODES, /, **more: Mapping[str, Mapping[str, Any]]) -> Scenario:
    """Modes over link rates, and further factors."""
    return Scenario("m", "modes", factors={
        "mode": {mode: {"mode": mode} for mode in modes},
        "rate": {str(one): {"rate_mbps": one} for one in RATES}, **more}, repetitions=3)


def row(mode: str, rate: float, seed: int, **figures: Value) -> Row:
    settings: dict[str, Any] = {"mode": mode, "link": "shaped", "rate_mbps": rate, "steps": 10}
    return Row(f"r{seed}+{mode}+{rate}", seed, seed, {"mode": mode, "rate": str(rate)}, DONE, None,
               "", 1.0, 0.0, 0.0, settings, {}, figures)


def rows(seeds: Sequence[int] = (1, 2, 3)) -> list[Row]:
    """Both modes at all rates."""
    found = []
    for seed in seeds:
        for rate in RATES:
            base = 1000 / rate * (1 + seed / 50)
            found.append(row("handle", rate, seed, bytes_total=100_000, answer_ms=base))
            found.append(row("semantic", rate, seed, bytes_total=1000 + seed,
                             answer_ms=base * RATIOS[rate] * (1 + seed / 1000)))
    return found
