"""From samples to a bundle: fit, calibrate, set limits, by captures that were not learnt from.

Calibration and limits come from answers about captures that the asked model had not seen; the model
that is kept then learns from all. Seeded. It knows no files.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifier import splits
from classifier.bundle import Bundle, Decision, calibrated, flow_schema
from classifier.dataset import STAGES, WINDOWS, Samples
from classifier.labels import CLASSES
from classifier.model import Model
from classifier.openset import Prototypes, learn_drift, scale_features
from classifier.train import Fitted, FittedTrees, Recipe, fit, usual, weights
from pcap_tools.features import FEATURES
from pcap_tools.flows import Sampled

ROBUST = np.array([feature.robust for feature in FEATURES])
PARTS = 4  # of the captures, for calibration and limits
COMPARED = 32  # features that distances are made of: those that tell classes apart best
PROTOTYPES = 1500
NEAREST = 5
LOST_BY_CONFIDENCE = 0.03  # of a class's right answers that may be called unknown
LOST_BY_DISTANCE = 0.03
MOST_LEAST = 0.7  # no confidence above it is asked for
ENOUGH = 100  # answers to one kind of sample for limits of its own
ALL_OTHERS = ""  # the stage that stands for those without one of their own
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Unseen:
    """Answers about captures that had not been learnt from; one row for each."""

    rows: NDArray[np.int64]
    shares: NDArray[np.float64]  # [rows, classes of the bundle]
    distance: NDArray[np.float32]


def build(
    samples: Samples, recipe: Recipe, seed: int, progress: Progress = lambda line: None,
) -> Bundle:
    """A bundle that learnt from all of `samples`, without card and metrics.

    It has one model for the stages of a flow, and one for windows where there are samples of them.
    """
    classes = np.unique(samples.labels)
    models: dict[str, Model] = {}
    decisions: dict[str, Decision] = {}
    differences = []
    for name, kinds in (("stages", STAGES), ("windows", WINDOWS)):
        part = samples.of(kinds)
        if name != "stages" and len(np.unique(part.labels)) < len(classes):
            continue
        decisions |= _decisions(part, recipe, seed, classes, name, kinds, progress)
        model = fit(part, recipe, ROBUST, seed)
        assert isinstance(model, FittedTrees)
        progress(f"{name}: all captures")
        models[name] = Model(model.trees, learn_prototypes(part, telling(model), seed),
                             learn_drift(part.vectors[part.variants == 0]))
        differences.append(model.difference(part.vectors))
    return Bundle(flow_schema(), tuple(CLASSES[code] for code in classes), models, decisions,
                  {"difference_from_scikit_learn": max(differences)})


def _decisions(
    samples: Samples, recipe: Recipe, seed: int, classes: NDArray[np.int16], name: str,
    kinds: Sequence[Sampled], progress: Progress,
) -> dict[str, Decision]:
    """How each kind of sample is answered; for those with too few, as all together are."""
    codes = np.searchsorted(classes, samples.labels)
    unseen = _unseen(samples, recipe, seed, classes, progress)

    def decision(mask: NDArray[np.bool_]) -> Decision:
        rows = unseen.rows[mask]
        return decide(codes[rows], unseen.shares[mask], unseen.distance[mask],
                      weights(samples.where(rows), recipe.balance), name)

    together = decision(np.ones(len(unseen.rows), bool))
    found = {ALL_OTHERS: together} if name == "stages" else {}
    for kind in kinds:
        mask = samples.kinds[unseen.rows] == kind
        found[kind.name] = decision(mask) if mask.sum() >= ENOUGH else together
    return found


def _unseen(
    samples: Samples, recipe: Recipe, seed: int, classes: NDArray[np.int16], progress: Progress,
) -> Unseen:
    rows, shares, distance = [], [], []
    for split in splits.by_capture(samples, PARTS, seed):
        train = samples.where(split.train)
        test = split.test[samples.variants[split.test] == 0]
        model = fit(train, recipe, ROBUST, seed)
        known = np.zeros((len(test), len(classes)))
        known[:, np.searchsorted(classes, model.classes)] = model.probabilities(
            samples.vectors[test])
        rows.append(test)
        shares.append(known)
        distance.append(learn_prototypes(train, telling(model), seed).distance(
            samples.vectors[test]))
        progress(f"calibration: {split.name}")
    return Unseen(np.concatenate(rows), np.concatenate(shares), np.concatenate(distance))


def decide(
    truth: NDArray[np.int64], shares: NDArray[np.float64], distance: NDArray[np.float32],
    counts: NDArray[np.float64], model: str = "stages",
) -> Decision:
    """Scale and limits for one stage, by answers whose truth is known."""
    scale = temperature(truth, shares, counts)
    known = calibrated(shares, scale)
    said = known.argmax(axis=1)
    confidence = known[np.arange(len(said)), said]
    least, most = [], []
    overall = np.quantile(distance, 1 - LOST_BY_DISTANCE)
    for code in range(shares.shape[1]):
        right = (said == code) & (truth == code)
        enough = right.sum() >= 20
        least.append(min(float(np.quantile(confidence[right], LOST_BY_CONFIDENCE)), MOST_LEAST)
                     if enough else 0.5)
        most.append(float(np.quantile(distance[right], 1 - LOST_BY_DISTANCE)) if enough
                    else float(overall))
    return Decision(model, scale, (), tuple(least), tuple(most))


def temperature(
    truth: NDArray[np.int64], shares: NDArray[np.float64], counts: NDArray[np.float64],
) -> float:
    """The scale of logarithms under which what was true was least surprising."""
    logarithms = np.log(np.maximum(shares, 1e-12))
    rows = np.arange(len(truth))

    def surprise(scale: float) -> float:
        scaled = logarithms * scale
        highest = scaled.max(axis=1)
        total = np.log(np.exp(scaled - highest[:, None]).sum(axis=1)) + highest
        return float(np.average(total - scaled[rows, truth], weights=counts))

    candidates = np.geomspace(0.2, 3.0, 40)
    return float(round(candidates[int(np.argmin([surprise(one) for one in candidates]))], 4))


def telling(model: Fitted, count: int = COMPARED) -> NDArray[np.int64]:
    """The features that a boosting or a forest gained most from."""
    assert isinstance(model, FittedTrees)
    gain: NDArray[Any] = np.zeros(model.trees.features)
    if hasattr(model.original, "_predictors"):
        for iteration in model.original._predictors:
            for predictor in iteration:
                inner = predictor.nodes[predictor.nodes["is_leaf"] == 0]
                np.add.at(gain, model.columns[inner["feature_idx"].astype(np.int64)],
                          np.maximum(inner["gain"], 0))
    else:
        gain[model.columns] = model.original.feature_importances_
    best = np.argsort(-gain, kind="stable")[:count]
    return np.sort(best[gain[best] > 0])


def learn_prototypes(
    samples: Samples, features: NDArray[np.int64], seed: int, count: int = PROTOTYPES,
) -> Prototypes:
    """Samples that stand for all, drawn so that rare classes and captures have theirs."""
    random = np.random.default_rng(seed)
    chance = weights(samples, 0.7)
    drawn = random.choice(len(samples), min(count, len(samples)), replace=False,
                          p=chance / chance.sum())
    centre, scale = usual(samples.vectors[:, features])
    centre = np.nan_to_num(centre)
    scale = np.nan_to_num(scale, nan=1.0)
    points = scale_features(samples.vectors[np.sort(drawn)][:, features], centre, scale)
    return Prototypes(features.astype(np.int32), centre, scale, points,
                      min(NEAREST, len(points)))
