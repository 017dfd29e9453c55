"""A bundle answers as it was saved, and a wrong or changed one is refused with its reason."""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from classifier import bundle as bundles
from classifier.arrays import pack
from classifier.bundle import Bundle, Schema, load, save
from classifier.errors import (
    BundleError,
    DamagedBundle,
    NotABundle,
    OtherSchema,
    OversizedBundle,
    TamperedBundle,
)
from tests.classifier.bundles import SCHEMA, bundle, data


@pytest.fixture(scope="module")
def trained() -> Bundle:
    return bundle()


@pytest.fixture
def folder(trained: Bundle, tmp_path: Path) -> Path:
    save(trained, tmp_path)
    return tmp_path


def rewrite(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def replace_file(folder: Path, name: str, content: bytes) -> None:
    """Put `content` in place of a file, and its hash into the manifest, as a forger would."""
    (folder / name).write_bytes(content)
    rewrite(folder, lambda manifest: manifest["files"][name].update(
        sha256=hashlib.sha256(content).hexdigest()))


def test_what_was_saved_answers_the_same(trained: Bundle, folder: Path) -> None:
    vectors, _ = data(200, seed=4)
    loaded = load(folder, SCHEMA)
    before, after = trained.predict(None, vectors), loaded.predict("PACKETS_5", vectors)
    np.testing.assert_array_equal(before.probabilities, after.probabilities)
    np.testing.assert_array_equal(before.best, after.best)
    # Prototypes are kept with half the digits.
    np.testing.assert_allclose(before.novelty, after.novelty, atol=0.01)
    assert (loaded.classes, loaded.card, loaded.metrics) == (
        trained.classes, trained.card, trained.metrics)


def test_the_same_bundle_gives_the_same_bytes(trained: Bundle, tmp_path: Path) -> None:
    first, second = save(trained, tmp_path / "a"), save(trained, tmp_path / "b")
    assert first == second == load(tmp_path / "a", SCHEMA, expected=first).hash
    assert [file.read_bytes() for file in sorted((tmp_path / "a").iterdir())] == [
        file.read_bytes() for file in sorted((tmp_path / "b").iterdir())]


def test_labels_are_right_and_what_is_strange_is_unknown(trained: Bundle) -> None:
    vectors, codes = data(300, seed=5)
    vectors[:, :2] = np.array([[4, -4]]) * codes[:, None]
    labels = trained.predict(None, vectors)
    assert (labels.codes == codes).mean() > 0.95
    assert labels.names()[0] == trained.classes[codes[0]]
    strange = vectors.copy()
    strange[:, :2] = 1e9
    labels = trained.predict(None, strange)
    assert set(labels.names()) == {"unknown"}
    assert (labels.novelty > 1).all()
    assert (labels.best >= 0).all()


def test_nothing_known_is_unknown_and_no_crash(trained: Bundle) -> None:
    unsure = replace(trained, decisions={"": replace(trained.decisions[""], least=(0.9,) * 3)})
    labels = unsure.predict(None, np.full((2, 8), np.nan, np.float32))
    assert labels.names() == ["unknown", "unknown"]
    assert len(unsure.predict(None, np.empty((0, 8), np.float32))) == 0


def test_an_explanation_names_the_features_that_decide(trained: Bundle) -> None:
    vector = np.zeros(8, np.float32)
    vector[:2] = 8, -8
    reasons = trained.explain(None, vector)
    assert {name for name, _, _ in reasons[:2]} == {"feature_0", "feature_1"}
    assert trained.explain(None, np.full(8, np.nan, np.float32)) == []


def test_another_schema_is_refused(folder: Path) -> None:
    with pytest.raises(OtherSchema, match="version 2"):
        load(folder, replace(SCHEMA, version=2))
    with pytest.raises(OtherSchema, match="feature_7"):
        load(folder, Schema("test", 1, (*SCHEMA.features[:7], "other")))
    with pytest.raises(OtherSchema):
        load(folder, Schema("kpi", 1, SCHEMA.features))


@pytest.mark.parametrize("name", ["stages.npz", "card.md"])
def test_a_changed_file_is_refused(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(TamperedBundle, match=name):
        load(folder, SCHEMA)


def test_a_changed_manifest_is_refused_by_its_hash(trained: Bundle, tmp_path: Path) -> None:
    known = save(trained, tmp_path)
    rewrite(tmp_path, lambda manifest: manifest["metrics"].update(accuracy=1.0))
    with pytest.raises(TamperedBundle):
        load(tmp_path, SCHEMA, expected=known)


def test_what_is_no_bundle_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(NotABundle, match="cannot be read"):
        load(tmp_path / "nowhere", SCHEMA)
    for content in (b"", b"[]", b"null", b"{}", b"\xff\xfe", b"[" * 100_000):
        (folder / "manifest.json").write_bytes(content)
        with pytest.raises(NotABundle):
            load(folder, SCHEMA)


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], object], type[BundleError]]] = {
    "another format": (lambda manifest: manifest.update(version=99), NotABundle),
    "a path for a name": (
        lambda manifest: manifest["files"].update({"../card.md": {"sha256": ""}}), NotABundle),
    "no such model": (
        lambda manifest: manifest["decisions"][""].update(model="other"), DamagedBundle),
    "too few limits": (lambda manifest: manifest["decisions"][""].update(least=[1]), DamagedBundle),
    "a scale that is none": (
        lambda manifest: manifest["decisions"][""].update(scale="nan"), DamagedBundle),
    "a class too many": (lambda manifest: manifest["classes"].append("video"), DamagedBundle),
    "a class twice": (lambda manifest: manifest.update(classes=["web"] * 3), DamagedBundle),
    "a list for a table": (lambda manifest: manifest.update(files=[]), NotABundle),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_manifest_that_makes_no_sense_is_refused(folder: Path, change: str) -> None:
    apply, error = CHANGES[change]
    rewrite(folder, apply)
    with pytest.raises(error):
        load(folder, SCHEMA)


def test_an_oversized_file_is_refused_unread(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "MOST_FILE", 1000)
    with pytest.raises(OversizedBundle):
        load(folder, SCHEMA)


def test_a_file_that_unpacks_to_too_much_is_refused(folder: Path) -> None:
    replace_file(folder, "stages.npz", pack({"feature": np.zeros(130 << 20, np.uint8)}))
    with pytest.raises(OversizedBundle):
        load(folder, SCHEMA)


def test_pickled_objects_are_refused(folder: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(folder / "trapped"),)

    file = io.BytesIO()
    np.savez(file, allow_pickle=True, feature=np.array([Trap()], dtype=object))
    replace_file(folder, "stages.npz", file.getvalue())
    with pytest.raises(DamagedBundle):
        load(folder, SCHEMA)
    assert not (folder / "trapped").exists()


def test_an_array_that_claims_more_than_is_there_is_refused(folder: Path) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1 << 60,), }"
        header = header.replace(b"1 << 60", str(1 << 61).encode()).ljust(117) + b"\n"
        archive.writestr("feature.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little")
                         + header)
    replace_file(folder, "stages.npz", file.getvalue())
    with pytest.raises(DamagedBundle):
        load(folder, SCHEMA)


