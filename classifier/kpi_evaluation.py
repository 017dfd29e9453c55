"""How good a KPI classifier is on trials, or recordings, that it has not seen.

Held out is always all that belongs together: a trial is one run of the cell, a collection is one
recording of packets, which several trials replay. Windows of one trial are never on both sides, as
they were in the published 99 % (windows that overlap by all but one row, shuffled, a fifth of them
held out). It knows no files.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifier.kpi import CLASSES
from classifier.kpi_data import Trace
from classifier.kpi_features import QUIET_WINDOW
from classifier.kpi_training import (
    Examples,
    Training,
    changed,
    fit,
    training_set,
    weights,
    within,
)

PUBLISHED = {"offline, windows shuffled": 0.99, "online, some slices": 0.92}
DELAYS = (4, 8, 16, 32, 64, 128, 256)  # rows of 250 ms
SURE = (0.5, 0.6, 0.7, 0.8, 0.9)
VOLUMES = (0.0, 1e4, 1e5, 1e6, np.inf)  # bytes in 4 s

Fit = Callable[[Sequence[Trace], Examples], "Predict"]
Predict = Callable[[NDArray[np.float32]], NDArray[np.float64]]  # vectors to [rows, classes]


def boosted(training: Training) -> Fit:
    """The model that is shipped."""
    def learn(traces: Sequence[Trace], known: Examples) -> Predict:
        return _in_order(fit(traces, known, training), training)
    return learn


def linear(training: Training) -> Fit:
    """Logistic regression on the same features: what a simple model reaches."""
    def learn(traces: Sequence[Trace], known: Examples) -> Predict:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import FunctionTransformer, StandardScaler

        learnt = training_set(traces, known, training)
        model = make_pipeline(
            FunctionTransformer(_logarithms), StandardScaler(), LogisticRegression(max_iter=150))
        with warnings.catch_warnings():
            # A baseline need not converge to the last digit.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(learnt.vectors, learnt.codes,
                      logisticregression__sample_weight=weights(traces, learnt))
        return _in_order(model, training)
    return learn


def majority(traces: Sequence[Trace], known: Examples) -> Predict:
    """Always the class that is most frequent."""
    counts = np.bincount(known.codes[(known.codes >= 0) & ~known.quiet], minlength=len(CLASSES))
    return lambda vectors: np.tile(counts / counts.sum(), (len(vectors), 1))


@dataclass(frozen=True)
class HeldOut:
    """What models said about groups they had not seen."""

    shares: list[NDArray[np.float64]]  # of each of the views, [examples, classes]
    changes: list[tuple[Examples, NDArray[np.float64]]]  # after changes of traffic, one per group


def held_out(
    traces: Sequence[Trace], known: Examples, groups: Sequence[str], learn: Fit,
    views: Sequence[Examples] = (), changes: int = 0, told: Callable[[str], None] = lambda _: None,
    only: Callable[[str], bool] = lambda _: True,
) -> HeldOut:
    """Probabilities of every example by a model that saw nothing of its trace's group.

    `views` are the same examples, or some of them, seen otherwise; without any, `known` itself.
    With `changes` also about as many examples, in each group, after a change of traffic.
    """
    views = views or [known]
    shares = [np.full((len(view), len(CLASSES)), 1 / len(CLASSES)) for view in views]
    after: list[tuple[Examples, NDArray[np.float64]]] = []
    of_trace = np.array(groups)
    tested = {group for group, trace in zip(groups, traces, strict=True)
              if trace.label in CLASSES and only(group)}
    for number, group in enumerate(sorted(tested)):
        out = of_trace == group
        predict = learn(traces, known.only(~out[known.trace]))
        for view, table in zip(views, shares, strict=True):
            mine = out[view.trace]
            table[mine] = predict(view.vectors[mine])
        if changes:
            own = [trace for trace, is_out in zip(traces, out, strict=True) if is_out]
            part = changed(own, changes, 1000 + number)
            after.append((part, predict(part.vectors)))
        here = counted(views[0]) & out[views[0].trace]
        told(f"{group}: {_share(_right(views[0], shares[0])[here])}")
    return HeldOut(shares, after)


def shuffled(traces: Sequence[Trace], known: Examples, learn: Fit, seed: int) -> float | None:
    """Accuracy where a random fifth of the rows is held out: flattering, and how it is published.

    Neighbours of every tested row are learnt from.
    """
    active = known.only(counted(known))
    test = np.random.default_rng(seed).random(len(active)) < 0.2
    predict = learn(traces, active.only(~test))
    return _share(_right(active.only(test), predict(active.only(test).vectors)))


def transferred(
    traces: Sequence[Trace], known: Examples, to: Callable[[str], bool], learn: Fit,
) -> dict[str, Any]:
    """Learnt from the trials that are not `to`, tested on those that are."""
    groups = [trace.trial for trace in traces]
    target = np.array([to(group) for group in groups])
    if target.all() or not target.any():
        return {}
    test = known.only(target[known.trace])
    predict = learn(traces, known.only(~target[known.trace]))
    return report(test, predict(test.vectors), groups)


def counted(known: Examples) -> NDArray[np.bool_]:
    """What can be right or wrong: rows of a labelled UE that is not silent."""
    return np.asarray((known.codes >= 0) & ~known.quiet)


def report(
    known: Examples, shares: NDArray[np.float64], groups: Sequence[str], seed: int = 1,
) -> dict[str, Any]:
    """Figures of one evaluation, over active rows unless they say otherwise."""
    mask, right = counted(known), _right(known, shares)
    group = np.array(groups)[known.trace]
    labelled = known.codes >= 0
    confidence = shares.max(axis=1)
    table = confusion(known.codes[mask], shares[mask].argmax(axis=1))
    return {
        "rows": int(mask.sum()), "accuracy": _share(right[mask]),
        "interval": interval(right[mask], group[mask], seed),
        "macro_f1": float(np.mean(per_class(table)[2])),
        "accuracy_full_window": _share(right[mask & (known.place >= QUIET_WINDOW - 1)]),
        "classes": {name: {"precision": precision, "recall": recall, "f1": f1,
                           "rows": int(row.sum())}
                    for name, precision, recall, f1, row in zip(
                        CLASSES, *per_class(table), table, strict=True)},
        "confusion": table.tolist(),
        "accuracy_counting_idle": _share((right | known.quiet)[labelled]),
        "interval_counting_idle": interval(
            (right | known.quiet)[labelled], group[labelled], seed),
        "accuracy_no_idle": _share(right[labelled]),
        "idle_of_null": _share(known.quiet[known.codes < 0]),
        "groups": {str(name): {"accuracy": _share(right[mask & (group == name)]),
                               "rows": int((mask & (group == name)).sum())}
                   for name in np.unique(group[mask])},
        "bytes_4s": [{"from": low, "rows": int(here.sum()), "accuracy": _share(right[here])}
                     for low, here in _volumes(known, mask)],
        "sure": [{"confidence": least, "rows": _share((confidence >= least)[mask]),
                  "accuracy": _share(right[mask & (confidence >= least)])} for least in SURE],
        "delay": by_delay(known, right),
    }


def worst(
    traces: Sequence[Trace], known: Examples, shares: NDArray[np.float64], count: int = 12,
) -> list[dict[str, Any]]:
    """The logs in which most rows are wrong, and what was said instead."""
    mask, said = counted(known), shares.argmax(axis=1)
    names = np.array([f"{trace.trial}/{trace.name}" for trace in traces])[known.trace]
    found = []
    for name in np.unique(names[mask]):
        here = mask & (names == name)
        right = said[here] == known.codes[here]
        found.append({"log": str(name), "rows": len(right), "wrong": int((~right).sum()),
                      "accuracy": _share(right),
                      "said": np.bincount(said[here], minlength=len(CLASSES)).tolist()})
    return sorted(found, key=lambda entry: -entry["wrong"])[:count]


def by_delay(known: Examples, right: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """Accuracy by how many rows after the beginning, or the change, a label was asked for."""
    mask = counted(known)
    found = []
    for low, high in zip((0, *DELAYS), (*DELAYS, 1 << 30), strict=True):
        here = mask & (known.place >= low) & (known.place < high)
        found.append({"rows_from": low, "rows": int(here.sum()), "accuracy": _share(right[here])})
    return found


def after_changes(parts: Sequence[tuple[Examples, NDArray[np.float64]]]) -> dict[str, Any]:
    """Accuracy by delay after a change of traffic, and how long the first right label takes."""
    right, waits = [], []
    for known, shares in parts:
        good = _right(known, shares)
        right.append(good)
        starts = np.flatnonzero(known.place == 0)
        for start, end in zip(starts, [*starts[1:], len(known)], strict=True):
            active = np.flatnonzero(counted(known)[start:end])
            if not len(active):
                continue
            hits = np.flatnonzero((good & counted(known))[start:end])
            waits.append(float(hits[0] - active[0]) if len(hits) else np.inf)
    if not waits:
        return {}
    everything = Examples(*(np.concatenate([getattr(known, name) for known, _ in parts])
                            for name in Examples.__dataclass_fields__))
    delays = np.sort(np.array(waits)) * 0.25
    return {
        "changes": len(waits),
        "delay": by_delay(everything, np.concatenate(right)),
        "seconds_to_first_right": {
            "median": _finite(delays[len(delays) // 2]),
            "p90": _finite(delays[int(len(delays) * 0.9)]),
            "never": float(np.mean(np.isinf(delays)))},
    }


def confusion(truth: NDArray[Any], said: NDArray[Any]) -> NDArray[np.int64]:
    """Rows are the truth, columns what was said."""
    table = np.zeros((len(CLASSES), len(CLASSES)), np.int64)
    np.add.at(table, (truth, said), 1)
    return table


def per_class(table: NDArray[np.int64]) -> tuple[list[float], list[float], list[float]]:
    """Precision, recall and F1 of each class; 0 where there is none."""
    hits = np.diag(table).astype(float)
    precision = hits / np.maximum(table.sum(axis=0), 1)
    recall = hits / np.maximum(table.sum(axis=1), 1)
    f1 = 2 * hits / np.maximum(table.sum(axis=0) + table.sum(axis=1), 1)
    return precision.tolist(), recall.tolist(), f1.tolist()


def interval(
    right: NDArray[np.bool_], group: NDArray[Any], seed: int, times: int = 2000,
) -> tuple[float, float]:
    """95 % of what the accuracy would be with other groups of the same kind (bootstrap)."""
    names, place = np.unique(group, return_inverse=True)
    hits = np.bincount(place, weights=right, minlength=len(names))
    rows = np.bincount(place, minlength=len(names))
    drawn = np.random.default_rng(seed).integers(0, len(names), (times, len(names)))
    drawn_rows = np.maximum(rows[drawn].sum(axis=1), 1)
    low, high = np.percentile(hits[drawn].sum(axis=1) / drawn_rows, (2.5, 97.5))
    return float(low), float(high)


def calibration(known: Examples, shares: NDArray[np.float64]) -> float:
    """The scale of log probabilities at which held out rows are least surprising."""
    mask = counted(known)
    logs = np.log(np.maximum(shares[mask], 1e-12))
    truth = known.codes[mask]
    if not len(truth):
        return 1.0

    def surprise(scale: float) -> float:
        scaled = logs * scale
        top = scaled.max(axis=1, keepdims=True)
        total = np.log(np.exp(scaled - top).sum(axis=1)) + top[:, 0]
        return float(np.mean(total - scaled[np.arange(len(truth)), truth]))

    return float(min(np.linspace(0.3, 1.3, 21), key=surprise))


def _right(known: Examples, shares: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray(shares.argmax(axis=1) == known.codes)


def _volumes(known: Examples, mask: NDArray[np.bool_]) -> Iterator[tuple[float, NDArray[np.bool_]]]:
    for low, high in pairwise(VOLUMES):
        yield low, mask & (known.bytes >= low) & (known.bytes < high)


def _share(right: NDArray[Any]) -> float | None:
    return round(float(np.mean(right)), 4) if len(right) else None


def _finite(number: float) -> float | None:
    return float(number) if np.isfinite(number) else None


def _logarithms(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(np.log1p(np.nan_to_num(vectors)))


def _in_order(model: Any, training: Training) -> Predict:
    """Probabilities of all classes, also of those that the model never saw."""
    places = np.asarray(model.classes_, dtype=np.int64)

    def predict(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        shares = np.zeros((len(vectors), len(CLASSES)))
        if len(vectors):
            shares[:, places] = model.predict_proba(within(vectors, training.longest))
        return shares
    return predict
