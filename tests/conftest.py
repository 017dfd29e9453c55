"""Fixtures for every test: one processor thread, and small checkpoints made once a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers.utils import logging

from tests.models import save_model

torch.set_num_threads(1)  # tiny matrices: threads would only wait for each other
logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # the library's
logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # the library's

MakeCheckpoint = Callable[..., Path]


@pytest.fixture(scope="session")
def checkpoint_folder(tmp_path_factory: pytest.TempPathFactory) -> MakeCheckpoint:
    """`checkpoint_folder(family, dtype)` is a folder with that checkpoint; do not write to it."""
    made: dict[tuple[str, torch.dtype], Path] = {}

    def make(family: str, dtype: torch.dtype = torch.float32) -> Path:
        if (family, dtype) not in made:
            folder = tmp_path_factory.mktemp(family)
            save_model(folder, family, dtype)
            made[family, dtype] = folder
        return made[family, dtype]

    return make


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Kernels stay cached for the user; what tests remember of models does not."""
    folder = tmp_path_factory.mktemp("cache")
    pytest.MonkeyPatch().setattr("edge_server.engine.identity.cache_folder", lambda: folder)
