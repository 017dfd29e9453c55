"""Trains the KPI classifier: examples of traces, changes of traffic, missing reports, weights.

Each trace has one class throughout, so that a model could learn to trust its longest window
blindly. Half of the examples therefore come from traces cut together, where the traffic changed
some seconds ago, and in part of them a gNB that reports less is imitated. Knows no files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifier.kpi import CLASSES
from classifier.kpi_data import Trace
from classifier.kpi_features import (
    BYTES_PER_MBPS,
    COLUMNS,
    FEATURES,
    QUIET_WINDOW,
    WINDOWS,
    quiet,
    vectors,
)

# What some gNBs report: everything, rates and PRBs, rates and blocks, rates alone.
REPORTED = tuple(tuple(COLUMNS.index(name) for name in names) for names in (
    COLUMNS, ("downlink_mbps", "downlink_prbs", "uplink_mbps"),
    ("downlink_mbps", "downlink_blocks", "uplink_mbps", "uplink_blocks"),
    ("downlink_mbps", "uplink_mbps")))


@dataclass(frozen=True)
class Training:
    """How a model is trained."""

    seed: int = 7
    stride: int = 5  # every how many rows of a trace are learnt: neighbours are alike
    rounds: int = 80  # of boosting
    leaves: int = 12
    rate: float = 0.08
    smallest: int = 60  # examples in a leaf
    bins: int = 63  # of each feature
    longest: int = max(WINDOWS)  # rows; longer windows are not used
    changes: float = 0.5  # examples after a change of traffic, for each without one
    reduced: float = 0.3  # share of those in which a gNB reports less


@dataclass(frozen=True)
class Examples:
    """Rows with what is known of each; all arrays have the same length."""

    vectors: NDArray[np.float32]  # [rows, features]
    codes: NDArray[np.int16]  # index into CLASSES, -1 of a UE without user traffic
    quiet: NDArray[np.bool_]  # nothing of the user's in the last 4 s
    trace: NDArray[np.int32]  # index into the traces
    place: NDArray[np.int32]  # rows since the traffic began or changed
    bytes: NDArray[np.float32]  # of the last 4 s, both ways

    def __len__(self) -> int:
        return len(self.codes)

    def only(self, mask: NDArray[Any]) -> Examples:
        """Those of `mask`."""
        return Examples(*(getattr(self, name)[mask] for name in self.__dataclass_fields__))


def code_of(trace: Trace) -> int:
    """The trace's class as a number."""
    return CLASSES.index(trace.label) if trace.label in CLASSES else -1


def examples(traces: Sequence[Trace]) -> Examples:
    """One example for each row of each trace."""
    return _joined([_of(trace.rows, 0, code_of(trace), number)
                    for number, trace in enumerate(traces)])


def changed(
    traces: Sequence[Trace], count: int, seed: int, reduced: float = 0.0,
) -> Examples:
    """About `count` examples from the time after a change of traffic, of traces cut together."""
    random = np.random.default_rng(seed)
    usable = _active(traces)
    present = [numbers for numbers in (
        [number for number in usable if code_of(traces[number]) == code]
        for code in range(len(CLASSES))) if numbers]
    found: list[Examples] = []
    total = 0
    while len(present) > 1 and total < count:
        first, second = (int(random.choice(present[place]))
                         for place in random.choice(len(present), 2, replace=False))
        before = _piece(traces[first].rows, usable[first], random)
        after = _piece(traces[second].rows, usable[second], random)
        rows = np.concatenate([before, after])
        if random.random() < reduced:
            rows = reporting(rows, REPORTED[int(random.integers(1, len(REPORTED)))])
        part = _of(rows, len(before), code_of(traces[second]), second)
        total += int((~part.quiet).sum())
        found.append(part)
    return _joined(found)


def _active(traces: Sequence[Trace]) -> dict[int, NDArray[np.int64]]:
    """The active rows of every labelled trace that has some and is not too short."""
    found = {}
    for number, trace in enumerate(traces):
        active = np.flatnonzero(~quiet(trace.rows))
        if code_of(trace) >= 0 and len(trace.rows) >= 16 and len(active):
            found[number] = active
    return found


def reporting(rows: NDArray[np.float32], columns: Sequence[int]) -> NDArray[np.float32]:
    """The rows as a gNB gives them that reports only `columns`."""
    less = np.full_like(rows, np.nan)
    less[:, list(columns)] = rows[:, list(columns)]
    return less


