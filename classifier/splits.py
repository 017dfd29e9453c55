"""What is learnt from and what is judged by: by flow, by capture, by source, by condition.

Only the first of them may put one capture on both sides, and is there to show how flattering that
is. Pure: numbers of samples in, pairs of numbers out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from classifier.dataset import Samples
from classifier.labels import CLASSES, LLM_SPLIT

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """One way to hold something out."""

    name: str
    train: Rows
    test: Rows


def random_split(samples: Samples, parts: int, seed: int) -> Iterator[Split]:
    """By flow, whichever capture it is of: neighbours of what is judged were learnt from."""
    order = np.random.default_rng(seed).permutation(int(samples.flows.max()) + 1)
    yield from _folds("flows", order[samples.flows] % parts, parts)


def by_capture(samples: Samples, parts: int, seed: int) -> Iterator[Split]:
    """By capture, so that each part has about as many captures of each class and source."""
    random = np.random.default_rng(seed)
    part = np.zeros(len(samples.origins), np.int64)
    strata: dict[tuple[str, int], list[int]] = {}
    for capture in np.unique(samples.captures):
        labels = samples.labels[samples.captures == capture]
        # The rarest class of a capture decides: there are enough of the others elsewhere.
        common = int(np.bincount(labels).argmax())
        strata.setdefault((samples.origins[capture].source, common), []).append(int(capture))
    offset = 0
    for _, captures in sorted(strata.items()):
        for place, capture in enumerate(random.permutation(captures)):
            part[capture] = (place + offset) % parts
        offset += len(captures)
    yield from _folds("captures", part[samples.captures], parts)


def by_source(samples: Samples) -> Iterator[Split]:
    """Each source in turn; of it only classes that another source has too."""
    sources = samples.sources
    for source in np.unique(sources):
        train = np.flatnonzero(sources != source)
        known = np.isin(samples.labels, np.unique(samples.labels[train]))
        test = np.flatnonzero((sources == source) & known)
        if len(test) and len(train):
            yield Split(str(source), train, test)


def by_condition(samples: Samples, names: Sequence[str], parts: int, seed: int) -> Iterator[Split]:
    """Parts of the values of one condition or several, none of them seen in training.

    Captures without the condition are divided among the parts too. With several conditions a
    capture that has one held-out value and one that is not is on neither side.
    """
    rounds = [_condition_parts(samples, name, parts, seed + place)
              for place, name in enumerate(names)]
    for part in range(parts):
        out = np.stack([values == part for values in rounds])
        yield Split(f"{'+'.join(names)} {part + 1}", np.flatnonzero(~out.any(axis=0)),
                    np.flatnonzero(out.all(axis=0)))


def _condition_parts(samples: Samples, name: str, parts: int, seed: int) -> Rows:
    """The part of each sample, by the value of its condition or else by its capture."""
    random = np.random.default_rng(seed)
    values = samples.condition(name)
    split = samples.labels == CLASSES.index(LLM_SPLIT)
    # Values that split sessions have are divided first, so that each part has some.
    ours = np.unique(values[split & (values != "")])
    others = np.setdiff1d(np.unique(values[values != ""]), ours)
    order = [*random.permutation(ours), *random.permutation(others)]
    of_value = {value: place % parts for place, value in enumerate(order)}
    of_capture = random.integers(0, parts, len(samples.origins))
    return np.array([of_value.get(value, int(of_capture[capture]))
                     for value, capture in zip(values, samples.captures, strict=True)], np.int64)


def _folds(name: str, part: Rows, parts: int) -> Iterator[Split]:
    for number in range(parts):
        yield Split(f"{name} {number + 1}", np.flatnonzero(part != number),
                    np.flatnonzero(part == number))
