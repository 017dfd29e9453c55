"""A model's identity: computed once, remembered, and never wrong for a bad memory."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from edge_server.engine import identity
from edge_server.engine.checkpoint import Checkpoint, model_identity
from edge_server.engine.identity import identity_of
from tests.conftest import MakeCheckpoint


@pytest.fixture
def folder(checkpoint_folder: MakeCheckpoint, tmp_path: Path) -> Path:
    return shutil.copytree(checkpoint_folder("gemma3"), tmp_path / "model")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setattr(identity, "cache_folder", lambda: tmp_path / "cache")
    return tmp_path / "cache" / "identities"


class CountedHashing(Checkpoint):
    """Counts how often a tensor was hashed."""

    hashed = 0

    def hash_tensor(self, name: str) -> str:
        type(self).hashed += 1
        return super().hash_tensor(name)


@pytest.fixture(autouse=True)
def fresh_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CountedHashing, "hashed", 0)


def truth(folder: Path) -> str:
    checkpoint = Checkpoint.open(folder)
    return model_identity(checkpoint, checkpoint.hash_tensor)


def test_hashed_once_then_remembered(folder: Path, cache: Path) -> None:
    first = identity_of(CountedHashing.open(folder))
    count = CountedHashing.hashed
    assert first == truth(folder)
    assert count == len(Checkpoint.open(folder).expected)
    assert identity_of(CountedHashing.open(folder)) == first
    assert CountedHashing.hashed == count
    assert [file.suffix for file in cache.iterdir()] == [".json"]


def test_changed_weights_are_hashed_again(folder: Path, cache: Path) -> None:
    before = identity_of(Checkpoint.open(folder))
    file = folder / "model.safetensors"
    raw = bytearray(file.read_bytes())
    raw[-1] ^= 1
    status = file.stat()
    file.write_bytes(raw)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    after = identity_of(Checkpoint.open(folder))
    assert after == truth(folder)
    assert after != before


def test_a_changed_configuration_is_another_model(folder: Path, cache: Path) -> None:
    before = identity_of(Checkpoint.open(folder))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"sliding_window": 4}))
    assert identity_of(Checkpoint.open(folder)) == truth(folder) != before


def test_what_does_not_change_the_model_does_not_change_its_identity(
    folder: Path, cache: Path
) -> None:
    before = identity_of(Checkpoint.open(folder))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"use_cache": False, "note": "hello"}))
    (folder / "README.md").write_text("hello")
    assert identity_of(Checkpoint.open(folder)) == before


@pytest.mark.parametrize("remembered", [
    "", "{", "[]", "{}", "7", '{"identity": null}', '{"identity": 5}', '{"identity": "abc"}',
    '{"identity": "zz"}', '{"identity": ["a"]}'])
def test_a_spoilt_cache_costs_time_and_nothing_else(
    remembered: str, folder: Path, cache: Path
) -> None:
    identity_of(Checkpoint.open(folder))
    for file in cache.iterdir():
        file.write_text(remembered)
    assert identity_of(Checkpoint.open(folder)) == truth(folder)


def test_a_cache_that_cannot_be_written(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr(identity, "cache_folder", lambda: tmp_path / "file" / "cache")
    assert identity_of(Checkpoint.open(folder)) == truth(folder)
