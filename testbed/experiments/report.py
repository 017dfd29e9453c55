"""What rows of an experiment come to: summaries, contrasts, verdicts on targets and controls.

    report = report_of(scenario, rows, columns)

Pure. A trial that failed is counted and left out; a column that was not measured in a trial is left
out of that column alone, and how many were measured is said with each figure.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from testbed.experiments.kind import Column, Scale
from testbed.experiments.picking import numbers, of_levels, pairs_of
from testbed.experiments.recompute import note_of_recomputed
from testbed.experiments.results import Row
from testbed.experiments.scenario import Levels, Scenario
from testbed.experiments.statistics import Contrast, Estimate, holm, mean_of, median_of, paired
from testbed.experiments.verdicts import Verdict, judge_controls, judge_target

BUSY = 0.5  # programs beside the trial's own for each processor; more, and figures are noisy


@dataclass(frozen=True)
class Figure:
    """One column in one combination of levels."""

    column: Column
    mean: Estimate | None  # None: it was measured in no trial
    median: Estimate | None
    yes: int | None = None  # of a column of yes and no


@dataclass(frozen=True)
class Summary:
    """One combination of levels."""

    levels: Levels
    done: int
    failed: int
    figures: Mapping[str, Figure]  # by column


@dataclass(frozen=True)
class Compared:
    """One column of one level against the base, all other factors being equal."""

    factor: str
    base: str
    level: str
    others: Levels
    column: Column
    contrast: Contrast
    corrected: float | None  # p, by Holm over all that the report compares


@dataclass(frozen=True)
class Report:
    """All of it."""

    scenario: Scenario
    rows: tuple[Row, ...]
    columns: tuple[Column, ...]
    summaries: tuple[Summary, ...]
    compared: tuple[Compared, ...]
    targets: tuple[Verdict, ...]
    controls: tuple[Verdict, ...]
    violations: tuple[str, ...]  # trials in which a floor was violated
    notes: tuple[str, ...] = field(default=())  # what a reader must not miss

    @property
    def failures(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if not row.done)

    @property
    def main(self) -> tuple[Column, ...]:
        """Columns of the summary table: main ones that anything was measured of."""
        return self.measured([one.name for one in self.columns if one.main])

    def measured(self, names: Sequence[str]) -> tuple[Column, ...]:
        """Of these columns the ones that anything was measured of."""
        return tuple(one for one in self.columns if one.name in names and any(
            summary.figures[one.name].mean is not None for summary in self.summaries))


def report_of(scenario: Scenario, rows: Sequence[Row], columns: Sequence[Column]) -> Report:
    """What the rows say."""
    by_name = {one.name: one for one in columns}
    return Report(
        scenario, tuple(rows), tuple(columns),
        tuple(_summary(levels, rows, columns) for levels in scenario.cells()),
        tuple(_compared(scenario, rows, by_name)),
        tuple(judge_target(one, rows, by_name[one.column]) for one in scenario.targets),
        () if scenario.controls is None else judge_controls(scenario.controls, rows),
        tuple(row.trial for row in rows if row.figures.get("floor_violated") is True),
        tuple(_notes(scenario, rows)))


def _summary(levels: Levels, rows: Sequence[Row], columns: Sequence[Column]) -> Summary:
    mine = of_levels(rows, levels)
    return Summary(levels, sum(row.done for row in mine), sum(not row.done for row in mine),
                   {one.name: _figure(one, mine) for one in columns})


def _figure(column: Column, rows: Sequence[Row]) -> Figure:
    values = numbers(rows, column.name)
    flags = [value for row in rows if isinstance(value := row.figures.get(column.name), bool)]
    return Figure(column, mean_of(values), median_of(values), sum(flags) if flags else None)


def _compared(scenario: Scenario, rows: Sequence[Row],
              columns: Mapping[str, Column]) -> list[Compared]:
    found = []
    for asked in scenario.compare:
        seen: list[Levels] = []
        for cell in scenario.cells():
            others = {name: level for name, level in cell.items() if name != asked.factor}
            if others in seen:
                continue
            seen.append(others)
            for level in scenario.factors[asked.factor]:
                if level != asked.base:
                    found += _of_level(asked.factor, asked.base, level, others, rows,
                                       [columns[name] for name in asked.columns])
    corrected = holm([one.contrast.p for one in found])
    return [Compared(one.factor, one.base, one.level, one.others, one.column, one.contrast, p)
            for one, p in zip(found, corrected, strict=True)]


def _of_level(factor: str, base: str, level: str, others: Levels, rows: Sequence[Row],
              columns: Sequence[Column]) -> list[Compared]:
    found = []
    for column in columns:
        contrast = paired(*pairs_of(rows, {**others, factor: base}, {**others, factor: level},
                                    column.name), column.scale is Scale.RATIO)
        if contrast is not None:
            found.append(Compared(factor, base, level, others, column, contrast, None))
    return found


def _notes(scenario: Scenario, rows: Sequence[Row]) -> list[str]:
    notes = []
    if len(rows) < scenario.trials:
        notes.append(f"{scenario.trials - len(rows)} of {scenario.trials} trials have not been run "
                     "yet; `airsplit experiment run` goes on with them.")
    if failed := sum(not row.done for row in rows):
        notes.append(f"{failed} trials failed and are left out; their errors are listed.")
    if rows:
        notes += _load_notes(rows)
    commits = {str(row.machine.get("commit")) for row in rows}
    if len(commits) > 1:
        notes.append(f"The rows are of {len(commits)} commits of the code.")
    if any(row.machine.get("changed") for row in rows):
        notes.append("Rows are of code with changes that no commit has.")
    return notes + note_of_recomputed(rows)


def _load_notes(rows: Sequence[Row]) -> list[str]:
    before = [row.load_before for row in rows]
    processors = rows[0].machine.get("processors") or 1
    said = (f"Load average before a trial: median {statistics.median(before):.1f}, at most "
            f"{max(before):.1f}, on {processors} processors; a trial before leaves some of it.")
    busy = sum(one > BUSY * processors for one in before)
    return [said + (f" Before {busy} of {len(rows)} it was over {BUSY * processors:g}."
                    if busy else "")]
