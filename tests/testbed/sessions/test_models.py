"""Random models that only have the right width."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.load import EngineOptions, open_engine
from edge_server.split import LayerRange
from testbed.cli import BUNDLED_MODEL
from testbed.sessions.models import (
    BUNDLED,
    BUNDLED_HIDDEN,
    BUNDLED_LAYERS,
    MODELS,
    folder_of,
)


@pytest.mark.parametrize("name", ["random-gemma-256", "random-llama-512"])
def test_a_model_runs_and_is_the_same_every_time(name: str, tmp_path: Path) -> None:
    model = MODELS[name]
    folder = folder_of(model, tmp_path / "one", BUNDLED_MODEL)
    checkpoint = Checkpoint.open(folder)
    assert checkpoint.architecture.hidden == model.hidden
    engine = open_engine(checkpoint, EngineOptions("reference", "fp32", 1, 16, 1))
    rows = engine.stage(LayerRange(0, model.layers)).forward(
        [0] * 3, range(3), engine.embedding().rows([5, 6, 7]))
    assert rows.isfinite().all()
    assert rows.std() > 0
    again = folder_of(model, tmp_path / "two", BUNDLED_MODEL)
    digests = {hashlib.sha256((each / "model.safetensors").read_bytes()).hexdigest()
               for each in (folder, again)}
    assert len(digests) == 1


def test_what_is_there_is_not_written_again(tmp_path: Path) -> None:
    model = MODELS["random-gemma-256"]
    folder = folder_of(model, tmp_path, BUNDLED_MODEL)
    (folder / "model.safetensors").write_bytes(b"kept")
    assert folder_of(model, tmp_path, BUNDLED_MODEL) == folder
    assert (folder / "model.safetensors").read_bytes() == b"kept"


def test_the_bundled_model_is_described_as_it_is(tmp_path: Path) -> None:
    folder = folder_of(MODELS[BUNDLED], tmp_path, BUNDLED_MODEL)
    architecture = Checkpoint.open(folder).architecture
    assert (architecture.hidden, architecture.layers) == (BUNDLED_HIDDEN, BUNDLED_LAYERS)
