"""How good labels are where the truth is known, and what they rest on.

Numbers only: confusion, calibration, curves, quality at each stage, features that matter. Flows
that were called `unknown` count as not found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from classifier.bundle import Bundle
from classifier.judge import STAGES, Verdict
from classifier.labels import MEANINGS, UNKNOWN
from classifier.scores import accuracy, confusion, f1, macro_f1, precision, recall
from pcap_tools.flows import Sampled

BINS = 10  # of the calibration plot
IMPORTANCE_FLOWS, REPEATS = 1000, 2  # flows, and shufflings of each feature


@dataclass(frozen=True)
class ClassQuality:
    """One class."""

    name: str
    flows: int  # that are it
    said: int  # that were called it
    precision: float  # NaN where none was called it
    recall: float
    f1: float


@dataclass(frozen=True)
class StageQuality:
    """Answers at one stage, about flows that reached it."""

    stage: Sampled
    flows: int
    accuracy: float
    macro_f1: float


@dataclass(frozen=True)
class Curve:
    """Precision over recall of one class, as its threshold falls."""

    name: str
    recall: NDArray[np.float64]
    precision: NDArray[np.float64]
    area: float  # average precision


@dataclass(frozen=True)
class Quality:
    """Everything about flows whose truth is known."""

    names: tuple[str, ...]  # of the confusion's rows and columns
    table: NDArray[np.int64]  # rows are the truth
    accuracy: float
    macro_f1: float
    classes: tuple[ClassQuality, ...]
    stages: tuple[StageQuality, ...]
    reliability: tuple[tuple[float, float, int], ...]  # mean confidence, share right, answers
    curves: tuple[Curve, ...]


def quality_of(verdicts: Sequence[Verdict], truth: Sequence[str], bundle: Bundle) -> Quality:
    """`truth` is the right label of each."""
    names = _ordered({*truth, *(verdict.label for verdict in verdicts)})
    table = _table([verdict.label for verdict in verdicts], truth, names)
    columns, precisions, recalls, scores = (
        table.sum(axis=0), precision(table), recall(table), f1(table))
    classes = tuple(
        ClassQuality(name, int(table[place].sum()), int(columns[place]), float(precisions[place]),
                     float(recalls[place]), float(scores[place]))
        for place, name in enumerate(names) if name != UNKNOWN)
    return Quality(names, table, accuracy(table), _macro(table, names), classes,
                   tuple(_stages(verdicts, truth)), tuple(_reliability(verdicts, truth)),
                   tuple(_curves(verdicts, truth, bundle)))


def _ordered(names: set[str]) -> tuple[str, ...]:
    """In the order of `MEANINGS`, names of others' making after them, `unknown` last."""
    known = [name for name in MEANINGS if name in names and name != UNKNOWN]
    strange = sorted(names - set(MEANINGS))
    return (*known, *strange, *((UNKNOWN,) if UNKNOWN in names else ()))


def _table(said: Sequence[str], truth: Sequence[str], names: tuple[str, ...]
           ) -> NDArray[np.int64]:
    index = {name: place for place, name in enumerate(names)}
    return confusion(np.array([index[one] for one in truth], np.int16),
                     np.array([index[one] for one in said], np.int16), len(names))


def _macro(table: NDArray[np.int64], names: tuple[str, ...]) -> float:
    """The mean of F1 over what the truth holds."""
    if not table.sum():
        return float("nan")
    there = table.sum(axis=1) > 0
    return macro_f1(table) if there.all() else float(np.mean(f1(table)[there]))


def _stages(verdicts: Sequence[Verdict], truth: Sequence[str]) -> list[StageQuality]:
    result = []
    for stage in STAGES:
        pairs = [(one.label, right) for verdict, right in zip(verdicts, truth, strict=True)
                 for one in verdict.said if one.stage is stage]
        if pairs:
            said, right = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
            names = _ordered({*said, *right})
            table = _table(said, right, names)
            result.append(StageQuality(stage, len(pairs), accuracy(table), _macro(table, names)))
    return result


def _reliability(verdicts: Sequence[Verdict], truth: Sequence[str]
                 ) -> list[tuple[float, float, int]]:
    """Of the best class, said or not: bins of confidence, from 0 to 1."""
    confidence = np.array([verdict.confidence for verdict in verdicts])
    right = np.array([verdict.said[-1].best == name
                      for verdict, name in zip(verdicts, truth, strict=True)], bool)
    place = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return [(float(confidence[place == number].mean()), float(right[place == number].mean()),
             int(np.count_nonzero(place == number)))
            for number in range(BINS) if (place == number).any()]


def _curves(verdicts: Sequence[Verdict], truth: Sequence[str], bundle: Bundle) -> list[Curve]:
    if not verdicts:
        return []
    shares = np.stack([verdict.probabilities for verdict in verdicts])
    result = []
    for place, name in enumerate(bundle.classes):
        right = np.array([one == name for one in truth], bool)
        if right.any():
            result.append(_curve(name, shares[:, place], right))
    return result


def _curve(name: str, score: NDArray[np.float32], right: NDArray[np.bool_]) -> Curve:
    order = np.argsort(-score, kind="stable")
    found = np.cumsum(right[order])
    # Flows with the same score are called the class together.
    last = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))
    recalls, precisions = found[last] / right.sum(), found[last] / (last + 1)
    area = float(np.sum(np.diff(recalls, prepend=0.0) * precisions))
    return Curve(name, np.concatenate([[0.0], recalls]),
                 np.concatenate([precisions[:1], precisions]), area)


def importance(
    bundle: Bundle, verdicts: Sequence[Verdict], labels: Sequence[str], seed: int
) -> list[tuple[str, float]]:
    """How much the share of answers that are `labels` falls when one feature is shuffled.

    The model judges whole flows. Most important first; a feature that stands in for another one
    hides both.
    """
    random = np.random.default_rng(seed)
    chosen = random.permutation(len(verdicts))[:IMPORTANCE_FLOWS]
    if len(chosen) < 2:
        return []
    vectors = np.stack([verdicts[place].vector for place in chosen])
    wanted = np.array([labels[place] for place in chosen])

    def share() -> float:
        found = bundle.predict(Sampled.WHOLE, vectors)
        return float(np.mean(np.array(bundle.classes)[found.best] == wanted))

    before = share()
    result = []
    for place, name in enumerate(bundle.schema.features):
        column = vectors[:, place].copy()
        if (np.isnan(column) | (column == column[0])).all():
            continue  # the same for all: nothing to shuffle
        falls = []
        for _ in range(REPEATS):
            vectors[:, place] = random.permutation(column)
            falls.append(before - share())
        vectors[:, place] = column
        result.append((name, float(np.mean(falls))))
    return sorted(result, key=lambda pair: -pair[1])
