"""Runs the trials of an experiment that are not there yet, one after the other.

    done = run_trials(trials, run, results, watch, stop_after)

What runs a trial is handed in, and so are clock and load. A trial that fails leaves a row that says
so, and the next one follows; ^C leaves none, and the same command goes on with that trial. A full
disk leaves none either, since no trial would do better, and ends the run.
"""

from __future__ import annotations

import errno
import math
import shutil
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from classifier.errors import ClassifierError
from edge_server.errors import EdgeError
from pcap_tools.errors import PcapError
from testbed.experiments.design import Trial
from testbed.experiments.errors import BadResults, RunFailed
from testbed.experiments.kind import Figures, Value
from testbed.experiments.machine import Machine
from testbed.experiments.results import DONE, FAILED, Results, Row
from ue_app.errors import PhoneError
from xapp.errors import XappError

# What a trial may fail with; anything else is a bug, and ends the run.
FAILURES = (EdgeError, PhoneError, PcapError, ClassifierError, XappError, OSError)
MOST_IN_A_ROW = 5  # failures; then going on would only make more of them
MOST_ERROR = 2000  # characters of an error that a row keeps
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
LEAST_FREE = 1 << 16  # bytes; with less, what a trial's programs write is lost, and they end
RunTrial = Callable[[Mapping[str, Any], int, Path], Figures]


class Watch(Protocol):
    """Who is told how it goes."""

    def begins(self, trial: Trial, number: int, of: int) -> None: ...

    def ended(self, row: Row) -> None: ...


@dataclass(frozen=True)
class Surroundings:
    """What a run reads of the world."""

    machine: Machine
    now: Callable[[], float]  # seconds, monotonic
    wall: Callable[[], float]  # seconds since 1970
    load: Callable[[], float]


@dataclass(frozen=True)
class Ran:
    """What came of a run."""

    done: int
    failed: int
    left: int  # trials for which there was no time


def waiting(trials: Sequence[Trial], rows: Sequence[Row], again: bool) -> list[Trial]:
    """Those that have no row; with `again` also those that failed."""
    over = {row.trial for row in rows if row.done or not again}
    return [one for one in trials if one.name not in over]


def run_trials(trials: Sequence[Trial], settings_of: Callable[[Trial], Mapping[str, Any]],
               run: RunTrial, results: Results, watch: Watch, world: Surroundings,
               seconds: float = math.inf) -> Ran:
    """All of `trials`, or as many as begin within `seconds`."""
    end = world.now() + seconds
    done = failed = in_a_row = 0
    for number, trial in enumerate(trials):
        if world.now() >= end:
            return Ran(done, failed, len(trials) - number)
        watch.begins(trial, number, len(trials))
        try:
            row = _run_one(trial, settings_of(trial), run, results, world)
            results.put(row)
        except BadResults as problem:  # the trial's folder or its row
            raise _no_place(problem.problem, results.folder) from problem
        watch.ended(row)
        done, failed = done + row.done, failed + (not row.done)
        in_a_row = 0 if row.done else in_a_row + 1
        if in_a_row >= MOST_IN_A_ROW:
            raise RunFailed(f"The last {in_a_row} trials failed, at last: {row.error}",
                            "Mend that, and run it again with --retry-failed.")
    return Ran(done, failed, 0)


def _run_one(trial: Trial, settings: Mapping[str, Any], run: RunTrial, results: Results,
             world: Surroundings) -> Row:
    folder = results.new_folder(trial.name)
    began, wall, load = world.now(), world.wall(), world.load()
    figures: Mapping[str, Value] = {}
    status, error = DONE, None
    try:
        figures = {name: measured(value)
                   for name, value in run(settings, trial.seed, folder).items()}
    except FAILURES as problem:
        status, error = FAILED, f"{type(problem).__name__}: {problem}"[:MOST_ERROR]
        with suppress(OSError):  # the error itself is told, whether or not there is room for it
            (folder / "error.txt").write_text(traceback.format_exc(), encoding="utf-8")
        if no_room(problem, folder):
            said = getattr(problem, "problem", problem)  # without the remedy, which is this one
            raise _no_place(f"The disk has no room for {trial.name}: {said}",
                            folder) from problem
    return Row(trial.name, trial.repetition, trial.seed, trial.levels, status, error,
               datetime.fromtimestamp(wall, UTC).isoformat(timespec="seconds"),
               world.now() - began, load, world.load(), settings, asdict(world.machine), figures)


def _no_place(problem: str, folder: Path) -> RunFailed:
    return RunFailed(problem, f"Make room where {folder} is, or let it be written to; what is done "
                     "is kept, and the same command goes on with this trial.")


def no_room(problem: BaseException, folder: Path) -> bool:
    """Whether a trial failed since nothing can be written; a program may only have ended of it."""
    if any(isinstance(one, OSError) and one.errno in NO_ROOM for one in _causes(problem)):
        return True
    try:
        return shutil.disk_usage(folder).free < LEAST_FREE
    except OSError:  # the folder is gone: that is no full disk
        return False


def _causes(problem: BaseException | None) -> Iterator[BaseException]:
    while problem is not None:
        yield problem
        problem = problem.__cause__ or problem.__context__


def measured(value: Value) -> Value:
    """What is no number was not measured."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
