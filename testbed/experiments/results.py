"""A folder of results: the scenario, a row for each trial, and what trials left behind.

    FOLDER/scenario.yaml          as it was when the first trial ran
    FOLDER/rows.parquet           all rows
    FOLDER/trials/NAME/row.json   one trial's, written once it is over, whole or not at all
    FOLDER/trials/NAME/...        its captures, logs and reports

A row without its trial's end is not there, so a run goes on where it was stopped. It does not know
what the columns mean.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from testbed.experiments.errors import BadResults
from testbed.experiments.kind import Value
from testbed.experiments.scenario import Scenario, load

SCENARIO, ROWS, TRIALS, ROW, LOCK = "scenario.yaml", "rows.parquet", "trials", "row.json", ".lock"
DONE, FAILED = "done", "failed"
GROWS = ("repetitions", "title", "about", "compare", "targets", "controls")  # without a new trial


@dataclass(frozen=True)
class Row:
    """One trial that is over."""

    trial: str
    repetition: int
    seed: int
    levels: Mapping[str, str]
    status: str
    error: str | None  # of a trial that failed
    began: str  # UTC, ISO 8601
    seconds: float
    load_before: float  # programs that wanted a processor, mean of a minute
    load_after: float
    settings: Mapping[str, Any]
    machine: Mapping[str, Any]
    figures: Mapping[str, Value] = field(default_factory=dict)  # none of a trial that failed

    @property
    def done(self) -> bool:
        return self.status == DONE


class Results:
    """One folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def scenario(self) -> Scenario:
        if not (self.folder / SCENARIO).exists():
            raise BadResults(f"{self.folder} holds no results of an experiment.",
                             "Name the folder that `airsplit experiment run` wrote.")
        return load(self.folder / SCENARIO)

    def begin(self, scenario: Scenario, document: Mapping[str, Any]) -> Scenario:
        """Take a scenario, or find that the folder is of the same one; it as it is kept.

        With fewer repetitions than there are rows of, it is kept with those: a report counts them.
        """
        make_folder(self.folder)
        if (self.folder / SCENARIO).exists() and identity(self.scenario()) != identity(scenario):
            raise BadResults(
                f"{self.folder} holds results of another scenario than {scenario.name}, or of "
                "one with other settings.", "Name another folder with --out.")
        most = max([scenario.repetitions, *(row.repetition + 1 for row in self.rows())])
        text = yaml.safe_dump({**document, "repetitions": most}, sort_keys=False,
                              allow_unicode=True)
        write_whole(self.folder / SCENARIO, text.encode())
        return replace(scenario, repetitions=most)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """For one run at a time."""
        from filelock import FileLock, Timeout

        lock = FileLock(self.folder / LOCK)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=0)
        except Timeout as error:
            raise BadResults(f"Another run writes to {self.folder}.",
                             "Wait for its end, or name another folder with --out.") from error
        except OSError as error:
            raise BadResults(f"{self.folder} is no folder to write to: {error.strerror or error}.",
                             "Name another one with --out.") from error
        try:
            yield
        finally:
            lock.release()

    def rows(self) -> list[Row]:
        """Of all trials that are over, in order of their names."""
        return [read_row(one) for one in sorted((self.folder / TRIALS).glob(f"*/{ROW}"))]

    def new_folder(self, trial: str) -> Path:
        """An empty one for a trial; what a run that was stopped left in it goes."""
        folder = self.folder / TRIALS / trial
        try:
            if folder.exists():
                shutil.rmtree(folder)
        except OSError as error:
            raise unwritten(folder, error) from error
        return make_folder(folder)

    def put(self, row: Row) -> None:
        """A trial is over."""
        text = json.dumps(asdict(row), indent=1, allow_nan=False)
        write_whole(self.folder / TRIALS / row.trial / ROW, text.encode() + b"\n")

    def write_table(self) -> Path:
        """All rows as one Parquet file."""
        path = self.folder / ROWS
        write_parquet(path, [flat(one) for one in self.rows()])
        return path

    @property
    def table_is_old(self) -> bool:
        """Whether trials have ended, or gone, since the table was written."""
        table, trials = self.folder / ROWS, self.folder / TRIALS
        if not trials.exists():
            return False
        if not table.exists():
            return True
        changed = [trials.stat().st_mtime_ns, *(one.stat().st_mtime_ns
                                                for one in trials.glob(f"*/{ROW}"))]
        return max(changed) >= table.stat().st_mtime_ns


def identity(scenario: Scenario) -> str:
    """The same for scenarios of which trials are the same."""
    found = {name: value for name, value in asdict(scenario).items() if name not in GROWS}
    return hashlib.sha256(json.dumps(found, sort_keys=True, default=str).encode()).hexdigest()


def read_row(path: Path) -> Row:
    try:
        return Row(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise BadResults(f"{path} is no row: {error}.",
                         "Remove its folder; the trial is run again then.") from error


def flat(row: Row) -> dict[str, Any]:
    """A row as columns: levels by factor, figures by name, settings as JSON."""
    found = asdict(row)
    levels, figures, settings, machine = (found.pop(name) for name in (
        "levels", "figures", "settings", "machine"))
    return {**found, **levels, **machine, "settings": json.dumps(settings, sort_keys=True),
            **figures}


def write_parquet(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """A table of all columns that any row has; what a row lacks is missing there."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: _column([row.get(name) for row in rows]) for name in names}
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink, compression="zstd")
    write_whole(path, sink.getvalue().to_pybytes())


def _column(values: Sequence[Any]) -> Sequence[Any]:
    """Whole numbers beside others are numbers."""
    if any(isinstance(one, float) for one in values):
        return [float(one) if isinstance(one, int) else one for one in values]
    return values


def write_whole(path: Path, data: bytes) -> None:
    """A file that is there under its name once all of it is on disk."""
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        with suppress(OSError):  # there is none, or the disk is read-only
            part.unlink()
        raise unwritten(path, error) from error


def make_folder(folder: Path) -> Path:
    """One that is there, with all above it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritten(folder, error) from error
    return folder


def unwritten(path: Path, error: OSError) -> BadResults:
    """What a full disk, a read-only one, or a place that is none comes to."""
    return BadResults(
        f"{path} cannot be written: {error.strerror or error}.",
        "Free some space, mend the permissions, or name another folder with --out; what is done "
        "is kept.")
