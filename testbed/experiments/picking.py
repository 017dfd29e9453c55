"""Rows of certain levels, and values of a column in pairs of one seed. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from testbed.experiments.results import Row
from testbed.experiments.scenario import Levels


def of_levels(rows: Sequence[Row], levels: Levels) -> list[Row]:
    return [row for row in rows if all(row.levels.get(factor) == level
                                       for factor, level in levels.items())]


def numbers(rows: Sequence[Row], column: str) -> list[float]:
    """What was measured of a column; a yes is 1."""
    return [float(value) for row in rows if row.done
            and isinstance(value := row.figures.get(column), int | float)]


def pairs_of(rows: Sequence[Row], base: Levels, other: Levels, column: str,
             by: Sequence[str] = ()) -> tuple[list[float], list[float]]:
    """Values of two combinations, seed by seed and level by level of the factors in `by`."""
    def found(levels: Levels) -> dict[tuple[object, ...], float]:
        return {(row.seed, *(row.levels[one] for one in by)): float(value)
                for row in of_levels(rows, levels)
                if row.done and isinstance(value := row.figures.get(column), int | float)}

    one, two = found(base), found(other)
    keys = sorted(one.keys() & two.keys(), key=str)
    return [one[key] for key in keys], [two[key] for key in keys]
