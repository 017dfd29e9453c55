"""What a model and its rivals are worth: a table of kinds, strangers left out, one bundle as it is.

Builds on `evaluate`'s splits; returns plain numbers. It knows no files.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifier import evaluate, foreign, scores, splits
from classifier.bundle import Bundle
from classifier.dataset import STAGES, Samples
from classifier.evaluate import Figures, Progress
from classifier.labels import CLASSES
from classifier.shipping import ROBUST, learn_prototypes, telling
from classifier.train import Recipe, fit
from pcap_tools.flows import Sampled

SHIPPED = Recipe()
# All features, as recorded, no weights, one model of the usual size.
BASELINE = Recipe(augmented=False, balance=0.0, parts=1, trees=60, rate=0.12)
FOREST_TREES = 100


def rivals() -> dict[str, Recipe]:
    """What is compared: the kinds of model, and what each thing done against change is worth."""
    forest = replace(SHIPPED, kind="forest", trees=FOREST_TREES // SHIPPED.parts)
    return {
        "boosting": SHIPPED,
        "boosting, one model": replace(SHIPPED, parts=1, trees=60, rate=0.12),
        "boosting, no variants": replace(SHIPPED, augmented=False),
        "boosting, robust features": replace(SHIPPED, robust=True),
        "boosting, plain": BASELINE,
        "forest": forest,
        "forest, plain": replace(BASELINE, kind="forest", trees=FOREST_TREES),
        "general": foreign.GENERAL,
        "linear": replace(SHIPPED, kind="linear"),
        "linear, plain": replace(BASELINE, kind="linear"),
    }


def compared(
    samples: Samples, seed: int, progress: Progress = lambda line: None,
    recipes: dict[str, Recipe] | None = None,
) -> dict[str, Any]:
    """Every rival by capture and by source, at ten packets and within two seconds."""
    rows = {}
    samples = samples.of(STAGES)
    for name, recipe in (recipes or rivals()).items():
        held_out = splits.by_capture(samples, evaluate.PARTS, seed)
        given = evaluate.answers(samples, held_out, recipe, seed, progress, limits=False)
        stages = evaluate.by_stage(samples, given, seed)
        sources = foreign.mean_accuracies(samples, recipe, seed, progress)
        told = evaluate.told(samples, given, seed)
        told.pop("mistakes")
        rows[name] = {
            stage: {"accuracy": stages[stage]["accuracy"], "macro_f1": stages[stage]["macro_f1"],
                    "calibration_error": stages[stage]["calibration_error"],
                    "left_out_sources": sources.get(stage)}
            for stage in (Sampled.PACKETS_10.name, Sampled.AFTER_2_S.name)
            if stage in stages} | {"llm_split": told}
    return {"compared": rows}


def left_out_classes(
    samples: Samples, recipe: Recipe, seed: int, progress: Progress = lambda line: None,
    stage: Sampled = Sampled.AFTER_2_S,
) -> dict[str, Figures]:
    """How well each class, when it was never learnt, is told from those that were.

    AUROC of several scores, judged on captures that were not learnt from.
    """
    # What comes later than the moment in question is not needed to judge it.
    samples = samples.of([kind for kind in evaluate.TIMES if
                          evaluate.TIMES[kind] <= evaluate.TIMES[stage]])
    split = next(iter(splits.by_capture(samples, evaluate.PARTS, seed)))
    originals = samples.variants == 0
    moment = np.zeros(len(samples), bool)
    rows = np.flatnonzero(originals)
    moment[rows[evaluate.latest(samples, rows, evaluate.TIMES[stage])]] = True
    figures: dict[str, Figures] = {}
    for code in np.unique(samples.labels):
        train = split.train[samples.labels[split.train] != code]
        inside = split.test[moment[split.test] & (samples.labels[split.test] != code)]
        outside = np.flatnonzero(moment & (samples.labels == code))
        known = samples.where(train)
        model = fit(known, recipe, ROBUST, seed)
        near = learn_prototypes(known, telling(model), seed)
        figures[CLASSES[code]] = {"inside": len(inside), "outside": len(outside)} | {
            name: scores.auroc(*one) for name, one in _strangeness(
                samples, model, near, inside, outside).items()}
        progress(f"without {CLASSES[code]}")
    return figures


def _strangeness(
    samples: Samples, model: Any, near: Any, inside: NDArray[np.int64],
    outside: NDArray[np.int64],
) -> dict[str, tuple[NDArray[np.floating[Any]], NDArray[np.floating[Any]]]]:
    """Scores that are higher for what is strange: of the known, and of the unknown."""
    shares = [model.probabilities(samples.vectors[rows]) for rows in (inside, outside)]
    doubt = [1 - part.max(axis=1) for part in shares]
    distance = [near.distance(samples.vectors[rows]) for rows in (inside, outside)]

    def rank(values: list[NDArray[Any]]) -> list[NDArray[np.float64]]:
        known = np.sort(values[0])
        return [np.searchsorted(known, part) / len(known) for part in values]

    both = [np.maximum(one, other) for one, other in zip(rank(doubt), rank(distance), strict=True)]
    return {"confidence": (doubt[0], doubt[1]), "distance": (distance[0], distance[1]),
            "both": (both[0], both[1])}


def of_bundle(samples: Samples, bundle: Bundle, seed: int) -> dict[str, Any]:
    """A bundle's answers as it gives them, `unknown` too, at each stage."""
    learnt = set(bundle.data.get("captures", {}).values())
    samples = samples.of(STAGES)
    samples = samples.where(samples.variants == 0)
    codes = np.array([CLASSES.index(name) for name in bundle.classes])
    shares = np.zeros((len(samples), len(CLASSES)))
    unknown = np.zeros(len(samples), bool)
    for kind in np.unique(samples.kinds):
        rows = np.flatnonzero(samples.kinds == kind)
        labels = bundle.predict(Sampled(int(kind)), samples.vectors[rows])
        shares[np.ix_(rows, codes)] = labels.probabilities
        unknown[rows] = labels.codes < 0
    every = np.arange(len(samples))
    given = evaluate.Answers(every, shares, ~unknown, np.zeros(len(samples), np.int64), ("all",))
    return {
        "learnt_from": sum(origin.digest in learnt for origin in samples.origins),
        "unknown": {Sampled(int(kind)).name: float(unknown[samples.kinds == kind].mean())
                    for kind in np.unique(samples.kinds)},
        "as_it_is": evaluate.by_stage(samples, given, seed),
        "where_it_says": evaluate.by_stage(samples, given.where(given.sure), seed),
        "split_sessions": {"these captures": evaluate.told(samples, given, seed)},
    }
