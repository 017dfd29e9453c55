"""One set of results against another: before and after a change, or two machines.

Where both have trials of the same levels and seeds, these are pairs; else the samples are taken as
independent. Levels that only one of them has are named, and not compared. It writes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from testbed.experiments.errors import BadResults
from testbed.experiments.kind import Column, Scale, kind_of
from testbed.experiments.picking import numbers, of_levels
from testbed.experiments.results import Results, Row
from testbed.experiments.scenario import Levels, Scenario
from testbed.experiments.statistics import (
    Contrast,
    Estimate,
    holm,
    mean_of,
    paired,
    unpaired,
)


@dataclass(frozen=True)
class Line:
    """One column of one combination of levels."""

    levels: Levels
    column: Column
    before: Estimate  # mean
    after: Estimate
    medians: tuple[float, float]
    contrast: Contrast
    corrected: float | None  # p, by Holm over all lines


@dataclass(frozen=True)
class Comparison:
    """All of it."""

    before: str
    after: str
    lines: tuple[Line, ...]
    notes: tuple[str, ...]


def compare_results(before: Results, after: Results, names: Sequence[str] = ()) -> Comparison:
    """What `after` has that is different; `names` are of columns, else the main ones."""
    one, two = before.scenario(), after.scenario()
    if one.kind != two.kind:
        raise BadResults(f"{before.folder} is of kind {one.kind}, {after.folder} of {two.kind}.",
                         "Compare results of one kind.")
    columns = _columns(one.kind, names)
    return compared(str(before.folder), str(after.folder), one, two, before.rows(), after.rows(),
                    columns)


def _columns(kind: str, names: Sequence[str]) -> list[Column]:
    known = {column.name: column for column in kind_of(kind).columns}
    for name in names:
        if name not in known:
            raise BadResults(f"--columns: kind {kind} measures no {name!r}.",
                             f"It measures {', '.join(known)}.")
    return [known[name] for name in names] or [one for one in known.values() if one.main]


def compared(before: str, after: str, one: Scenario, two: Scenario, rows: Sequence[Row],
             others: Sequence[Row], columns: Sequence[Column]) -> Comparison:
    """The same, of rows that are at hand."""
    cells = [cell for cell in one.cells() if cell in two.cells()]
    lines = [line for cell in cells for column in columns
             if (line := _line(cell, column, rows, others)) is not None]
    corrected = holm([line.contrast.p for line in lines])
    notes = []
    left = [cell for cell in (*one.cells(), *two.cells()) if cell not in cells]
    if left:
        notes.append("Only one of them has " + "; ".join(
            ", ".join(cell.values()) for cell in left[:8]) + (" and more." if len(left) > 8
                                                              else "."))
    if dict(one.settings) != dict(two.settings):
        notes.append("Their settings differ.")
    machines = [{(row.machine.get("processor"), row.machine.get("processors")) for row in side}
                for side in (rows, others)]
    if machines[0] != machines[1]:
        notes.append("They were run on different machines.")
    if not lines:
        notes.append("Nothing was measured in both.")
    return Comparison(before, after, tuple(
        Line(line.levels, line.column, line.before, line.after, line.medians, line.contrast, p)
        for line, p in zip(lines, corrected, strict=True)), tuple(notes))


def _line(cell: Levels, column: Column, rows: Sequence[Row],
          others: Sequence[Row]) -> Line | None:
    mine, theirs = of_levels(rows, cell), of_levels(others, cell)
    one, two = numbers(mine, column.name), numbers(theirs, column.name)
    before, after = mean_of(one), mean_of(two)
    if before is None or after is None:
        return None
    ratio = column.scale is Scale.RATIO
    by_seed = [{row.seed: float(value) for row in side if row.done
                and isinstance(value := row.figures.get(column.name), int | float)}
               for side in (mine, theirs)]
    if by_seed[0].keys() == by_seed[1].keys():
        seeds = sorted(by_seed[0])
        contrast = paired([by_seed[0][seed] for seed in seeds],
                          [by_seed[1][seed] for seed in seeds], ratio)
    else:
        contrast = unpaired(one, two, ratio)
    if contrast is None:
        return None
    return Line(cell, column, before, after, (median(one), median(two)), contrast, None)
