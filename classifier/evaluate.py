"""Judges recipes by what they never saw: three ways of holding out, at every stage of a flow.

Figures are of flows as recorded; varied ones are only learnt from. What it returns are plain
numbers, ready for JSON; `card` makes tables of them. It knows no files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifier import scores, splits
from classifier.dataset import STAGES, WINDOWS, Samples
from classifier.labels import CLASSES, LLM_SPLIT
from classifier.shipping import ROBUST, learn
from classifier.splits import Split
from classifier.train import Fitted, Recipe, fit
from pcap_tools.features import NAMES
from pcap_tools.flows import Sampled

SPLIT_CODE = CLASSES.index(LLM_SPLIT)
PARTS = 4  # of a cross validation
CONDITION_PARTS = 3  # of the models or links, left out together
EARLY = 2.0  # seconds within which a split session is to be told
MOST_MISTAKES = 40  # that are named
TLS_HELLO = (180, 1800)  # bytes of the first packet up of what speaks TLS
TIMES = {Sampled.AFTER_100_MS: 0.1, Sampled.AFTER_1_S: 1.0, Sampled.AFTER_2_S: 2.0,
         Sampled.AFTER_10_S: 10.0}
Progress = Callable[[str], None]
Figures = dict[str, Any]


@dataclass(frozen=True)
class Answers:
    """What models said of samples that they had not seen; arrays have one row for each."""

    rows: NDArray[np.int64]  # of the samples
    shares: NDArray[np.float64]  # [rows, CLASSES]
    sure: NDArray[np.bool_]  # False where the answer would be unknown
    parts: NDArray[np.int64]  # which split each is from
    names: tuple[str, ...]  # of the splits

    @property
    def said(self) -> NDArray[np.int16]:
        """The best class, sure or not."""
        return np.asarray(self.shares.argmax(axis=1), np.int16)

    def where(self, mask: NDArray[np.bool_]) -> Answers:
        return Answers(self.rows[mask], self.shares[mask], self.sure[mask], self.parts[mask],
                       self.names)


def shares_of_all(model: Fitted, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Probabilities of every class, 0 for those that the model has not."""
    out = np.zeros((len(vectors), len(CLASSES)))
    out[:, model.classes] = model.probabilities(vectors)
    return out


def answers(
    samples: Samples, held_out: Iterable[Split], recipe: Recipe, seed: int,
    progress: Progress = lambda line: None, limits: bool = True,
) -> Answers:
    """Learn on one side of each split and ask about the other.

    With `limits`, calibration and what is called unknown are learnt from the same side as the
    model, as they are for a bundle.
    """
    rows, shares, sure, parts, names = [], [], [], [], []
    for part, split in enumerate(held_out):
        test = split.test[samples.variants[split.test] == 0]
        asked = samples.where(test)
        if limits:
            kinds = [kind for kind in Sampled if kind in asked.kinds]
            name = "windows" if set(kinds) & set(WINDOWS) else "stages"
            learnt = learn(samples.where(split.train), recipe, seed, name, kinds)
            labels = learnt.labels(asked)
            known = np.zeros((len(test), len(CLASSES)))
            known[:, learnt.classes] = labels.probabilities
            sure.append(labels.codes >= 0)
        else:
            known = shares_of_all(fit(samples.where(split.train), recipe, ROBUST, seed),
                                  asked.vectors)
            sure.append(np.ones(len(test), np.bool_))
        rows.append(test)
        shares.append(known)
        parts.append(np.full(len(test), part, np.int64))
        names.append(split.name)
        progress(f"{recipe.kind}: {split.name}")
    return Answers(np.concatenate(rows), np.concatenate(shares), np.concatenate(sure),
                   np.concatenate(parts), tuple(names))


def latest(samples: Samples, rows: NDArray[np.int64], seconds: float) -> NDArray[np.bool_]:
    """Of `rows`, each flow's last sample that was taken within so many seconds of its start."""
    soon = (samples.ages[rows] <= seconds + 1e-3) & np.isin(samples.kinds[rows],
                                                            [int(stage) for stage in STAGES])
    order = np.lexsort((samples.kinds[rows], samples.ages[rows], samples.flows[rows]))
    order = order[soon[order]]
    flows = samples.flows[rows][order]
    last = np.append(flows[1:] != flows[:-1], True) if len(flows) else np.zeros(0, bool)
    chosen = np.zeros(len(rows), bool)
    chosen[order[last]] = True
    return chosen


def by_stage(samples: Samples, given: Answers, seed: int) -> dict[str, Figures]:
    """Quality at each stage; at those of time, of each flow's last sample until then."""
    return {name: quality(samples, given.where(mask), seed)
            for name, mask in moments(samples, given).items() if mask.any()}


def moments(samples: Samples, given: Answers) -> dict[str, NDArray[np.bool_]]:
    """Which answers are those of each stage."""
    kinds = samples.kinds[given.rows]
    # Where nothing came between two moments, the sample of the earlier one is that of the later.
    return {stage.name: latest(samples, given.rows, TIMES[stage]) if stage in TIMES
            else kinds == stage for stage in STAGES}


