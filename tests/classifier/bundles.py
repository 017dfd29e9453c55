"""Small models for tests: data of three classes with missing values, and a bundle of each kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifier.bundle import Bundle, Decision, Schema, flow_schema
from classifier.export import flatten
from classifier.model import Model
from classifier.openset import Prototypes, learn_drift, scale_features

SCHEMA = Schema("test", 1, tuple(f"feature_{number}" for number in range(8)))


def data(
    rows: int = 300, classes: int = 3, seed: int = 1,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Vectors whose first features tell the class, a fifth of everything missing."""
    random = np.random.default_rng(seed)
    codes = random.integers(0, classes, rows)
    vectors = random.normal(size=(rows, len(SCHEMA.features))).astype(np.float32)
    vectors[:, 0] += 4 * codes
    vectors[:, 1] -= 4 * codes
    vectors[random.random(vectors.shape) < 0.2] = np.nan
    return vectors, codes


def boosting(vectors: NDArray[np.float32], codes: NDArray[np.int64], trees: int = 10) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(max_iter=trees, random_state=1).fit(vectors, codes)


def forest(vectors: NDArray[np.float32], codes: NDArray[np.int64], trees: int = 10) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(trees, random_state=1, n_jobs=1).fit(vectors, codes)


def bundle(
    schema: Schema = SCHEMA, classes: Sequence[str] = ("llm_split", "web", "bulk"),
) -> Bundle:
    """A trained bundle for `schema`, whose classes its first two features tell."""
    vectors, codes = data(classes=len(classes))
    wide = np.full((len(vectors), len(schema.features)), np.nan, np.float32)
    wide[:, :vectors.shape[1]] = vectors[:, :wide.shape[1]]
    used = np.arange(2, dtype=np.int32)
    centre, scale = np.zeros(2, np.float32), np.ones(2, np.float32)
    prototypes = Prototypes(used, centre, scale, scale_features(wide[:50, :2], centre, scale), 3)
    model = Model(flatten(boosting(wide, codes)), prototypes, learn_drift(wide))
    return Bundle(schema, tuple(classes), {"stages": model},
                  {"": Decision("stages", 0.9, (0.1,) * len(classes), (0.5,) * len(classes),
                                (4.0,) * len(classes))},
                  {"accuracy": 0.9}, {"seed": 1}, "# A card\n")


def flow_bundle(classes: Sequence[str] = ("llm_split", "web", "bulk")) -> Bundle:
    """A bundle that takes flows' vectors; only the first two features mean something to it."""
    schema = flow_schema()
    vectors, codes = data(classes=len(classes))
    # scikit-learn takes no column that is missing everywhere.
    noise = np.random.default_rng(3).normal(size=(len(vectors), len(schema.features)))
    wide = np.asarray(noise, np.float32)
    wide[:, :vectors.shape[1]] = vectors
    model = Model(flatten(boosting(wide, codes)), None, learn_drift(wide))
    return Bundle(schema, tuple(classes), {"stages": model}, {"": Decision("stages", 0.9)})