def fit(traces: Sequence[Trace], known: Examples, training: Training) -> Any:
    """A model of `known` (examples of `traces`) and of changes between them."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    learnt = training_set(traces, known, training)
    model = HistGradientBoostingClassifier(
        max_iter=training.rounds, learning_rate=training.rate, max_leaf_nodes=training.leaves,
        min_samples_leaf=training.smallest, l2_regularization=5.0, max_features=0.3,
        early_stopping=False, max_bins=training.bins, random_state=training.seed)
    # One thread: several wait for each other on cores that others use as well.
    with threadpool_limits(1, "openmp"):
        return model.fit(learnt.vectors, learnt.codes, sample_weight=weights(traces, learnt))


def training_set(traces: Sequence[Trace], known: Examples, training: Training) -> Examples:
    """The active rows of `known`, thinned out, and those after changes among the same traces."""
    chosen = known.only(np.flatnonzero((known.codes >= 0) & ~known.quiet)[::training.stride])
    count = round(len(chosen) * training.changes)
    if count:
        # All of a piece is computed and only some rows of it learnt, as of the traces.
        mine = np.unique(chosen.trace)
        part = changed([traces[number] for number in mine], count * training.stride,
                       training.seed, training.reduced)
        part = part.only(np.flatnonzero(~part.quiet)[::training.stride])
        part = replace(part, trace=mine[part.trace])
        chosen = _joined([chosen, part])
    table = within(chosen.vectors, training.longest)
    # scikit-learn's boosting cannot bin a column of which nothing is known.
    empty = np.isnan(table).all(axis=0) if len(table) else np.zeros(table.shape[1], np.bool_)
    return replace(chosen, vectors=np.where(empty, np.float32(0), table))


def within(vectors: NDArray[np.float32], longest: int) -> NDArray[np.float32]:
    """Vectors without the features of windows of more than `longest` rows."""
    beyond = [place for place, name in enumerate(FEATURES)
              if name.rsplit("_", 1)[1].isdigit() and int(name.rsplit("_", 1)[1]) > longest]
    if not beyond:
        return vectors
    vectors = vectors.copy()
    vectors[:, beyond] = np.nan
    return vectors


def weights(traces: Sequence[Trace], chosen: Examples) -> NDArray[np.float64]:
    """Every class counts the same, and a recording's weight grows as the root of its length."""
    keys = [(code, traces[number].collection)
            for code, number in zip(chosen.codes.tolist(), chosen.trace.tolist(), strict=True)]
    counts = Counter(keys)
    found = np.array([counts[key] ** -0.5 for key in keys])
    for code in np.unique(chosen.codes):
        found[chosen.codes == code] /= found[chosen.codes == code].sum()
    return np.asarray(found * len(found) / max(1, len(np.unique(chosen.codes))))


def only_columns(traces: Sequence[Trace], columns: Sequence[int]) -> list[Trace]:
    """The same traces of gNBs that report less."""
    return [replace(trace, rows=reporting(trace.rows, columns)) for trace in traces]


def _piece(
    rows: NDArray[np.float32], active: NDArray[np.int64], random: np.random.Generator,
) -> NDArray[np.float32]:
    """A part of 4 to 80 s, that begins where something happens."""
    length = int(random.integers(16, 320))
    start = max(0, min(int(random.choice(active)), len(rows) - length))
    return rows[start:start + length]


def _of(rows: NDArray[np.float32], start: int, code: int, number: int) -> Examples:
    """Examples of the rows from `start` on; what lies before is history of another class."""
    own = rows[start:]
    amounts = np.nan_to_num(own[:, 0]) + np.nan_to_num(own[:, 5])
    recent = np.convolve(amounts, np.ones(QUIET_WINDOW))[:len(own)] * BYTES_PER_MBPS
    return Examples(
        vectors(rows)[start:], np.full(len(own), code, np.int16), quiet(own),
        np.full(len(own), number, np.int32), np.arange(len(own), dtype=np.int32),
        recent.astype(np.float32))


def _joined(parts: Sequence[Examples]) -> Examples:
    if not parts:
        return _of(np.full((1, len(COLUMNS)), np.nan, np.float32), 0, 0, 0).only(
            np.zeros(0, np.int64))
    return Examples(*(np.concatenate([getattr(part, name) for part in parts])
                      for name in Examples.__dataclass_fields__))