def test_flipped_bits_end_in_an_error_or_an_answer(folder: Path) -> None:
    """Also of one who sets the hashes right: never a crash, whatever the arrays hold."""
    original = (folder / "stages.npz").read_bytes()
    with zipfile.ZipFile(io.BytesIO(original)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    random = np.random.default_rng(3)
    vectors, _ = data(20)
    for _ in range(150):
        name = str(random.choice(list(parts)))
        content = bytearray(parts[name])
        content[random.integers(len(content))] ^= 1 << int(random.integers(8))
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            for other, unchanged in parts.items():
                archive.writestr(other, bytes(content) if other == name else unchanged)
        replace_file(folder, "stages.npz", file.getvalue())
        try:
            with np.errstate(all="ignore"):
                load(folder, SCHEMA).predict(None, vectors)
        except BundleError:
            continue


def test_in_brief_the_labels_are_the_same() -> None:
    """And novelty is told where it decided anything."""
    made = bundle()
    vectors = np.concatenate([data(seed=5)[0], 40 * data(seed=6)[0]])
    whole, brief = made.predict(None, vectors), made.predict(None, vectors, brief=True)
    assert (whole.codes == brief.codes).all()
    unsure = whole.confidence < 0.5
    assert unsure.any()
    assert np.isnan(brief.novelty[unsure]).all()
    np.testing.assert_array_equal(whole.novelty[~unsure], brief.novelty[~unsure])
