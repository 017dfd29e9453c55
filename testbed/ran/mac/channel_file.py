"""Channels of files: a CSV of our own columns, and the logs of KPIs that base stations keep.

A CSV has a line of column names and then a line for each change, `.gz` or not:

    seconds    when it begins to hold; rising, counted from the first line's
    cqi        0 (out of range) to 15       } at least one of these four
    snr_db     signal-to-noise ratio, dB    }
    mcs_down   index into the cell's table  }
    mcs_up     the same, uplink             }
    cqi_up     uplink's CQI; without it, the downlink's

Without `cqi` and `snr_db` the UE is in range all the time. Fields may be empty: what was said last
holds on. A KPI log has `Timestamp` in milliseconds and some of `dl_cqi`, `dl_mcs`, `ul_mcs`, as
srsRAN's and its descendants' have; means are rounded. An MCS of a row in which nothing was sent
(`dl_n_samples`, `ul_n_samples` 0) is no MCS 0 but none, and the one before holds on. Where a
spreadsheet has rounded the times (1.66922E+12), lines are so many seconds apart as one says.
"""

from __future__ import annotations

import csv
import gzip
import math
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from testbed.ran.mac.channel import (
    HIGHEST_MCS,
    MOST_PIECES,
    UNKNOWN,
    Channel,
    cqi_of_snr,
)
from testbed.ran.mac.tables import HIGHEST_CQI, CqiTable
from xapp.errors import ConfigurationError

MOST_FIELD = 4096  # characters: a file without line ends must not fill the memory
OURS = ("cqi", "snr_db", "mcs_down", "mcs_up", "cqi_up")
KPI_COLUMNS = {"dl_cqi": "cqi", "dl_mcs": "mcs_down", "ul_mcs": "mcs_up"}
KPI_SAMPLES = {"dl_mcs": "dl_n_samples", "ul_mcs": "ul_n_samples"}
BOUNDS = {"cqi": (0, HIGHEST_CQI), "cqi_up": (0, HIGHEST_CQI), "mcs_down": (0, HIGHEST_MCS),
          "mcs_up": (0, HIGHEST_MCS), "snr_db": (-100, 100)}
_Row = tuple[int, dict[str, float]]  # line, values of the columns that say something


def read_channel(path: Path, table: CqiTable = CqiTable.TABLE2, up_offset_db: float = 0.0,
                 row_seconds: float | None = None) -> Channel:
    """A channel of a CSV with the columns above."""
    return _built(path, _timed(_our_rows(path), row_seconds), table, up_offset_db)


def read_kpi(path: Path, table: CqiTable = CqiTable.TABLE1, up_offset_db: float = 0.0,
             row_seconds: float | None = None) -> Channel:
    """A channel of a base station's log of KPIs."""
    return _built(path, _timed(_kpi_rows(path), row_seconds), table, up_offset_db)


def _timed(rows: Iterator[_Row], row_seconds: float | None) -> Iterator[_Row]:
    for number, (line, values) in enumerate(rows):
        if row_seconds is not None:
            values["seconds"] = number * row_seconds
        yield line, values


def _our_rows(path: Path) -> Iterator[_Row]:
    for line, row in _lines(path, "seconds", OURS):
        values = {name: _number(path, line, name, row[name]) for name in OURS if row.get(name)}
        values["seconds"] = _number(path, line, "seconds", row["seconds"])
        yield line, values


def _kpi_rows(path: Path) -> Iterator[_Row]:
    for line, row in _lines(path, "Timestamp", tuple(KPI_COLUMNS)):
        values = {"seconds": _number(path, line, "Timestamp", row["Timestamp"]) / 1000}
        for name, ours in KPI_COLUMNS.items():
            counted = row.get(KPI_SAMPLES.get(name, ""))
            if row.get(name) and not (counted and _number(path, line, name, counted) == 0):
                values[ours] = math.floor(_number(path, line, name, row[name]) + 0.5)
        yield line, values


