"""`train-kpi` and `evaluate-kpi`, on made-up logs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from classifier import kpi_command, kpi_shipping, kpi_training
from classifier.kpi import load_kpi
from classifier.kpi_command import main
from tests.classifier.kpi_logs import write_folder


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("logs")
    write_folder(folder, 30)
    return folder


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small models: what is tested is the way, not the quality."""
    whole = kpi_training.Training

    def small(seed: int = 7) -> kpi_training.Training:
        return whole(seed=seed, rounds=4, smallest=5, bins=4)

    monkeypatch.setattr(kpi_training, "Training", small)
    monkeypatch.setattr(kpi_shipping, "CHANGES", 60)


def ask(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> Any:
    assert main([*map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_training_twice_gives_the_same_bundle(
    logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    one = ask(capsys, "train-kpi", "--data", logs, "--out", tmp_path / "a", "--no-evaluation")
    two = ask(capsys, "train-kpi", "--data", logs, "--out", tmp_path / "b", "--no-evaluation")
    assert one["hash"] == two["hash"]
    other = ask(capsys, "train-kpi", "--data", logs, "--out", tmp_path / "c", "--no-evaluation",
                "--seed", "8")
    assert other["hash"] != one["hash"]
    assert load_kpi(tmp_path / "a").classes == ("embb", "mmtc", "urllc")


def test_the_card_says_how_good_it_is(
    logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["train-kpi", "--data", str(logs), "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    for words in ("| a trial of the cell |", "| a recording of packets |", "| cells with 4 to 10",
                  "Limits", "hash"):
        assert words in out
    shipped = load_kpi(tmp_path)
    assert shipped.metrics["unseen_trial"]["rows"] > 100
    assert "--seed 7" in shipped.data["command"]


def test_everything_is_evaluated(logs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = ask(capsys, "evaluate-kpi", "--data", logs)
    assert {"unseen_trial", "unseen_recording", "unseen_trial_4s_windows", "unseen_trial_linear",
            "unseen_trial_majority", "single_to_multi", "windows_shuffled", "after_changes",
            "reported"} <= set(found)
    assert set(found["single_to_multi"]["groups"]) == {"multi2"}
    lines = kpi_command.table(found)
    assert any("first right label after" in line for line in lines)


def test_a_part_is_evaluated(logs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate-kpi", "--data", str(logs), "--only", "windows"]) == 0
    out = capsys.readouterr().out
    assert "unseen trial 4s windows:" in out
    assert "shuffled" not in out


def test_a_bundle_is_judged_and_told_when_it_knows_the_logs(
    logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    ask(capsys, "train-kpi", "--data", logs, "--out", tmp_path, "--no-evaluation")
    assert main(["evaluate-kpi", "--data", str(logs), "--bundle", str(tmp_path)]) == 0
    shown = capsys.readouterr()
    assert "bundle:" in shown.out
    assert "the very logs" in shown.err


@pytest.mark.parametrize("arguments", [
    ("evaluate-kpi", "--data", "nowhere"),
    ("evaluate-kpi", "--data", "LOGS", "--bundle", "nowhere"),
    ("evaluate-kpi", "--data", "LOGS", "--bundle", "x", "--only", "trials"),
])
def test_what_cannot_work_is_one_line(
    logs: Path, capsys: pytest.CaptureFixture[str], arguments: Sequence[str],
) -> None:
    assert main([str(logs) if word == "LOGS" else word for word in arguments]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
