"""Exit heads: what they belong to, and the small model they make with the phone's own layers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.exit_note import EXIT_NAME, ExitNote, read_note
from edge_server.engine.identity import identity_of
from edge_server.engine.load import EngineOptions
from edge_server.engine.parts import open_folders, plan_parts, write_parts
from edge_server.errors import ConfigurationError, HashMismatch, MissingTensor
from edge_server.messages import Sampling
from tests.conftest import MakeCheckpoint
from tests.exactness import make_prompt
from tests.models import LAYERS
from ue_app.drafts.exit import open_exit, open_exit_drafter
from ue_app.drafts.model import open_model_drafter

OPTIONS = EngineOptions("auto", "auto", 1, 64, 1)


def write_own_exit(model: Path, folder: Path, after: int = 1, drop: str = "") -> Path:
    """An exit head that is the model's own layers: it can only be right."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor for name, tensor in load_file(model / "model.safetensors").items()
               if name == "model.norm.weight" or any(
                   name.startswith(f"model.layers.{index}.") for index in range(after, LAYERS))}
    save_file({name: tensor for name, tensor in tensors.items() if name != drop},
              folder / "model.safetensors")
    checkpoint = Checkpoint.open(model)
    kinds = tuple(checkpoint.config.get("layer_types") or ("full_attention",) * LAYERS)
    (folder / EXIT_NAME).write_text(ExitNote(identity_of(checkpoint), after, kinds).to_json())
    return folder


@pytest.mark.parametrize("family", ["gemma3", "gemma"])
@pytest.mark.parametrize("after", [1, 2])
def test_with_the_models_own_layers_it_guesses_as_the_model(
    after: int, family: str, checkpoint_folder: MakeCheckpoint, tmp_path: Path
) -> None:
    folder = checkpoint_folder(family)
    checkpoint = Checkpoint.open(folder)
    mine = open_exit_drafter(write_own_exit(folder, tmp_path, after), checkpoint, OPTIONS)
    whole = open_model_drafter(folder, folder, checkpoint, OPTIONS)
    ids = make_prompt(20)
    for sampling in (Sampling(), Sampling(temperature=0.8, seed=3)):
        for drafter in (mine, whole):
            drafter.start(sampling, len(ids))
        assert mine.draft(ids, 12) == whole.draft(ids, 12)
    assert mine.name == "exit"


def test_the_phones_own_part_is_enough(
    checkpoint_folder: MakeCheckpoint, tmp_path: Path
) -> None:
    """The head folder of a split holds the embedding and the first layers, and knows the model."""
    folder = checkpoint_folder("gemma3")
    exit_folder = write_own_exit(folder, tmp_path / "exit")
    head, _ = write_parts(Checkpoint.open(folder), plan_parts([1], LAYERS, False), tmp_path)
    part = open_folders([head])
    ids = make_prompt(9)
    drafts = []
    for checkpoint in (part, Checkpoint.open(folder)):
        drafter = open_exit_drafter(exit_folder, checkpoint, OPTIONS)
        drafter.start(Sampling(), 9)
        drafts.append(drafter.draft(ids, 5))
    assert drafts[0] == drafts[1]


def test_another_models_exit(checkpoint_folder: MakeCheckpoint, tmp_path: Path) -> None:
    folder = write_own_exit(checkpoint_folder("gemma3"), tmp_path)
    note = replace(read_note(folder), identity="0b" * 32)
    (folder / EXIT_NAME).write_text(note.to_json())
    with pytest.raises(HashMismatch, match=r"another model.*lookup"):
        open_exit(folder, Checkpoint.open(checkpoint_folder("gemma3")))


def test_a_phone_that_holds_too_few_layers(
    checkpoint_folder: MakeCheckpoint, tmp_path: Path
) -> None:
    folder = checkpoint_folder("gemma3")
    exit_folder = write_own_exit(folder, tmp_path / "exit", after=2)
    head, _ = write_parts(Checkpoint.open(folder), plan_parts([1], LAYERS, False), tmp_path)
    with pytest.raises(ConfigurationError, match=r"goes on after 2 layers.*Split the model at 2"):
        open_exit(exit_folder, open_folders([head]))


def test_an_exit_that_lacks_something(checkpoint_folder: MakeCheckpoint, tmp_path: Path) -> None:
    model = checkpoint_folder("gemma3")
    folder = write_own_exit(model, tmp_path, drop="model.norm.weight")
    with pytest.raises(ConfigurationError, match="no final norm"):
        open_exit(folder, Checkpoint.open(model))
    folder = write_own_exit(model, tmp_path, drop="model.layers.2.mlp.up_proj.weight")
    with pytest.raises(MissingTensor, match=r"layers\.2\.mlp\.up_proj"):
        open_exit_drafter(folder, Checkpoint.open(model), OPTIONS)
