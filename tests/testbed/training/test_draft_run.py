"""One call of the draft training that is stopped, and models that it is not for."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from testbed.training import draft_run
from testbed.training.checkpoint import CHECKPOINT_NAME
from testbed.training.distil import train_draft
from testbed.training.draft_run import DraftRequest, run_draft
from testbed.training.errors import BadTrainingInput
from tests.conftest import MakeCheckpoint
from tests.testbed.training.draft_toy import DRAFT_TOY


def request_for(data: Path, model: Path, out: Path) -> DraftRequest:
    return DraftRequest(data, out, model, out / "exit", 1, False, "the same again", "make it")


def test_stopped_it_says_how_to_go_on_and_exports_nothing(
    data_folder: Path, checkpoint_folder: MakeCheckpoint, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stopped(
        teacher: Any, rows: Any, settings: Any, options: Any, listener: Any, _: Any
    ) -> object:
        return train_draft(teacher, rows, settings, options, listener, lambda: True)

    monkeypatch.setattr(draft_run, "train_draft", stopped)
    text = io.StringIO()
    request = request_for(data_folder, checkpoint_folder("gemma3"), tmp_path / "out")
    assert run_draft(request, DRAFT_TOY, Console(file=text)) is False
    assert "Stopped after step 0" in text.getvalue()
    assert "the same again" in text.getvalue()
    assert list((tmp_path / "out" / "exit").iterdir()) == []
    assert not (tmp_path / "out" / CHECKPOINT_NAME).exists()  # not one step was made


def test_a_model_of_another_family(
    data_folder: Path, checkpoint_folder: MakeCheckpoint, tmp_path: Path
) -> None:
    request = request_for(data_folder, checkpoint_folder("llama"), tmp_path / "out")
    with pytest.raises(BadTrainingInput, match="is no Gemma 3 text model"):
        run_draft(request, DRAFT_TOY, Console(file=io.StringIO()))
    assert not (tmp_path / "out").exists()
