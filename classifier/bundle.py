"""A trained model as a folder without code: what it is, how it is kept, and how it answers.

    manifest.json   format, schema, classes, decisions at each stage, metrics, hash of every file
    NAME.npz        the arrays of one model: trees, prototypes, drift
    card.md         for people: data, quality, limits

`load` treats a folder as a stranger's: sizes are capped, hashes compared, arrays checked before a
compiled function sees them, nothing is unpickled. It knows neither packets nor scikit-learn, and
not what the features mean: flows and KPIs are told apart by the schema.
"""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import IntEnum
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifier.answers import NOTHING, Decision, Labels, Stages, calibrated
from classifier.arrays import EPOCH, pack, unpack
from classifier.errors import (
    DamagedBundle,
    NotABundle,
    OtherSchema,
    OversizedBundle,
    TamperedBundle,
)
from classifier.model import Model, from_arrays, to_arrays

__all__ = ["NOTHING", "Bundle", "Decision", "Labels", "Schema", "Stages", "calibrated", "export",
           "flow_schema", "load", "save"]
FORMAT = "airsplit classifier"
VERSION = 1
MANIFEST = "manifest.json"
CARD = "card.md"
MOST_MANIFEST = 1 << 20  # bytes; the shipped one has a hundredth
MOST_FILE = 32 << 20  # bytes of one file: ten times the shipped models
MOST_FILES = 32
COUNTED = ("packets_up", "packets_down")  # features that say how much of a flow was seen
_FILE_NAME = re.compile(r"[a-z0-9_]{1,40}\.(npz|md)")
_ADVICE = "Get or train it anew."


@dataclass(frozen=True)
class Schema:
    """Which features the vectors hold, in which order."""

    name: str  # "flows" or "kpi"
    version: int
    features: tuple[str, ...]


def flow_schema() -> Schema:
    """What the pcap tools here compute of flows."""
    from pcap_tools.features import NAMES, SCHEMA

    return Schema("flows", SCHEMA, NAMES)


@dataclass(frozen=True)
class Bundle:
    """A loaded model; it may be asked from several threads at once."""

    schema: Schema
    classes: tuple[str, ...]
    models: Mapping[str, Model]
    decisions: Mapping[str, Decision]  # by the name of the stage; "" is the one for all others
    metrics: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)  # training data: hashes, counts, command
    card: str = ""
    hash: str = ""  # of the manifest, and with it of everything

    def decision(self, kind: IntEnum | str | None = None) -> Decision:
        """How the stage `kind` is answered."""
        name = kind.name if isinstance(kind, IntEnum) else kind or ""
        found = self.decisions.get(name) or self.decisions.get("")
        if found is None:
            raise DamagedBundle(f"The model says nothing about the stage {name!r}.",
                                f"It knows {', '.join(sorted(self.decisions))}.")
        return found

    def stages(self, kinds: Sequence[IntEnum | str | None]) -> Stages:
        """What answers for samples of all these stages at once; they are named by their places."""
        seen = [self.schema.features.index(name) for name in COUNTED
                if name in self.schema.features]
        return Stages(self.classes, [self.decision(kind) for kind in kinds], self.models, seen)

    def predict(
        self, kind: IntEnum | str | None, vectors: NDArray[np.float32], brief: bool = False,
    ) -> Labels:
        """Labels for `vectors` [rows, features], all sampled at the stage `kind`.

        `brief` leaves out the novelty (NaN) of what is unknown for want of confidence already: half
        of the work.
        """
        name = kind.name if isinstance(kind, IntEnum) else kind or ""
        alone = self._alone.get(name) or self._alone.setdefault(name, self.stages([name]))
        return alone.labels(np.zeros(len(vectors), np.intp), vectors, brief)

    @cached_property
    def _alone(self) -> dict[str, Stages]:
        """What answered at each stage before."""
        return {}

    def explain(
        self, kind: IntEnum | str | None, vector: NDArray[np.float32], top: int = 8,
    ) -> list[tuple[str, float, float]]:
        """Why one vector got its best class: feature, value, and what it spoke for the class.

        Each known feature is left out in turn; the number is by how much the class's log odds fall.
        """
        known = np.flatnonzero(~np.isnan(vector))
        rows = np.repeat(vector[None, :], len(known) + 1, axis=0)
        rows[np.arange(len(known)) + 1, known] = np.nan
        shares = self.predict(kind, rows).probabilities.astype(np.float64)
        best = int(shares[0].argmax())
        odds = np.log(shares[:, best] + 1e-9) - np.log(1 - shares[:, best] + 1e-9)
        fall = odds[0] - odds[1:]
        order = np.argsort(-np.abs(fall), kind="stable")[:top]
        return [(self.schema.features[known[row]], float(vector[known[row]]), float(fall[row]))
                for row in order]


