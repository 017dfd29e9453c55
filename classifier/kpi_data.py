"""Reads a folder of KPI logs in TRACTOR's layout: which UE replayed which traffic, row by row.

    SingleUE/TrialN/Raw/CLASS*.csv[.gz]      one UE, 250 ms a row
    SingleUE/TrialN/CLASS_clean.csv[.gz]     the same, less what its authors cut away
    Multi-UE/TrialN/multiM/IMSI_metrics.csv  several UEs; output_multiM.txt says who replayed what

What was cut away by hand is silence, and test traffic from before the replay (the `null` logs begin
with 12,000 blocks of it). Silence is kept here, as a gNB would report it; the test traffic carries
a wrong label and is left out. It knows neither features nor models.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from classifier.errors import DataError

NULL = "null"  # a UE without user traffic
MOST_TEXT = 256 << 20  # bytes of one file unpacked: fifty times the largest
GAP = 2500.0  # ms without a row after which a UE was away, and its history is void
ANOTHER_DAY = 86_400_000.0  # ms; what lies before such a gap belongs to an earlier experiment
# Columns of `KpiRow`, in its order, as srsRAN's logs call them.
SOURCES = ("tx_brate downlink [Mbps]", "tx_pkts downlink", "dl_buffer [bytes]", "sum_granted_prbs",
           "dl_mcs", "rx_brate uplink [Mbps]", "rx_pkts uplink", "ul_buffer [bytes]", "ul_mcs")
# Fewer blocks than any user's traffic has; in the test traffic before a replay there are hundreds.
FEW_BLOCKS = 3

# Trials 1 to 5 name their files after the class alone.
_COLLECTION = {"Trial1": "1", "Trial2": "2", "Trial3": "3", "Trial4": "3", "Trial5": "11_18"}
_DATE = re.compile(r"_(\d\d_\d\d|[23])(?:_?[abc])?$")
_REPLAY = re.compile(r"Using trace: (?:.*/)?([^/\s]{1,80}?)\.csv for (\d{1,20})\s*$")


@dataclass(frozen=True)
class Trace:
    """What the gNB reported of one UE without interruption."""

    trial: str  # the run of the cell: one of the single UE trials, or one of the multi UE ones
    collection: str  # where and when the replayed packets were recorded
    name: str  # the log, and within it the UE
    label: str  # one of CLASSES, or NULL
    rows: NDArray[np.float32]  # [rows, columns of KpiRow]


def read_folder(folder: Path | str) -> list[Trace]:
    """Every labelled trace below `folder`, in an order that does not depend on the machine."""
    folder = Path(folder)
    traces = [*_single(folder / "SingleUE"), *_multi(folder / "Multi-UE")]
    if not traces:
        raise DataError(f"{folder} has no KPI logs.", "Name the folder with SingleUE and Multi-UE.")
    return traces


def label_of(name: str) -> str | None:
    """The class in a log's name; None for mixed traffic."""
    lower = name.lower()
    for start, label in (("embb", "embb"), ("mmtc", "mmtc"), ("urll", "urllc"), ("null", NULL)):
        if lower.startswith(start):
            return label
    return None


def collection_of(name: str, trial: str = "") -> str:
    """Which recording of packets a log replays: several trials can replay the same one."""
    if label_of(name) == NULL:
        return NULL
    found = _DATE.search(name)
    return _COLLECTION.get(trial) or (found[1] if found else "1")


def _single(folder: Path) -> Iterator[Trace]:
    for path in sorted(folder.glob("*/Raw/*.csv*")):
        name = path.name.split(".csv")[0]
        trial = path.parent.parent.name
        label = label_of(name)
        if label is None:
            continue
        times, rows = read_log(path)
        cleaned = sorted(path.parent.parent.glob(f"{name[:4]}*_clean.csv*"))
        foreign = np.zeros(len(rows), np.bool_)
        if cleaned:
            foreign = removed(rows, read_log(cleaned[0])[1])
        for start, end in pieces(times, foreign):
            yield Trace(trial, collection_of(name, trial), name, label, rows[start:end])


