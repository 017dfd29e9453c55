"""`airsplit split` and `airsplit inspect`: what they print, and one line for what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.identity import identity_of
from testbed.cli import main
from tests.conftest import MakeCheckpoint
from tests.models import FAMILIES, LAYERS

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def act(*arguments: object) -> tuple[int, str, str]:
        status = main([str(argument) for argument in arguments])
        output = capsys.readouterr()
        return status, output.out, output.err

    return act


@pytest.fixture
def folder(checkpoint_folder: MakeCheckpoint) -> Path:
    return checkpoint_folder("gemma3")


@pytest.mark.parametrize(("at", "names"), [
    ("1", ["head", "tail"]), ("first", ["head", "tail"]), ("middle", ["head", "tail"]),
    ("last", ["head", "tail"]), ("1,3", ["head", "part-1", "tail"]),
    ("each", ["head", "part-1", "part-2", "tail"])])
def test_split(at: str, names: list[str], run: Run, folder: Path, tmp_path: Path) -> None:
    status, out, _ = run("split", folder, "--at", at, "--out", tmp_path / "parts")
    assert status == 0
    assert sorted(path.name for path in (tmp_path / "parts").iterdir()) == sorted(names)
    lines = out.splitlines()
    for name, line in zip(names, lines, strict=False):
        size = (tmp_path / "parts" / name / "model.safetensors").stat().st_size
        assert line.startswith(f"{tmp_path / 'parts' / name}: ")
        said = int(line.rsplit(" ", 2)[1].replace(",", ""))
        assert 0 < size - said < 10_000  # the file's header
    assert ("airsplit edge --model" in out) == (len(names) == 2)


def test_a_private_split_says_how_to_use_it(run: Run, folder: Path, tmp_path: Path) -> None:
    status, out, _ = run("split", folder, "--at", "1,3", "--private", "--out", tmp_path)
    assert status == 0
    assert "layers [0, 1) of 4 and layers [3, 4) of 4 and the output head" in out
    assert f"airsplit edge --model {tmp_path / 'edge'}" in out
    assert f"airsplit ue --model {tmp_path / 'phone'}" in out


@pytest.mark.parametrize(("options", "said"), [
    (["--at", "9"], "from 0 to 4"), (["--at", "here"], "'here' is not a place"),
    (["--at", "1", "--private"], "--at 1,3"), (["--at", "2,1"], "increasing numbers")])
def test_cuts_that_cannot_be(
    options: list[str], said: str, run: Run, folder: Path, tmp_path: Path
) -> None:
    status, out, err = run("split", folder, *options, "--out", tmp_path / "parts")
    assert (status, out) == (1, "")
    assert err.count("\n") == 1
    assert err.startswith("airsplit split: ")
    assert said in err
    assert not (tmp_path / "parts").exists()


def test_what_is_there_is_replaced_only_by_force(run: Run, folder: Path, tmp_path: Path) -> None:
    assert run("split", folder, "--at", "1", "--out", tmp_path)[0] == 0
    (tmp_path / "head" / "notes").write_text("mine")
    status, _, err = run("split", folder, "--at", "2", "--out", tmp_path)
    assert status == 1
    assert "--force" in err
    assert (tmp_path / "head" / "notes").exists()
    assert run("split", folder, "--at", "2", "--out", tmp_path, "--force")[0] == 0
    assert not (tmp_path / "head" / "notes").exists()


def test_no_model(run: Run, tmp_path: Path) -> None:
    for command in (["split", tmp_path / "no", "--at", "1", "--out", tmp_path / "o"],
                    ["inspect", tmp_path / "no"]):
        status, out, err = run(*command)
        assert (status, out, err.count("\n")) == (1, "", 1)
        assert f"{tmp_path / 'no'} is not a folder" in err


def test_a_place_that_cannot_be_written(run: Run, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    status, out, err = run("split", folder, "--at", "1", "--out", tmp_path / "file")
    assert (status, out) == (1, "")
    assert "Traceback" not in err
    assert str(tmp_path / "file") in err
    assert (tmp_path / "file").read_text() == "in the way"


def inspected(run: Run, *options: object) -> dict[str, Any]:
    status, out, err = run("inspect", "--json", *options)
    assert (status, err) == (0, "")
    facts: dict[str, Any] = json.loads(out)
    return facts


@pytest.mark.parametrize("family", FAMILIES)
def test_inspect_the_whole(family: str, run: Run, checkpoint_folder: MakeCheckpoint) -> None:
    folder = checkpoint_folder(family)
    facts = inspected(run, folder)
    whole = Checkpoint.open(folder)
    assert facts["folder"] == str(folder)
    assert facts["identity"] == identity_of(whole)
    assert facts["layers"] == [[0, LAYERS]]
    assert (facts["hidden"], facts["vocabulary"], facts["total_layers"]) == (64, 160, LAYERS)
    assert facts["tied_embedding"] == (family != "llama")
    assert facts["dtype"] == "F32"
    assert facts["bytes"] == sum(whole.entry(name).size for name in whole.expected)
    assert facts["bytes_in_layers"] < facts["bytes"]
    assert facts["bytes_a_row_on_the_link"] == 64 * 4
    assert facts["needs_beside_it"] == "nothing"
    assert "verified" not in facts


@pytest.mark.parametrize(("at", "private", "part", "needs"), [
    ("1", False, "head", "layers [1, 4) and the output head"),
    ("1", False, "tail", "the part with the input embedding and layers [0, 1)"),
    ("1,3", False, "part-1", "the part with the input embedding and layers [0, 1) and "
                             "layers [3, 4) and the output head"),
    ("1,3", True, "phone", "layers [1, 3)"),
    ("1,3", True, "edge", "the part with the input embedding and layers [0, 1) and "
                          "layers [3, 4) and the output head"),
    ("4", False, "head", "the output head"),
    ("0", False, "head", "layers [0, 4) and the output head")])
def test_inspect_a_part(
    at: str, private: bool, part: str, needs: str, run: Run, folder: Path, tmp_path: Path
) -> None:
    run("split", folder, "--at", at, "--out", tmp_path, *(["--private"] if private else []))
    facts = inspected(run, tmp_path / part, "--verify")
    assert facts["needs_beside_it"] == needs
    assert facts["verified"] is True
    assert facts["identity"] == inspected(run, folder)["identity"]


def test_inspect_for_people(run: Run, folder: Path) -> None:
    status, out, _ = run("inspect", folder)
    facts = inspected(run, folder)
    assert status == 0
    names = [name.replace("_", " ") for name in facts]
    assert [line[: len(name)] for line, name in zip(out.splitlines(), names, strict=True)] == names
    assert f"{facts['bytes']:,}" in out
    assert facts["identity"] in out


def test_inspect_catches_what_was_changed(run: Run, folder: Path, tmp_path: Path) -> None:
    run("split", folder, "--at", "1", "--out", tmp_path)
    file = tmp_path / "tail" / "model.safetensors"
    raw = bytearray(file.read_bytes())
    raw[-1] ^= 1
    file.write_bytes(raw)
    assert run("inspect", tmp_path / "tail")[0] == 0  # it does not look unless asked
    status, out, err = run("inspect", tmp_path / "tail", "--verify")
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert str(file) in err
    assert "split the model again" in err
