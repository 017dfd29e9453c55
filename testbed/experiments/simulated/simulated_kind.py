"""Trials without packets: many cells in simulated time, with the scheduler, codecs and xApp as is.

The columns are of the time in which the others load the cells, once it has settled, unless their
names say otherwise. How fast the simulation ran, and whose work that was, is measured too.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testbed.experiments.errors import BadScenario
from testbed.experiments.kind import Better, Column, Figures, Say, Scale, Value
from testbed.experiments.results import write_whole
from testbed.experiments.simulated.audit import AUDIT
from testbed.experiments.simulated.settings import SimulatedSettings
from xapp.config_reading import build
from xapp.errors import XappError

if TYPE_CHECKING:
    from testbed.experiments.simulated.run import Simulation

LOW, HIGH = Better.LOWER, Better.HIGHER
STALL_SECONDS = 0.5
REPORTS_ON_END = 3  # below its floor with packets waiting: then it is violated

COLUMNS = (
    Column("first_token_ms", "time to first token, median", "ms", LOW, main=True),
    Column("p50_ms", "between tokens, p50", "ms", LOW, main=True),
    Column("p95_ms", "between tokens, p95", "ms", LOW, main=True),
    Column("p99_ms", "between tokens, p99", "ms", LOW, main=True),
    Column("tokens_per_second", "tokens of a user while one is awaited", "1/s", HIGH, main=True),
    Column("stalls", "stalls over 0.5 s", "", LOW, Scale.DIFFERENCE),
    Column("calm_p50_ms", "between tokens, p50 (calm)", "ms", LOW),
    Column("calm_p95_ms", "between tokens, p95 (calm)", "ms", LOW),
    Column("p95_times_calm", "p95 over the calm's", "x", LOW, digits=2, main=True),
    Column("congestion_to_quota_s", "from the load's begin to a higher guarantee, median of cells; "
           "0: it was there", "s", LOW, digits=2),
    Column("raised_cells", "cells with a higher guarantee under load", "%", scale=Scale.DIFFERENCE,
           main=True),
    Column("guarantee", "highest guarantee of the model's slice, mean of cells", "%",
           scale=Scale.DIFFERENCE),
    Column("decisions", "decisions", scale=Scale.DIFFERENCE),
    Column("confirmed", "decisions whose effect was seen", scale=Scale.DIFFERENCE),
    Column("others_down_mbps", "others in a cell, down", "Mbit/s", HIGH, digits=2, main=True),
    Column("others_up_mbps", "others in a cell, up", "Mbit/s", HIGH, digits=2),
    Column("others_offered_mbps", "what others brought to a cell, both ways", "Mbit/s", digits=2),
    Column("used_percent", "downlink blocks in use", "%", scale=Scale.DIFFERENCE, main=True),
    Column("floor_violated", "the others got less than their floor", better=LOW),
    Column("times_real_time", "simulated seconds in one of the clock", "x", HIGH, digits=2,
           main=True),
    Column("scheduler_cpu", "CPU of a simulated second: scheduler and users", "s", LOW, digits=3,
           main=True),
    Column("node_cpu", "the same: base stations' E2", "s", LOW, digits=3, main=True),
    Column("xapp_cpu", "the same: the xApp; over 1 it could not keep up", "s", LOW, digits=3,
           main=True),
    Column("xapp_ms_per_period", "the xApp's CPU per report period of all cells", "ms", LOW,
           main=True),
    Column("xapp_longest_ms", "the xApp's longest step", "ms", LOW),
    Column("reports_per_second", "messages of base stations per simulated second", "1/s"),
    Column("skipped_percent", "slots in which nothing could happen", "%", scale=Scale.DIFFERENCE),
)


class Simulated:
    """The kind."""

    name = "simulated"
    columns: Sequence[Column] = COLUMNS

    def check(self, settings: Mapping[str, Any]) -> None:
        settings_of(settings)

    def prepare(self) -> None:
        from testbed.experiments.simulated.run import warm

        warm()

    def run(self, settings: Mapping[str, Any], seed: int, folder: Path, say: Say) -> Figures:
        from testbed.experiments.simulated.run import simulate

        found = simulate(settings_of(settings), seed, say)
        figures = figures_of(found)
        document = {"settings": asdict(found.settings), "figures": figures,
                    "decisions": found.ended, "guarantees": found.guarantees,
                    "quota_seconds": found.quota_seconds}
        write_whole(folder / "summary.json",
                    json.dumps(document, indent=1, default=str).encode())
        write_whole(folder / AUDIT, found.audit.lines())
        return figures


def settings_of(settings: Mapping[str, Any]) -> SimulatedSettings:
    try:
        return build(SimulatedSettings, settings, "settings")
    except XappError as error:
        raise BadScenario(error.problem, error.remedy) from error


def figures_of(found: Simulation) -> Figures:
    """A row."""
    settings = found.settings
    calm = _waits(found, 0.0, settings.calm_seconds)
    # Who waits so long at the end is no less held up than one whose token came in time to count.
    loaded = sorted([*_waits(found, settings.counted_from, settings.total),
                     *(one for one in found.standing if one > STALL_SECONDS)])
    quota = [one for one in found.quota_seconds if one is not None]
    total, periods = settings.total, settings.total * 1000 / settings.period_ms
    p95, calm_p95 = _quantile(loaded, 0.95), _quantile(calm, 0.95)
    return {
        "first_token_ms": _quantile(_firsts(found), 0.5),
        "p50_ms": _quantile(loaded, 0.5), "p95_ms": p95, "p99_ms": _quantile(loaded, 0.99),
        "tokens_per_second": 1 / statistics.fmean(loaded) if loaded else None,
        "stalls": sum(one > STALL_SECONDS for one in loaded),
        "calm_p50_ms": _quantile(calm, 0.5), "calm_p95_ms": calm_p95,
        "p95_times_calm": p95 / calm_p95 if p95 is not None and calm_p95 else None,
        "congestion_to_quota_s": statistics.median(quota) if quota else None,
        "raised_cells": 100 * len(quota) / settings.cells,
        "guarantee": statistics.fmean(found.guarantees), "decisions": found.decisions,
        "confirmed": found.ended.get("confirmed", 0), **_others(found),
        "times_real_time": total / found.wall_seconds,
        "scheduler_cpu": found.scheduler_cpu / total, "node_cpu": found.node_cpu / total,
        "xapp_cpu": found.xapp_cpu / total,
        "xapp_ms_per_period": 1000 * found.xapp_cpu / periods,
        "xapp_longest_ms": 1000 * found.xapp_longest,
        "reports_per_second": found.reports / total, "skipped_percent": 100 * found.skipped}


def _others(found: Simulation) -> dict[str, Value]:
    return {"others_down_mbps": found.others_mbps[0], "others_up_mbps": found.others_mbps[1],
            "others_offered_mbps": found.others_offered_mbps, "used_percent": 100 * found.used,
            "floor_violated": max(found.below_floor) >= REPORTS_ON_END}


def _waits(found: Simulation, begin: float, end: float) -> list[float]:
    tokens = found.tokens
    inside = (tokens.at >= begin) & (tokens.at < end) & ~tokens.first
    return sorted(tokens.wait[inside].tolist())


def _firsts(found: Simulation) -> list[float]:
    tokens = found.tokens
    return sorted(tokens.wait[tokens.first & (
        tokens.at >= found.settings.counted_from)].tolist())


def _quantile(ordered: Sequence[float], share: float) -> float | None:
    """Milliseconds."""
    if not ordered:
        return None
    return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


SIMULATED = Simulated()