def _multi(folder: Path) -> Iterator[Trace]:
    for path in sorted(folder.glob("*/*/output*.txt*")):
        trial = path.parent.name
        for line in _text(path).splitlines():
            found = _REPLAY.match(line)
            label = label_of(found[1]) if found else None
            if found is None or label is None:
                continue
            logs = sorted(path.parent.glob(f"{found[2]}_metrics.csv*"))
            if not logs:
                raise DataError(f"{path} names the UE {found[2]}, of which there is no log.")
            times, rows = read_log(logs[0])
            days = np.flatnonzero(np.diff(times) > ANOTHER_DAY)
            first = int(days[-1]) + 1 if len(days) else 0
            for start, end in pieces(times[first:], np.zeros(len(times) - first, np.bool_)):
                yield Trace(trial, collection_of(found[1]), f"{found[1]}@{found[2]}", label,
                            rows[first + start:first + end])


def read_log(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Times in ms, and rows with the columns of KpiRow."""
    lines = csv.reader(io.StringIO(_text(path)))
    try:
        header = {name.strip(): place for place, name in enumerate(next(lines, []))}
        wanted = [header[name] for name in ("Timestamp", *SOURCES)]
        table = [[float(line[place] or "nan") for place in wanted]
                 for line in lines if len(line) > max(wanted)]
    except (KeyError, ValueError, csv.Error) as error:
        raise DataError(f"{path} is no KPI log: {type(error).__name__}: {error}.") from error
    if not table:
        raise DataError(f"{path} has no rows.")
    numbers = np.array(table)
    return numbers[:, 0], numbers[:, 1:].astype(np.float32)


def pieces(times: NDArray[np.float64], foreign: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """The half-open ranges of rows without a pause and without `foreign` ones."""
    steps = np.diff(times)
    # Two logs went through a spreadsheet that rounded the times to days: their rows are in order.
    usable = len(steps) > 0 and float(np.mean(steps > 0)) > 0.5
    after = np.abs(steps) > GAP if usable else np.zeros(len(steps), np.bool_)
    cuts = np.flatnonzero(after | (foreign[1:] != foreign[:-1])) + 1
    edges = [0, *cuts.tolist(), len(times)]
    return [(start, end) for start, end in pairwise(edges)
            if end > start and not foreign[start]]


def removed(rows: NDArray[np.float32], cleaned: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which rows its authors took out although something was sent.

    The cleaned log has the same rows in the same order, but times that a spreadsheet rounded, so
    each is looked for by its values, after the one before it.
    """
    places: dict[bytes, list[int]] = defaultdict(list)
    for place, row in reversed(list(enumerate(np.nan_to_num(rows)))):
        places[row.tobytes()].append(place)
    kept = np.zeros(len(rows), np.bool_)
    last = -1
    for row in np.nan_to_num(cleaned):
        waiting = places[row.tobytes()]
        while waiting and waiting[-1] <= last:
            waiting.pop()
        if waiting:
            last = waiting.pop()
            kept[last] = True
    blocks = np.nan_to_num(rows[:, 1])
    outside = np.ones(len(rows), np.bool_)
    found = np.flatnonzero(kept)
    if len(found):
        outside[found[0]:found[-1] + 1] = False
    return np.asarray(outside | (~kept & (blocks > FEW_BLOCKS)))


def _text(path: Path) -> str:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            data = file.read(MOST_TEXT + 1)
    except (OSError, EOFError) as error:
        raise DataError(f"{path} cannot be read: {error}.") from error
    if len(data) > MOST_TEXT:
        raise DataError(f"{path} has more than {MOST_TEXT} bytes.")
    return data.decode("utf-8", "replace")


def describe(traces: Sequence[Trace]) -> dict[str, dict[str, int]]:
    """Rows of each label in each trial."""
    counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for trace in traces:
        counts[trace.trial][trace.label] += len(trace.rows)
    return {trial: dict(labels) for trial, labels in counts.items()}
