"""How the core fares, as alarms and metrics of an OSC RIC tell it. Only reads."""

from __future__ import annotations

from collections import Counter

from xapp.core import Core
from xapp.ric.osc_alarms import Condition
from xapp.steering_types import End

DECISIONS = "decisions"  # the name under which their effects are told
_FAILED_ENDS = (End.ROLLED_BACK, End.FAILED)
_FAILED_WORDS = ("refused", "silent")
PREFIX = "airsplit_xapp_"


def condition_of(core: Core, now: float) -> Condition:
    """At this moment."""
    heard, silent = core.flows.heard, core.config.limits.silent
    failed: Counter[str] = Counter()
    worked: Counter[str] = Counter()
    for (actuator, word), count in core.tally.controls.items():
        if word in _FAILED_WORDS:
            failed[actuator] += count
        elif word == "acknowledged":
            worked[actuator] += count
    failed[DECISIONS] = sum(core.tally.ends[one.value] for one in _FAILED_ENDS)
    worked[DECISIONS] = core.tally.ends[End.CONFIRMED.value]
    return Condition(
        {one.name: one.there for one in core.stations.stations},
        now - heard if heard is not None and now - heard > silent else None,
        core.store_why, failed, worked, _figures(core))


def _figures(core: Core) -> dict[str, tuple[str, float]]:
    seen = core.observations
    found: dict[str, tuple[str, float]] = {
        "nodes": ("gauge", sum(one.there for one in core.stations.stations)),
        "cells": ("gauge", len(seen.cells)), "ues": ("gauge", len(seen.ues)),
        "flows": ("gauge", len(seen.flows)),
        "indications_total": ("counter", core.observer.counters.reports),
        "indications_lost_total": ("counter", core.observer.counters.lost),
        "labels_total": ("counter", core.flows.counters.labels)}
    for end in End:
        found[f"decisions_total.{end.value}"] = ("counter", core.tally.ends[end.value])
    for (actuator, word), count in sorted(core.tally.controls.items()):
        found[f"controls_total.{actuator}.{word}"] = ("counter", count)
    for cell in seen.cells.values():
        for snssai, one in cell.slices.items():
            for name, value in (("down_prbs", one.load.down_prbs), ("up_prbs", one.load.up_prbs),
                                ("minimum", None if one.quota is None else one.quota.minimum)):
                if value is not None:
                    found[f"slice_{name}_percent.{cell.key}/{snssai}"] = ("gauge", value)
    return {PREFIX + name: figure for name, figure in found.items()}
