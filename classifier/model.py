"""One model of a bundle: its trees and what belongs to them, to and from named arrays.

It knows no files, no labels and no stages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np

from classifier.arrays import Array
from classifier.openset import Drift, Prototypes, check_drift, check_prototypes
from classifier.trees import LEAF, NODE, Link, Trees, check


@dataclass(frozen=True)
class Model:
    """One set of trees with what belongs to it."""

    trees: Trees
    prototypes: Prototypes | None = None
    drift: Drift | None = None


def to_arrays(model: Model) -> dict[str, Array]:
    """What is kept of the model."""
    nodes = model.trees.nodes
    inner = nodes["feature"] != LEAF
    arrays: dict[str, Array] = {
        "feature": nodes["feature"], "threshold": nodes["threshold"][inner],
        # As distances they are small numbers that pack well.
        "right": nodes["right"][inner] - np.flatnonzero(inner).astype(np.int32),
        "missing_left": np.packbits(nodes["missing_left"][inner]),
        "values": model.trees.values, "roots": model.trees.roots,
        "columns": model.trees.columns.astype(np.int16), "baseline": model.trees.baseline,
        "link": np.array(int(model.trees.link), np.int64),
    }
    if model.prototypes is not None:
        near = model.prototypes
        arrays |= {"near_features": near.features, "near_centre": near.centre,
                   "near_scale": near.scale, "near_points": near.points.astype(np.float16),
                   "near_count": np.array(near.nearest, np.int64)}
    if model.drift is not None:
        arrays |= {f"drift_{name}": array for name, array in asdict(model.drift).items()}
    return arrays


def from_arrays(arrays: Mapping[str, Array], features: int) -> Model:
    """The model that was kept; DamagedBundle, KeyError, TypeError or ValueError if it is none."""
    feature = arrays["feature"].astype(np.int16)
    inner = np.flatnonzero(feature != LEAF)
    leaves = np.flatnonzero(feature == LEAF)
    nodes = np.zeros(len(feature), NODE)
    nodes["feature"] = feature
    nodes["threshold"][inner] = arrays["threshold"]
    nodes["right"][inner] = inner + arrays["right"].astype(np.int64)
    nodes["right"][leaves] = np.arange(len(leaves))
    nodes["missing_left"][inner] = np.unpackbits(arrays["missing_left"], count=len(inner))
    trees = Trees(nodes, arrays["values"].astype(np.float32), arrays["roots"].astype(np.int32),
                  arrays["columns"].astype(np.int32), arrays["baseline"].astype(np.float64),
                  Link(int(arrays["link"])), features)
    return Model(check(trees), _prototypes(arrays, features), _drift(arrays, features))


def _prototypes(arrays: Mapping[str, Array], features: int) -> Prototypes | None:
    if "near_points" not in arrays:
        return None
    return check_prototypes(Prototypes(
        arrays["near_features"].astype(np.int32), arrays["near_centre"].astype(np.float32),
        arrays["near_scale"].astype(np.float32),
        np.ascontiguousarray(arrays["near_points"], dtype=np.float32),
        int(arrays["near_count"])), features)


def _drift(arrays: Mapping[str, Array], features: int) -> Drift | None:
    if "drift_edges" not in arrays:
        return None
    return check_drift(Drift(*(np.ascontiguousarray(arrays[f"drift_{name}"], dtype=np.float32)
                               for name in ("edges", "shares", "low", "high"))), features)
