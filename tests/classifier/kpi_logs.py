"""Made-up KPI logs: three kinds of traffic that are easy to tell apart, in TRACTOR's layout."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from classifier.kpi_data import SOURCES, Trace
from classifier.kpi_features import COLUMNS

HEADER = ("Timestamp", "num_ues", "IMSI", "", *SOURCES)
SILENT = np.zeros(len(COLUMNS), np.float32)


def rows(label: str, count: int, seed: int) -> NDArray[np.float32]:
    """Rows of one UE; silence now and then in all but `null`, which has nothing else."""
    random = np.random.default_rng(seed)
    table = np.zeros((count, len(COLUMNS)), np.float32)
    chance = {"embb": 0.5, "mmtc": 0.1, "urllc": 0.95, "null": 0.0}[label]
    mean = {"embb": (8.0, 200, 5000, 3000, 15, 0.4, 20, 500, 13),
            "mmtc": (0.02, 4, 0, 12, 8, 0.3, 8, 100, 12),
            "urllc": (0.9, 60, 100, 700, 12, 1.4, 32, 5000, 15), "null": SILENT}[label]
    sending = random.random(count) < chance
    table[sending] = np.array(mean) * random.uniform(0.7, 1.3, (int(sending.sum()), len(COLUMNS)))
    table[:, [1, 6]] = table[:, [1, 6]].round()
    return table


def traces(seconds: int = 60, trials: int = 3) -> list[Trace]:
    """One trace of each class in each trial, recorded on as many days."""
    return [Trace(f"Trial{trial}", f"day{trial}", f"{label}_{trial}", label,
                  rows(label, seconds * 4, 10 * trial + place))
            for trial in range(trials)
            for place, label in enumerate(("embb", "mmtc", "urllc", "null"))]


def write_log(
    path: Path, table: NDArray[np.float32], start: int = 1_700_000_000_000,
    times: Sequence[float] | None = None,
) -> None:
    """One log, packed."""
    times = times if times is not None else [start + 250 * row for row in range(len(table))]
    lines = [",".join(HEADER)]
    lines += [",".join([f"{time}", "1", "1010", "", *(f"{value:.6g}" for value in row)])
              for time, row in zip(times, table, strict=True)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress("\n".join(lines).encode(), 1, mtime=0))


def write_folder(folder: Path, seconds: int = 60) -> None:
    """Two trials with one UE and one with two."""
    for trial, suffix in ((1, ""), (7, "_03_03")):
        for place, label in enumerate(("embb", "mmtc", "urllc", "null")):
            write_log(folder / f"SingleUE/Trial{trial}/Raw/{label}{suffix}.csv.gz",
                      rows(label, seconds * 4, 10 * trial + place))
    multi = folder / "Multi-UE/Trial2/multi2"
    write_log(multi / "1010_metrics.csv.gz", rows("embb", seconds * 4, 91))
    write_log(multi / "1011_metrics.csv.gz", rows("urllc", seconds * 4, 92))
    (multi / "output_multi2.txt.gz").write_bytes(gzip.compress(
        b"Using trace: ./raw/embb_04_10.csv for 1010\nUsing trace: ./raw/URLLC_06_12.csv for 1011\n"
        b"something else\n"))
