"""Networks of which nothing was learnt: each source left out in turn, and a recipe made for that.

What tells classes apart within a network mostly tells the network: trees that grow deep learn it.
The general recipe grows few levels with thresholds drawn at random, and lets all sources of a class
count the same. How many levels is chosen by leaving out one of the other sources in turn, never by
the one that is judged. Plain numbers out; it knows no files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifier import splits
from classifier.dataset import Samples
from classifier.evaluate import Answers, Progress, answers, by_stage, moments
from classifier.scores import DRAWS
from classifier.splits import Split
from classifier.train import Recipe

JUDGED = ("PACKETS_10", "AFTER_2_S")  # moments by which levels are chosen and means are compared
GENERAL = Recipe(kind="extra", parts=1, trees=60, depth=8, least=20, balance=1.0, sources=True)
CANDIDATES = tuple(Recipe(kind="extra", parts=1, trees=40, depth=depth, least=20, balance=1.0,
                          sources=True) for depth in (4, 6, 8))


def left_out_sources(
    samples: Samples, recipe: Recipe, baseline: Recipe, seed: int,
    progress: Progress = lambda line: None,
) -> dict[str, Any]:
    """By stage: each source's quality when nothing of it was learnt, by three recipes.

    For each: the shipped one, the general one and the plain baseline; with means, and how many
    times the baseline's they are, with intervals over captures.
    """
    held_out = list(splits.by_source(samples))
    if not held_out:
        return {}
    general, chosen = _general(samples, held_out, seed, progress)
    given = {"shipped": answers(samples, held_out, recipe, seed, progress, limits=False),
             "general": general,
             "baseline": answers(samples, held_out, baseline, seed, progress, limits=False)}
    stages: dict[str, Any] = {}
    for name, one in given.items():
        for part, source in enumerate(one.names):
            found = by_stage(samples, one.where(one.parts == part), seed)
            for stage, figures in found.items():
                figures.pop("confusion")
                stages.setdefault(stage, {}).setdefault(name, {})[source] = figures
    return {"chosen": chosen, "stages": stages,
            "means": {stage: _means(samples, given, stage, seed) for stage in JUDGED}}


def mean_accuracies(
    samples: Samples, recipe: Recipe, seed: int, progress: Progress = lambda line: None,
) -> dict[str, float]:
    """Of one recipe, by stage, over sources left out in turn."""
    held_out = list(splits.by_source(samples))
    if not held_out:
        return {}
    given = answers(samples, held_out, recipe, seed, progress, limits=False)
    return {stage: _drawn(_shares(samples, given, stage), seed)[0] for stage in JUDGED}


def _general(
    samples: Samples, held_out: Sequence[Split], seed: int, progress: Progress,
) -> tuple[Answers, dict[str, Any]]:
    """Answers of the candidate that the other sources speak for."""
    found, chosen = [], {}
    for split in held_out:
        best = choose(samples.where(split.train), seed)
        chosen[split.name] = asdict(best)
        found.append(answers(samples, [split], best, seed, limits=False))
        progress(f"general: {split.name}, {best.depth} levels")
    return Answers(
        np.concatenate([one.rows for one in found]), np.concatenate([one.shares for one in found]),
        np.concatenate([one.sure for one in found]),
        np.concatenate([np.full(len(one.rows), part) for part, one in enumerate(found)]),
        tuple(split.name for split in held_out)), chosen


def choose(samples: Samples, seed: int) -> Recipe:
    """The candidate with the best mean accuracy when sources of `samples` are left out in turn."""
    held_out = list(splits.by_source(samples))
    if not held_out:
        return GENERAL
    means = []
    for candidate in CANDIDATES:
        given = answers(samples, held_out, candidate, seed, limits=False)
        rates = [_shares(samples, given, stage) for stage in JUDGED]
        means.append(np.mean([right.sum() / max(count.sum(), 1)
                              for sources in rates for right, count in sources]))
    return CANDIDATES[int(np.argmax(means))]


def _shares(
    samples: Samples, given: Answers, stage: str,
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """For each split: right answers and all answers at that moment, of each capture."""
    chosen = moments(samples, given)[stage]
    result = []
    for part in range(len(given.names)):
        one = given.where(chosen & (given.parts == part))
        place = np.unique(samples.captures[one.rows], return_inverse=True)[1]
        right = one.said == samples.labels[one.rows]
        result.append((np.bincount(place, weights=right).astype(np.int64), np.bincount(place)))
    return result


def _means(
    samples: Samples, given: dict[str, Answers], stage: str, seed: int,
) -> dict[str, list[float]]:
    """Each recipe's mean accuracy over sources, and its ratio to the baseline's."""
    drawn = {name: _drawn(_shares(samples, one, stage), seed) for name, one in given.items()}
    found = {name: _bracket(*one) for name, one in drawn.items()}
    value, draws = drawn["baseline"]
    for name in ("shipped", "general"):
        ratios = drawn[name][1] / np.maximum(draws, 1e-9)
        found[f"{name} by baseline"] = _bracket(drawn[name][0] / max(value, 1e-9), ratios)
    return found


def _drawn(
    shares: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]], seed: int,
) -> tuple[float, NDArray[np.float64]]:
    """The mean of the sources' accuracies, and what it is with other captures of each."""
    random = np.random.default_rng(seed)
    means, draws = [], []
    for right, count in shares:
        if not len(count):
            continue
        places = random.integers(0, len(count), (DRAWS, len(count)))
        means.append(right.sum() / count.sum())
        draws.append(right[places].sum(axis=1) / count[places].sum(axis=1))
    return float(np.mean(means)), np.mean(draws, axis=0)


def _bracket(value: float, draws: NDArray[np.float64]) -> list[float]:
    low, high = np.quantile(draws, (0.025, 0.975))
    return [float(value), float(low), float(high)]
