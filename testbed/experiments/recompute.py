"""Rows of trials that are over, computed again by the code of today from what the trials kept.

    found = recompute(results, kind.name, machine())      # writes; `stale` only looks

A mend of how a figure is computed reaches trials that were run before it. A row that changes says
by which commit, and what the trial itself left stays beside it as row.first.json. Columns of which
a trial kept nothing stay as they are, and a trial that cannot be read is named. It runs nothing.
"""

from __future__ import annotations

import importlib
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from testbed.errors import TestbedFailure
from testbed.experiments import kind
from testbed.experiments.errors import BadResults
from testbed.experiments.kind import Figures, Value
from testbed.experiments.machine import Machine
from testbed.experiments.results import ROW, TRIALS, Results, Row, write_whole
from testbed.experiments.runner import measured

FIRST = "row.first.json"  # a row as the trial itself left it
BY, CHANGED = "recomputed_by", "recomputed_changed"  # of a row's machine: a commit, and whether
EQUAL = 1e-6
Told = Callable[[int, int], None]  # how many rows have been looked at, and of how many
UNKNOWN = "a checkout of no commit"  # in which nobody can look up how it was computed


@dataclass(frozen=True)
class Recomputed:
    """What came of it."""

    rows: int  # that were computed again
    changed: int  # of these, that are others now
    columns: Counter[str]  # in how many rows each one changed
    problems: tuple[str, ...]  # trials that cannot be computed again, and why

    @property
    def where(self) -> str:
        """The columns, for people."""
        return ", ".join(f"{name} in {count}" for name, count in self.columns.most_common())

    def says(self) -> str:
        """For people, once it is done."""
        return (f"{self.changed} of {self.rows} rows changed"
                + (f": {self.where}." if self.columns else "."))


def recompute(results: Results, kind_name: str, by: Machine,
              told: Told = lambda done, of: None) -> Recomputed:
    """Compute again what can be, and write the rows that change."""
    if kind_name not in kind.AGAIN:
        raise BadResults(f"Trials of kind {kind_name} keep nothing to compute rows from.",
                         "Leave --recompute out, or run them again in another folder.")
    found = _looked(results, kind_name, results.rows(), told, by)
    results.write_table()
    return found


def stale(results: Results, kind_name: str, today: Machine) -> Recomputed:
    """What `recompute` would change, and nothing of it done."""
    return _looked(results, kind_name, [row for row in results.rows() if not _of(row, today)],
                   lambda done, of: None, None)


def _of(row: Row, today: Machine) -> bool:
    """Whether that very code computed it, so that nobody needs to look."""
    changed = row.machine.get(CHANGED, row.machine.get("changed"))
    return (today.commit is not None and row.machine.get(BY, row.machine.get("commit")) ==
            today.commit and changed is today.changed is False)


def _looked(results: Results, kind_name: str, of: Sequence[Row], told: Told,
            by: Machine | None) -> Recomputed:
    rows = changed = 0
    columns: Counter[str] = Counter()
    problems = []
    for place, (row, fresh) in enumerate(_fresh(results.folder / TRIALS, kind_name, of)):
        told(place, len(of))
        if isinstance(fresh, TestbedFailure):
            problems.append(f"{row.trial}: {fresh.problem}")
            continue
        others = [name for name, value in fresh.items()
                  if name not in row.figures or not _same(row.figures[name], value)]
        rows, changed = rows + 1, changed + bool(others)
        columns.update(others)
        if others and by is not None:
            _put(results, row, fresh, by)
    return Recomputed(rows, changed, columns, tuple(problems))


def _fresh(trials: Path, kind_name: str,
           rows: Sequence[Row]) -> Iterator[tuple[Row, Figures | TestbedFailure]]:
    """Each row that is done, with its figures of today, or why it has none."""
    name = kind.AGAIN.get(kind_name)
    if name is None:
        return
    again = cast(Callable[[Path], Figures], importlib.import_module(name).figures_again)
    for row in rows:
        if row.done:
            try:
                fresh = again(trials / row.trial)
                yield row, {column: measured(value) for column, value in fresh.items()}
            except TestbedFailure as error:
                yield row, error


def _same(one: Value, other: Value) -> bool:
    """Times are differences of clocks, whose last digits say nothing."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=EQUAL, abs_tol=EQUAL)
    return one == other


def _put(results: Results, row: Row, fresh: Figures, by: Machine) -> None:
    folder = results.folder / TRIALS / row.trial
    if not (folder / FIRST).exists():
        write_whole(folder / FIRST, (folder / ROW).read_bytes())
    results.put(replace(row, figures={**row.figures, **fresh}, machine={
        **row.machine, BY: by.commit or UNKNOWN, CHANGED: by.changed}))


def note_of_recomputed(rows: Sequence[Row]) -> list[str]:
    """What a report says of rows that were computed again."""
    found = Counter((str(row.machine[BY]), bool(row.machine.get(CHANGED)))
                    for row in rows if BY in row.machine)
    return [f"{count} rows were computed again from what their trials kept, by commit {commit}"
            f"{' with changes that no commit has' if changed else ''}; as the trials left them "
            f"they are in {FIRST}." for (commit, changed), count in found.items()]


def note_of_stale(found: Recomputed) -> list[str]:
    """What a report says of rows that the code of today would compute otherwise."""
    if not found.changed:
        return []
    return [f"The code of today computes {found.changed} of {found.rows} rows otherwise "
            f"({found.where}). The figures here are still those of the rows; "
            "`airsplit experiment report --recompute` makes them anew."]
