"""Trials that may stand in one picture: those of one combination of all other levels. Pure.

    found, left_out = panels(scenario, rows, {"mode"})

A mean over link rates or batches is the figure of no link and no batch. Where there are more
combinations than a reader takes in, the first and last level of each factor stand for all, and
`left_out` says so.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from testbed.experiments.picking import of_levels
from testbed.experiments.results import Row
from testbed.experiments.scenario import Levels, Scenario

MOST = 6  # of one picture, or lines of one answer


@dataclass(frozen=True)
class Panel:
    """One combination."""

    title: str  # its levels; nothing where there is only one
    rows: tuple[Row, ...]


def panels(scenario: Scenario, rows: Sequence[Row], besides: Collection[str]
           ) -> tuple[list[Panel], str]:
    """Combinations of the factors that are not in `besides`, in the scenario's order."""
    there = {factor: [level for level in levels if any(
        row.levels.get(factor) == level for row in rows)]
        for factor, levels in scenario.factors.items() if factor not in besides}
    several = {factor: levels for factor, levels in there.items() if len(levels) > 1}
    shown, left_out = several, ""
    if len(list(product(*several.values()))) > MOST:
        shown = {factor: [levels[0], levels[-1]] for factor, levels in several.items()}
        long = [factor for factor, levels in several.items() if len(levels) > 2]
        left_out = f"first and last level of {' and '.join(long)}" if long else ""
    combinations = [dict(zip(shown, one, strict=True)) for one in product(*shown.values())]
    if len(combinations) > MOST:
        combinations = [combinations[0], combinations[-1]]
        left_out = "first and last combination of levels"
    found = [Panel(title_of(one), tuple(of_levels(rows, one))) for one in combinations]
    return [one for one in found if one.rows], left_out


def title_of(levels: Levels) -> str:
    return ", ".join(f"{factor} {level}" for factor, level in levels.items())


def varying(scenario: Scenario, *settings: str) -> set[str]:
    """Factors whose levels set any of the settings."""
    def sets(levels: Mapping[str, Mapping[str, object]]) -> bool:
        return any(setting in level for level in levels.values() for setting in settings)

    return {factor for factor, levels in scenario.factors.items() if sets(levels)}
