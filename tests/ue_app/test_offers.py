"""What may be chosen for the link: all there is, and the reason where there is not."""

from __future__ import annotations

import shutil
from pathlib import Path

from edge_server.encodings.registry import NAMES
from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.parts import open_folders, plan_parts, write_parts
from testbed.cli import BUNDLED_MODEL
from tests.conftest import MakeCheckpoint
from tests.models import LAYERS
from tests.ue_app.drafts.test_exit import write_own_exit
from ue_app.drafts.registry import CHOICES
from ue_app.offers import Offers, missing, offers_of


def of(*models: Path) -> Offers:
    return offers_of(models, open_folders(models))


def test_the_bundled_model_allows_everything() -> None:
    offers = of(BUNDLED_MODEL)
    assert sorted(offer.name for offer in offers.guesses) == sorted(CHOICES)
    assert [offer.name for offer in offers.encodings] == [*NAMES, "auto"]
    assert missing(offers.guesses) == missing(offers.encodings) == {}
    assert all(offer.label and offer.words for offer in (*offers.guesses, *offers.encodings))


def test_what_a_bare_model_lacks_is_named_once(checkpoint_folder: MakeCheckpoint) -> None:
    offers = of(checkpoint_folder("gemma3"))
    ((problem, remedy), labels), = missing(offers.guesses).items()
    assert "has no exit head" in problem
    assert "train_draft" in remedy
    assert labels == ["Exit head", "Both"]
    ((problem, remedy), labels), = missing(offers.encodings).items()
    assert "Nobody has measured" in problem
    assert "encodings measure" in remedy
    assert labels == ["auto"]


def test_an_exit_head_that_does_not_go_with_the_folder(
    checkpoint_folder: MakeCheckpoint, tmp_path: Path
) -> None:
    """Of another model, after more layers than are here, or damaged."""
    model = tmp_path / "model"
    shutil.copytree(checkpoint_folder("gemma3"), model)
    write_own_exit(model, model / "exit", after=2)
    assert missing(of(model).guesses) == {}
    head, _ = write_parts(Checkpoint.open(model), plan_parts([1], LAYERS, False), tmp_path)
    shutil.copytree(model / "exit", head / "exit", dirs_exist_ok=True)
    ((problem, remedy), _), = missing(of(head).guesses).items()
    assert "goes on after 2 layers" in problem
    assert "Split the model at 2 or later" in remedy
    note = model / "exit" / "exit.json"
    note.write_text(note.read_text().replace('"identity": "', '"identity": "0'))
    ((problem, _), _), = missing(of(model).guesses).items()
    assert "belongs to another model" in problem
    note.write_text("{")
    ((problem, _), _), = missing(of(model).guesses).items()
    assert "exit.json" in problem
