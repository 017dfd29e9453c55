"""The draft training from end to end: an exit head that opens, and refusals."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.load import EngineOptions
from edge_server.messages import Sampling
from testbed import train_draft
from tests.conftest import MakeCheckpoint
from tests.testbed.training.toy import write_toy_data
from ue_app.drafts.exit import open_exit_drafter


def call(data: Path, out: Path, model: Path, *more: str) -> int:
    return train_draft.main([
        "--data", str(data), "--out", str(out), "--model", str(model), "--export",
        str(out / "exit"), "--quick", "--no-compile", "--threads", "1", *more])


def test_an_exit_head_that_drafts(
    checkpoint_folder: MakeCheckpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    model = checkpoint_folder("gemma3")
    data = write_toy_data(tmp_path / "data")
    assert call(data, tmp_path / "out", model, "--sources", "1,3") == 0
    card = (tmp_path / "out" / "exit" / "MODEL_CARD.md").read_text()
    assert "Shared probability" in card
    drafter = open_exit_drafter(tmp_path / "out" / "exit", Checkpoint.open(model),
                                EngineOptions("auto", "auto", 1, 64, 1))
    drafter.start(Sampling(), 3)
    assert len(drafter.draft([2, 9, 10], 4)) == 4


@pytest.mark.parametrize(("more", "said"), [
    (("--after", "9"), "--after is 9"), (("--sources", "7"), "--sources names"),
    (("--threads", "0"), "--threads is 0"), (("--data", "nowhere"), "No nowhere/train.txt.gz")])
def test_bad_input_is_one_clear_line(
    more: tuple[str, ...], said: str, checkpoint_folder: MakeCheckpoint, tmp_path: Path,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    good = () if "--sources" in more or "--after" in more else ("--sources", "3")
    assert call(tmp_path, tmp_path / "out", checkpoint_folder("gemma3"), *good, *more) == 2
    assert said in capsys.readouterr().out