def quality(samples: Samples, given: Answers, seed: int) -> Figures:
    """Accuracy, F1 and each class's figures, with intervals over captures."""
    truth, captures = samples.labels[given.rows], samples.captures[given.rows]
    said, count = given.said, len(CLASSES)
    table = scores.confusion(truth, said, count)
    found, right, both = scores.recall(table), scores.precision(table), scores.f1(table)

    def spread(figure: Callable[[NDArray[np.int64]], float]) -> list[float]:
        one = scores.interval(truth, said, captures, count, figure, seed)
        return [one.value, one.low, one.high]

    confidence = given.shares.max(axis=1)
    return {
        "samples": len(truth), "captures": len(np.unique(captures)),
        "unknown": float(1 - given.sure.mean()) if len(truth) else 0.0,
        "accuracy": spread(scores.accuracy), "macro_f1": spread(scores.macro_f1),
        "calibration_error": scores.calibration_error(confidence, said == truth),
        "classes": {name: {"samples": int(table[code].sum()), "recall": float(found[code]),
                           "precision": float(right[code]), "f1": float(both[code])}
                    for code, name in enumerate(CLASSES) if table[code].sum()},
        "confusion": table.tolist(),
    }


def three_ways(
    samples: Samples, recipe: Recipe, seed: int, progress: Progress = lambda line: None,
    parts: int = PARTS,
) -> dict[str, Any]:
    """Random and by capture side by side; sources left out are `foreign`'s."""
    ways = {"random": splits.random_split(samples, parts, seed),
            "by_capture": splits.by_capture(samples, parts, seed)}
    figures: dict[str, Any] = {}
    for name, way in ways.items():
        given = answers(samples, way, recipe, seed, progress, limits=name == "by_capture")
        figures[name] = by_stage(samples, given, seed)
        if name == "by_capture":
            figures["told"] = told(samples, given, seed)
            figures["handshake"] = handshakes(samples, given)
    return figures


def handshakes(samples: Samples, given: Answers) -> dict[str, list[float]]:
    """Of flows at ten packets: how many, and the share of right answers, by what they began with.

    A first packet up as long as TLS's first and a stream: little but the handshake has been seen.
    """
    ten = given.where(samples.kinds[given.rows] == Sampled.PACKETS_10)
    first, stream = (samples.vectors[ten.rows, NAMES.index(name)] for name in ("size_1", "stream"))
    tls = (stream == 1) & (first >= TLS_HELLO[0]) & (first <= TLS_HELLO[1])
    right = ten.said == samples.labels[ten.rows]
    return {name: [int(mask.sum()), float(right[mask].mean()) if mask.any() else float("nan")]
            for name, mask in (("TLS", tls), ("others", ~tls))}


def by_window(
    samples: Samples, recipe: Recipe, seed: int, progress: Progress = lambda line: None,
    parts: int = PARTS,
) -> dict[str, Figures]:
    """Quality of what single windows tell, by capture."""
    given = answers(samples, splits.by_capture(samples, parts, seed), recipe, seed, progress,
                    limits=False)
    kinds = samples.kinds[given.rows]
    return {window.name: quality(samples, given.where(kinds == window), seed)
            for window in WINDOWS if (kinds == window).any()}


def split_sessions(
    samples: Samples, recipe: Recipe, seed: int, progress: Progress = lambda line: None,
    parts: int = CONDITION_PARTS,
) -> dict[str, Any]:
    """How surely split sessions are told within two seconds, with conditions never seen."""
    ways = {"models": list(splits.by_condition(samples, ("model",), parts, seed)),
            "links": list(splits.by_condition(samples, ("link_profile",), parts, seed)),
            "models and links": list(splits.by_condition(
                samples, ("model", "link_profile"), parts, seed))}
    figures = {}
    for name, held_out in ways.items():
        usable = [split for split in held_out if len(split.test)
                  and (samples.labels[split.train] == SPLIT_CODE).any()]
        if usable:
            figures[name] = told(samples, answers(samples, usable, recipe, seed, progress), seed)
    return figures


def told(samples: Samples, given: Answers, seed: int) -> Figures:
    """Recall and precision of split sessions within EARLY seconds, with intervals over captures.

    Called a split session is what is surely one; sessions of which too little came until then to
    ask at all are counted apart. The mistakes are named.
    """
    ours = np.unique(samples.flows[given.rows][samples.labels[given.rows] == SPLIT_CODE])
    given = given.where(latest(samples, given.rows, EARLY))
    late = len(np.setdiff1d(ours, samples.flows[given.rows]))
    truth = (samples.labels[given.rows] == SPLIT_CODE).astype(np.int16)
    said = ((given.said == SPLIT_CODE) & given.sure).astype(np.int16)
    captures = samples.captures[given.rows]
    figures: Figures = {"flows": int(truth.sum()), "others": int((1 - truth).sum()), "late": late}
    for name, rate in (("recall", scores.recall), ("precision", scores.precision)):
        one = scores.interval(truth, said, captures, 2, _second(rate), seed)
        figures[name] = [one.value, one.low, one.high]
    wrong = np.flatnonzero(truth != said)
    figures["mistakes"] = [
        {"capture": f"{samples.origins[samples.captures[row]].source}/"
                    f"{samples.origins[samples.captures[row]].name}",
         "truth": CLASSES[samples.labels[row]], "stage": Sampled(int(samples.kinds[row])).name,
         "split": round(float(given.shares[place, SPLIT_CODE]), 3),
         "link": samples.origins[samples.captures[row]].conditions.get("link_profile", "")}
        for place, row in zip(wrong[:MOST_MISTAKES].tolist(), given.rows[wrong].tolist(),
                              strict=False)]
    return figures


def _second(
    rate: Callable[[NDArray[np.int64]], NDArray[np.float64]],
) -> Callable[[NDArray[np.int64]], float]:
    return lambda table: float(rate(table)[1])