def _lines(path: Path, clock: str, wanted: tuple[str, ...]) -> Iterator[tuple[int,
                                                                             Mapping[str, str]]]:
    """Numbered lines by column; complains of a file that is none of its kind."""
    csv.field_size_limit(MOST_FIELD)
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8", errors="strict", newline="") as file:
            reader = csv.DictReader(file)
            names = reader.fieldnames or ()
            if clock not in names or not any(one in names for one in wanted):
                raise ConfigurationError(
                    f"{path} has no columns {clock} and one of {', '.join(wanted)}.",
                    f"Its first line names {', '.join(one for one in names if one) or 'nothing'}.")
            for row in reader:
                yield reader.line_num, {name: (value or "").strip() for name, value in row.items()
                                        if isinstance(value, str) or value is None}
    except (OSError, EOFError, zlib.error) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}.",
                                 "Name a CSV file, packed with gzip or not.") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is no CSV: {error}.", "Correct it.") from error


def _number(path: Path, line: int, name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ConfigurationError(f"{path}, line {line}: {name} is {text[:40]!r}, no number.",
                                 "Correct it there.")
    return value


def _built(path: Path, rows: Iterator[_Row], table: CqiTable, up_offset_db: float) -> Channel:
    columns: dict[str, list[float]] = {name: [] for name in ("seconds", *OURS)}
    last = dict.fromkeys(OURS, math.nan)
    begin = None
    for line, values in rows:
        for name in OURS:
            value = values.get(name, last[name])
            low, high = BOUNDS[name]
            if not (math.isnan(value) or low <= value <= high):
                raise ConfigurationError(f"{path}, line {line}: {name} is {value:g}.",
                                         f"It is {low} to {high}.")
            last[name] = value
        begin = values["seconds"] if begin is None else begin
        at, times = values["seconds"] - begin, columns["seconds"]
        if times and at <= times[-1]:
            raise ConfigurationError(f"{path}, line {line}: time does not go on.",
                                     "Sort the lines by time, one for each moment; or give "
                                     "`row_seconds`, if a spreadsheet has rounded the times.")
        if len(times) >= MOST_PIECES:
            raise ConfigurationError(f"{path} has more than {MOST_PIECES} lines.", "Cut it.")
        times.append(at)
        for name in OURS:
            columns[name].append(last[name])
    return _channel(path, {name: np.array(values) for name, values in columns.items()}, table,
                    up_offset_db)


def _channel(path: Path, columns: Mapping[str, NDArray[np.float64]], table: CqiTable,
             up_offset_db: float) -> Channel:
    seconds = columns["seconds"]
    if not len(seconds):
        raise ConfigurationError(f"{path} has no lines.", "A channel is one line at least.")
    snr = columns["snr_db"]
    of_snr, of_snr_up = cqi_of_snr(snr, table), cqi_of_snr(snr + up_offset_db, table)
    known, said = ~np.isnan(snr), ~np.isnan(columns["cqi"])
    in_range = np.full(len(seconds), HIGHEST_CQI, np.int8)
    cqi = np.where(said, np.nan_to_num(columns["cqi"]), np.where(known, of_snr, in_range))
    up = columns["cqi_up"]
    cqi_up = np.where(~np.isnan(up), np.nan_to_num(up), np.where(known & ~said, of_snr_up, cqi))
    # The last line holds as long as lines commonly do.
    step = float(np.median(np.diff(seconds))) if len(seconds) > 1 else 1.0
    return Channel(seconds, cqi.astype(np.int8), cqi_up.astype(np.int8),
                   _mcs(columns["mcs_down"]), _mcs(columns["mcs_up"]), snr,
                   float(seconds[-1]) + step)


def _mcs(values: NDArray[np.float64]) -> NDArray[np.int8]:
    return np.where(np.isnan(values), UNKNOWN, np.nan_to_num(values)).astype(np.int8)
