"""`airsplit encodings`: the list, a measurement from text to table, and what cannot be measured."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import pytest

from testbed.cli import main
from tests.conftest import MakeCheckpoint, RunEdge
from tests.models import SAMPLE
from ue_app.encoding_table import TABLE_NAME, load


@pytest.fixture
def folder(checkpoint_folder: MakeCheckpoint, tmp_path: Path) -> Path:
    """One of its own: a table is written into it."""
    return Path(shutil.copytree(checkpoint_folder("gemma3"), tmp_path / "model"))


@pytest.fixture
def text(tmp_path: Path) -> Path:
    file = tmp_path / "sample.txt.gz"
    file.write_bytes(gzip.compress(SAMPLE.encode()))
    return file


def test_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["encodings", "list"]) == 0
    out = capsys.readouterr().out
    assert "int8-outliers" in out
    assert "split at 1" in out  # of the bundled model


def test_from_text_to_a_choice(
    folder: Path, text: Path, running_edge: RunEdge, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--model", str(folder), "--text", str(text), "--pieces", "2", "--length", "16",
               "--splits", "1,2", "--threads", "1"]
    assert main(["encodings", "measure", *options]) == 0
    assert f"Kept in {folder / TABLE_NAME}" in capsys.readouterr().out.replace("\n", "")
    table = load(folder / TABLE_NAME)
    assert (table.text, table.tokens, sorted(table.splits)) == (text.name, 30, [1, 2])
    assert main(["encodings", "list", "--model", str(folder)]) == 0
    assert text.name in capsys.readouterr().out
    edge = running_edge(folder)
    assert main(["ue", "--model", str(folder), "--edge", edge.url, "--encoding", "auto",
                 "--max-ppl-increase", "50", "--max-new-tokens", "4", "the sea"]) == 0


def test_text_that_the_model_writes(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "own.json"
    assert main(["encodings", "measure", "--model", str(folder), "--pieces", "2", "--length", "12",
                 "--splits", "1", "--out", str(out), "--threads", "1"]) == 0
    assert load(out).text == "written by the model itself, seed 0"


@pytest.mark.parametrize(("options", "what"), [
    (["--splits", "9"], "does not cut"), (["--splits", "x"], "does not cut"),
    (["--text", "/nowhere/at/all"], "No such file"), (["--pieces", "9999"], "too few")])
def test_what_cannot_be_measured(
    options: list[str], what: str, folder: Path, text: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["encodings", "measure", "--model", str(folder), "--text", str(text), *options,
                 "--threads", "1"]) == 1
    error = capsys.readouterr().err
    assert what in error
    assert error.startswith("airsplit encodings: ")
    assert error.count("\n") == 1


def test_a_part_cannot_be_measured(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["split", str(folder), "--at", "1", "--out", str(tmp_path / "parts")]) == 0
    assert main(["encodings", "measure", "--model", str(tmp_path / "parts" / "head")]) == 1
    assert "whole checkpoint" in capsys.readouterr().err
