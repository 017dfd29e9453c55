"""Which drafter is opened, and what is said where it cannot be."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.exit_note import EXIT_FOLDER
from edge_server.engine.load import EngineOptions
from edge_server.errors import ConfigurationError
from edge_server.frame import MAX_DRAFTS
from tests.conftest import MakeCheckpoint
from tests.ue_app.drafts.test_exit import write_own_exit
from ue_app.drafts.registry import (
    DRAFTERS,
    LONGEST_DRAFT,
    DraftConfig,
    Surroundings,
    open_drafter,
)

Open = Callable[..., str]


@pytest.fixture
def model(checkpoint_folder: MakeCheckpoint, tmp_path: Path) -> Path:
    return Path(shutil.copytree(checkpoint_folder("gemma3"), tmp_path / "model"))


@pytest.fixture
def opened(model: Path) -> Open:
    """The name of what is opened."""
    def make(drafter: str, folder: Path | None = None) -> str:
        return open_drafter(Surroundings(
            DraftConfig(drafter, folder=folder), (model,), Checkpoint.open(model),
            EngineOptions("auto", "auto", 1, 64, 1))).name

    return make


def test_automatic_is_the_best_there_is(model: Path, opened: Open, tmp_path: Path) -> None:
    assert opened("auto") == "lookup"
    elsewhere = write_own_exit(model, tmp_path / "elsewhere")
    assert opened("auto", elsewhere) == "auto"
    assert opened("auto", model) == "auto"  # a draft model
    write_own_exit(model, model / EXIT_FOLDER)
    assert opened("auto") == "auto"


def test_each_by_its_name(model: Path, opened: Open, tmp_path: Path) -> None:
    assert opened("lookup") == "lookup"
    assert opened("model", model) == "model"
    assert opened("exit", write_own_exit(model, tmp_path / "elsewhere")) == "exit"
    write_own_exit(model, model / EXIT_FOLDER)
    assert opened("exit") == "exit"


def test_what_is_missing_is_named(opened: Open) -> None:
    with pytest.raises(ConfigurationError, match=r"no drafter 'oracle'.*auto, exit, model, lookup"):
        opened("oracle")
    with pytest.raises(ConfigurationError, match=r"has no exit head.*train_draft.*lookup"):
        opened("exit")
    with pytest.raises(ConfigurationError, match="--draft-model"):
        opened("model")


def test_the_table_and_the_frames_agree() -> None:
    assert 1 <= LONGEST_DRAFT <= MAX_DRAFTS
    assert list(DRAFTERS) == ["auto", "exit", "model", "lookup"]
