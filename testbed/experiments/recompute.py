"""Rows of trials that are over, computed again by the code of today from what the trials kept.

    found = recompute(results, kind.name, machine())      # writes; `stale` only looks

A mend of how a figure is computed reaches trials that were run before it. A row that changes says
by which commit, and what the trial itself left stays beside it as row.first.json. Columns of which
a trial kept nothing stay as they are, and a trial that cannot be read is named. It runs nothing.
"""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from testbed.errors import TestbedFailure
from testbed.experiments import kind
from testbed.experiments.errors import BadResults
from testbed.experiments.kind import Figures
from testbed.experiments.machine import Machine
from testbed.experiments.results import ROW, TRIALS, Results, Row, write_whole
from testbed.experiments.runner import measured

FIRST = "row.first.json"  # a row as the trial itself left it
BY, CHANGED = "recomputed_by", "recomputed_changed"  # of a row's machine: a commit, and whether
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


def recompute(results: Results, kind_name: str, by: Machine) -> Recomputed:
    """Compute again what can be, and write the rows that change."""
    if kind_name not in kind.AGAIN:
        raise BadResults(f"Trials of kind {kind_name} keep nothing to compute rows from.",
                         "Leave --recompute out, or run them again in another folder.")
    found = _looked(results, kind_name, by)
    results.write_table()
    return found


def stale(results: Results, kind_name: str) -> Recomputed:
    """What `recompute` would change, and nothing of it done."""
    return _looked(results, kind_name, None)


def _looked(results: Results, kind_name: str, by: Machine | None) -> Recomputed:
    rows = changed = 0
    columns: Counter[str] = Counter()
    problems = []
    for row, fresh in _fresh(results, kind_name):
        if isinstance(fresh, TestbedFailure):
            problems.append(f"{row.trial}: {fresh.problem}")
            continue
        others = [name for name, value in fresh.items()
                  if name not in row.figures or row.figures[name] != value]
        rows, changed = rows + 1, changed + bool(others)
        columns.update(others)
        if others and by is not None:
            _put(results, row, fresh, by)
    return Recomputed(rows, changed, columns, tuple(problems))


def _fresh(results: Results, kind_name: str) -> Iterator[tuple[Row, Figures | TestbedFailure]]:
    """Each row that is done, with its figures of today, or why it has none."""
    name = kind.AGAIN.get(kind_name)
    if name is None:
        return
    again = cast(Callable[[Path], Figures], importlib.import_module(name).figures_again)
    for row in results.rows():
        if row.done:
            try:
                fresh = again(results.folder / TRIALS / row.trial)
                yield row, {column: measured(value) for column, value in fresh.items()}
            except TestbedFailure as error:
                yield row, error


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