def save(bundle: Bundle, folder: Path | str) -> str:
    """Write the bundle; the same one always gives the same bytes. Returns its hash."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    files = {f"{name}.npz": pack(to_arrays(model)) for name, model in bundle.models.items()}
    files[CARD] = bundle.card.encode()
    manifest = {
        "format": FORMAT, "version": VERSION,
        "schema": {"name": bundle.schema.name, "version": bundle.schema.version,
                   "features": list(bundle.schema.features)},
        "classes": list(bundle.classes),
        "models": sorted(bundle.models),
        "decisions": {kind: asdict(decision) for kind, decision in bundle.decisions.items()},
        "metrics": dict(bundle.metrics), "data": dict(bundle.data),
        "files": {name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
                  for name, data in sorted(files.items())},
    }
    written = json.dumps(manifest, indent=1).encode()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    (folder / MANIFEST).write_bytes(written + b"\n")
    return hashlib.sha256(written + b"\n").hexdigest()


def load(folder: Path | str, schema: Schema | None = None, expected: str = "") -> Bundle:
    """The bundle in `folder`, if all of it is as its manifest says.

    It must be for `schema` (default: that of flows here), and have the hash `expected` where one is
    given: the manifest's own bytes can only be trusted by whoever knows their hash.
    """
    folder = Path(folder)
    written = _read(folder / MANIFEST, MOST_MANIFEST)
    digest = hashlib.sha256(written).hexdigest()
    if expected and digest != expected:
        raise TamperedBundle(f"{folder} is not the model with the hash {expected[:16]}….", _ADVICE)
    try:
        manifest = json.loads(written)
        if manifest["format"] != FORMAT or manifest["version"] != VERSION:
            raise NotABundle(f"{folder} has a manifest of another format or version.", _ADVICE)
        listed = {str(name): entry for name, entry in manifest["files"].items()}
        contents = {name: _verified(folder, name, entry) for name, entry in listed.items()}
        found = Schema(manifest["schema"]["name"], int(manifest["schema"]["version"]),
                       tuple(map(str, manifest["schema"]["features"])))
        _same_schema(found, schema or flow_schema(), folder)
        bundle = Bundle(
            found, tuple(map(str, manifest["classes"])),
            {name: from_arrays(unpack(contents[f"{name}.npz"], f"{name}.npz"), len(found.features))
             for name in manifest["models"]},
            {kind: _decision(entry) for kind, entry in manifest["decisions"].items()},
            manifest["metrics"], manifest["data"], contents[CARD].decode(), digest)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        # ValueError: JSON or text that is none, or numbers that are none.
        raise NotABundle(f"{folder / MANIFEST} does not describe a model"
                         f" ({type(error).__name__}: {error}).", _ADVICE) from error
    _consistent(bundle)
    return bundle


def export(folder: Path, out: Path) -> None:
    """A copy of what `load` has accepted: one zip file if `out` ends so, else a folder."""
    names = [MANIFEST, *json.loads((folder / MANIFEST).read_text())["files"]]
    if out.suffix != ".zip":
        out.mkdir(parents=True, exist_ok=True)
        for name in names:
            (out / name).write_bytes((folder / name).read_bytes())
        return
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            entry = zipfile.ZipInfo(name, EPOCH)
            archive.writestr(entry, (folder / name).read_bytes(), zipfile.ZIP_DEFLATED)


def _read(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise NotABundle(f"{path} cannot be read: {error.strerror}.",
                         "Name the folder of a trained model.") from error
    if len(data) > most:
        raise OversizedBundle(f"{path} has more than {most} bytes.", _ADVICE)
    return data


def _verified(folder: Path, name: str, entry: Mapping[str, Any]) -> bytes:
    if not _FILE_NAME.fullmatch(name):
        raise NotABundle(f"{folder} lists a file {name[:80]!r}, which none of a model is called.",
                         _ADVICE)
    data = _read(folder / name, MOST_FILE)
    if hashlib.sha256(data).hexdigest() != entry["sha256"]:
        raise TamperedBundle(f"{folder / name} is not what the manifest says it is.", _ADVICE)
    return data


def _same_schema(found: Schema, wanted: Schema, folder: Path) -> None:
    if found == wanted:
        return
    if (found.name, found.version) != (wanted.name, wanted.version):
        raise OtherSchema(f"{folder} was trained on {found.name} features, version {found.version};"
                          f" here they are {wanted.name}, version {wanted.version}.",
                          "Train it anew with these tools.")
    odd = sorted(set(found.features) ^ set(wanted.features))[:5] or ["their order"]
    raise OtherSchema(f"{folder} was trained on other features of the same version:"
                      f" {', '.join(odd)}.", "Train it anew with these tools.")


def _decision(entry: Mapping[str, Any]) -> Decision:
    bias, least, most = (tuple(map(float, entry[name])) for name in ("bias", "least", "most"))
    return Decision(str(entry["model"]), float(entry["scale"]), bias, least, most,
                    int(entry.get("packets", 0)))


def _consistent(bundle: Bundle) -> None:
    count = len(bundle.classes)
    for decision in bundle.decisions.values():
        lengths = {len(decision.bias), len(decision.least), len(decision.most)} - {0, count}
        numbers = (decision.scale, *decision.bias, *decision.least, *decision.most)
        if decision.model not in bundle.models or lengths or not np.isfinite(numbers).all():
            raise DamagedBundle("The model's decisions do not fit its classes.", _ADVICE)
    if len(set(bundle.classes)) != count or any(
            model.trees.classes != count for model in bundle.models.values()):
        raise DamagedBundle("The model's trees do not fit its classes.", _ADVICE)
