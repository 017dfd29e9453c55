"""A model with an exit head, cut: the head goes with the phone's part, or it is said why not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.exit_note import EXIT_NAME
from edge_server.engine.identity import identity_of
from edge_server.engine.load import EngineOptions
from edge_server.engine.parts import open_folders, plan_parts, verify, write_parts
from edge_server.errors import HashMismatch
from edge_server.messages import Sampling
from testbed.cli import BUNDLED_MODEL, main
from tests.conftest import MakeCheckpoint
from tests.models import LAYERS
from tests.ue_app.drafts.test_exit import write_own_exit
from ue_app.drafts.exit import open_exit_drafter

MakeModel = Callable[..., Path]


@pytest.fixture
def model(checkpoint_folder: MakeCheckpoint, tmp_path: Path) -> MakeModel:
    """`model(after, family)` has an exit head that goes on after so many layers."""
    def make(after: int = 2, family: str = "gemma3") -> Path:
        folder = tmp_path / "model"
        shutil.copytree(checkpoint_folder(family), folder)
        return write_own_exit(folder, folder / "exit", after).parent

    return make


def split(model: Path, out: Path, cuts: list[int], private: bool = False) -> list[Path]:
    return write_parts(Checkpoint.open(model), plan_parts(cuts, LAYERS, private), out)


@pytest.mark.parametrize(("cuts", "private"), [([2], False), ([3], False), ([2, 3], True),
                                               ([2, 3], False)])
def test_it_goes_with_the_phone_and_guesses_there(
    cuts: list[int], private: bool, model: MakeModel, tmp_path: Path
) -> None:
    """Where the phone holds as many layers as it goes on after, or more."""
    whole = model()
    (whole / "exit" / "notes.txt").write_text("mine")
    phone, *others = split(whole, tmp_path / "parts", cuts, private)
    assert sorted(file.name for file in (phone / "exit").iterdir()) == [
        EXIT_NAME, "model.safetensors"]
    assert not any((other / "exit").exists() for other in others)
    drafts = []
    for folder in (whole, phone):
        drafter = open_exit_drafter(folder / "exit", open_folders([folder]),
                                    EngineOptions("auto", "auto", 1, 64, 1))
        drafter.start(Sampling(), 3)
        drafts.append(drafter.draft([2, 9, 10], 4))
    assert drafts[0] == drafts[1]
    assert len(drafts[0]) == 4


def test_its_files_are_among_the_hashes(model: MakeModel, tmp_path: Path) -> None:
    head, _ = split(model(), tmp_path / "parts", [2])
    checkpoint = Checkpoint.open(head)
    verify(checkpoint)
    with (head / "exit" / "model.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"!")
    with pytest.raises(HashMismatch, match=r"exit/model\.safetensors"):
        verify(checkpoint)


def damage(whole: Path) -> None:
    (whole / "exit" / EXIT_NAME).write_text("{}")


def of_another(whole: Path) -> None:
    note = json.loads((whole / "exit" / EXIT_NAME).read_text())
    (whole / "exit" / EXIT_NAME).write_text(json.dumps(note | {"identity": "0b" * 32}))


def no_weights(whole: Path) -> None:
    (whole / "exit" / "model.safetensors").unlink()


@pytest.mark.parametrize(("cut", "family", "spoil", "said"), [
    (1, "gemma3", None, "goes on after 2 layers, and head holds 1. Cut at 2 or later"),
    (2, "llama", None, "needs the model's output matrix, which head does not hold"),
    (2, "gemma3", damage, "has format None"), (2, "gemma3", no_weights, "is not there"),
    (2, "gemma3", of_another, "belongs to another model")])
def test_what_does_not_fit_stays_and_it_is_said(
    cut: int, family: str, spoil: Callable[[Path], None] | None, said: str, model: MakeModel,
    tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    whole = model(family=family)
    if spoil is not None:
        spoil(whole)
    assert main(["split", str(whole), "--at", str(cut), "--out", str(tmp_path / "parts")]) == 0
    out = capsys.readouterr().out
    (line,) = [line for line in out.splitlines() if "exit head: " in line]
    assert line.startswith(f"{tmp_path / 'parts' / 'head'}: without the model's exit head: ")
    assert said in line
    assert not (tmp_path / "parts" / "head" / "exit").exists()
    assert identity_of(Checkpoint.open(tmp_path / "parts" / "tail"))  # the cut itself is whole


def test_the_command_says_that_it_took_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["split", str(BUNDLED_MODEL), "--at", "1", "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert f"{tmp_path / 'head' / 'exit'}: the model's exit head" in out
    assert "--speculate" in out
    assert out.count("exit head") == 1
