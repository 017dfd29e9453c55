"""From samples to a bundle: fit, calibrate, set limits, by captures that were not learnt from.

Calibration and limits come from answers about captures that the asked model had not seen. What is
judged is made in the same way (`learn`), so that figures are of the whole recipe. Seeded. It knows
no files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifier.answers import Labels, Stages
from classifier.bundle import COUNTED, Bundle, Decision, calibrated, flow_schema
from classifier.dataset import LEAST_PACKETS, STAGES, WINDOWS, Samples
from classifier.errors import DataError
from classifier.labels import CLASSES, LLM_SPLIT
from classifier.model import Model
from classifier.openset import Prototypes, learn_drift, scale_features
from classifier.train import (
    Fitted,
    FittedParts,
    FittedTrees,
    Recipe,
    Unseen,
    fit_one,
    fit_parts,
    usual,
    weights,
)
from pcap_tools.features import FEATURES, NAMES
from pcap_tools.flows import Sampled

ROBUST = np.array([feature.robust for feature in FEATURES])
PARTS = 4  # of the captures, for calibration and limits, where the recipe names none
COMPARED = 32  # features that distances are made of: those that tell classes apart best
PROTOTYPES = 1500
NEAREST = 5
LOST_BY_CONFIDENCE = 0.03  # of a class's right answers that may be called unknown
LOST_BY_DISTANCE = 0.03
MOST_LEAST = 0.7  # no confidence above it is asked for
# The class that others act on: as many sessions are missed as others are taken for one. It is one
# number for all stages, chosen where links and models were left out: limits that captures over
# known links set were too strict for sessions over new ones.
LEAST_SPLIT = 0.6
SPLIT_LOST_BY_DISTANCE, SPLIT_ROOM = 0.003, 2.0  # a new link is strange, too: so much farther
ENOUGH = 100  # answers to one kind of sample for limits of its own
ALL_OTHERS = ""  # the stage that stands for those without one of their own
SPLIT = CLASSES.index(LLM_SPLIT)
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Learnt:
    """One model with its decisions, as a bundle holds it."""

    classes: NDArray[np.int16]  # codes of CLASSES
    model: Model
    decisions: Mapping[str, Decision]  # by the name of the stage
    fitted: FittedParts | FittedTrees

    def labels(self, samples: Samples) -> Labels:
        """What is said of each sample at its stage."""
        names = [Sampled(kind).name for kind in np.unique(samples.kinds).tolist()]
        decisions = [self.decisions.get(name) or self.decisions[ALL_OTHERS] for name in names]
        which = np.searchsorted(np.unique(samples.kinds), samples.kinds)
        return Stages(tuple(CLASSES[code] for code in self.classes), decisions,
                      {decision.model: self.model for decision in decisions},
                      [NAMES.index(name) for name in COUNTED]).labels(which, samples.vectors)


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
        learnt = learn(part, recipe, seed, name, kinds, progress)
        models[name] = replace(learnt.model, drift=learn_drift(part.vectors[part.variants == 0]))
        decisions |= learnt.decisions
        differences.append(learnt.fitted.difference(part.vectors))
    return Bundle(flow_schema(), tuple(CLASSES[code] for code in classes), models, decisions,
                  {"difference_from_scikit_learn": max(differences)})


def learn(
    samples: Samples, recipe: Recipe, seed: int, name: str = "stages",
    kinds: Sequence[Sampled] = STAGES, progress: Progress = lambda line: None,
) -> Learnt:
    """A model of these samples, calibrated, with limits for each kind of them."""
    model, unseen = _fitted(samples, recipe, seed, progress)
    decisions = _decisions(samples, recipe, unseen, _distances(samples, model, unseen, seed),
                           name, kinds)
    near = learn_prototypes(samples, telling(model), seed)
    return Learnt(model.classes, Model(model.trees, near), decisions, model)


def _fitted(
    samples: Samples, recipe: Recipe, seed: int, progress: Progress,
) -> tuple[FittedParts | FittedTrees, Unseen]:
    if recipe.kind == "linear":
        raise DataError("A bundle is made of trees, which a linear model has none of.",
                        "Choose another kind.")
    if recipe.parts > 1:
        return fit_parts(samples, recipe, ROBUST, seed, progress)
    unseen = fit_parts(samples, replace(recipe, parts=PARTS), ROBUST, seed, progress)[1]
    model = fit_one(samples, recipe, ROBUST, seed)
    assert isinstance(model, FittedTrees)
    return model, unseen


def _distances(
    samples: Samples, model: FittedParts | FittedTrees, unseen: Unseen, seed: int,
) -> NDArray[np.float32]:
    """How far each unseen sample is from what the asked member learnt from."""
    features = telling(model)
    distance = np.zeros(len(unseen.rows), np.float32)
    for number, train in enumerate(unseen.train):
        mine = unseen.member == number
        near = learn_prototypes(samples.where(train), features, seed)
        distance[mine] = near.distance(samples.vectors[unseen.rows[mine]])
    return distance


def _decisions(
    samples: Samples, recipe: Recipe, unseen: Unseen, distance: NDArray[np.float32], name: str,
    kinds: Sequence[Sampled],
) -> dict[str, Decision]:
    """How each kind of sample is answered; for those with too few, as all together are."""
    classes = np.unique(samples.labels)
    codes = np.searchsorted(classes, samples.labels)
    careful = int(np.searchsorted(classes, SPLIT)) if SPLIT in classes else None
    packets = LEAST_PACKETS if name == "stages" else 0

    def decision(mask: NDArray[np.bool_]) -> Decision:
        rows = unseen.rows[mask]
        made = decide(codes[rows], unseen.shares[mask], distance[mask],
                      weights(samples.where(rows), recipe.balance), name, careful)
        return replace(made, packets=packets)

    together = decision(np.ones(len(unseen.rows), bool))
    found = {ALL_OTHERS: together} if name == "stages" else {}
    for kind in kinds:
        mask = samples.kinds[unseen.rows] == kind
        found[kind.name] = decision(mask) if mask.sum() >= ENOUGH else together
    return found


def decide(
    truth: NDArray[np.int64], shares: NDArray[np.float64], distance: NDArray[np.float32],
    counts: NDArray[np.float64], model: str = "stages", careful: int | None = None,
) -> Decision:
    """Scale and limits for one stage, by answers whose truth is known.

    `careful` is the class that others act on.
    """
    scale = temperature(truth, shares, counts)
    known = calibrated(shares, scale)
    said = known.argmax(axis=1)
    confidence = known[np.arange(len(said)), said]
    least, most = [], []
    overall = np.quantile(distance, 1 - LOST_BY_DISTANCE)
    for code in range(shares.shape[1]):
        right = (said == code) & (truth == code)
        lost, room = ((SPLIT_LOST_BY_DISTANCE, SPLIT_ROOM) if code == careful
                      else (LOST_BY_DISTANCE, 1.0))
        enough = right.sum() >= 20
        if not enough:
            least.append(0.5)
        elif code == careful:
            least.append(LEAST_SPLIT)
        else:
            least.append(min(float(np.quantile(confidence[right], LOST_BY_CONFIDENCE)),
                             MOST_LEAST))
        most.append(room * float(np.quantile(distance[right], 1 - lost) if enough else overall))
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
    assert isinstance(model, FittedParts | FittedTrees)
    members = model.members if isinstance(model, FittedParts) else (model,)
    gain = np.sum([_gains(member) for member in members], axis=0)
    best = np.argsort(-gain, kind="stable")[:count]
    return np.sort(best[gain[best] > 0])


def _gains(model: FittedTrees) -> NDArray[Any]:
    """What each feature brought."""
    gain: NDArray[Any] = np.zeros(model.trees.features)
    if not hasattr(model.original, "_predictors"):
        gain[model.columns] = model.original.feature_importances_
        return gain
    for iteration in model.original._predictors:
        for predictor in iteration:
            inner = predictor.nodes[predictor.nodes["is_leaf"] == 0]
            np.add.at(gain, model.columns[inner["feature_idx"].astype(np.int64)],
                      np.maximum(inner["gain"], 0))
    return gain


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
