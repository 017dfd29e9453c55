"""`airsplit encodings`: the list, a measurement from text to table, and what cannot be measured."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import pytest

from edge_server.encodings.registry import NAMES
from testbed.cli import main
from tests.conftest import MakeCheckpoint, RunEdge
from tests.models import SAMPLE
from ue_app.encoding_table import TABLE_NAME, Parting, load


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
    row = next(line.split() for line in out.splitlines() if line.strip().startswith("int8 "))
    size, write, read = (int(word) for word in row[-3:])
    assert size == 261
    assert min(write, read) > 0  # microseconds, of this machine


def test_a_model_that_nobody_measured_is_listed_without_figures(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["encodings", "list", "--model", str(folder)]) == 0
    out = capsys.readouterr().out
    assert "microseconds" in out
    assert "split at" not in out
    assert "encodings measure" in out


def test_from_text_to_a_choice(
    folder: Path, text: Path, running_edge: RunEdge, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--model", str(folder), "--text", str(text), "--pieces", "2", "--length", "16",
               "--splits", "1,2", "--threads", "1", "--answer-tokens", "8"]
    assert main(["encodings", "measure", *options]) == 0
    out = capsys.readouterr().out
    assert f"Kept in {folder / TABLE_NAME}" in out.replace("\n", "")
    assert "of 2 answers of 8 tokens" in " ".join(out.split())
    assert "microseconds" in out
    table = load(folder / TABLE_NAME)
    assert (table.text, table.tokens, sorted(table.splits)) == (text.name, 30, [1, 2])
    assert table.greedy is not None
    assert sorted(table.greedy.splits) == [1, 2]
    parted = table.greedy.splits[1]
    assert set(parted) == set(NAMES)
    assert (parted["raw"], parted["lossless"]) == (Parting(0, 8), Parting(0, 8))
    assert parted["topk"].at <= 8
    assert main(["encodings", "list", "--model", str(folder)]) == 0
    assert text.name in capsys.readouterr().out
    edge = running_edge(folder)
    assert main(["ue", "--model", str(folder), "--edge", edge.url, "--encoding", "auto",
                 "--max-ppl-increase", "50", "--max-new-tokens", "4", "the sea"]) == 0


def test_text_that_the_model_writes(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "own.json"
    assert main(["encodings", "measure", "--model", str(folder), "--pieces", "2", "--length", "12",
                 "--splits", "1", "--out", str(out), "--threads", "1", "--answers", "0"]) == 0
    table = load(out)
    assert (table.text, table.greedy) == ("written by the model itself, seed 0", None)


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


@pytest.mark.parametrize("options", [["--pieces", "1"], ["--answers", "-1"]])
def test_numbers_that_say_nothing(
    options: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["encodings", "measure", "--model", str(folder), *options])
    assert "is not above" in capsys.readouterr().err


def test_a_part_cannot_be_measured(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["split", str(folder), "--at", "1", "--out", str(tmp_path / "parts")]) == 0
    assert main(["encodings", "measure", "--model", str(tmp_path / "parts" / "head")]) == 1
    assert "whole checkpoint" in capsys.readouterr().err
