"""The exit head as a model of its own guesses what the exit head guesses."""

from __future__ import annotations

from pathlib import Path

from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.exit_note import exit_of
from edge_server.engine.load import EngineOptions
from edge_server.messages import Sampling
from testbed.cli import BUNDLED_MODEL
from tests.benchmarks import draft_model
from ue_app.drafts.exit import open_exit_drafter
from ue_app.drafts.model import open_model_drafter


def test_it_guesses_as_the_exit_head(tmp_path: Path) -> None:
    draft_model.write(tmp_path / "draft")
    checkpoint, options = Checkpoint.open(BUNDLED_MODEL), EngineOptions(threads=1)
    head = exit_of(BUNDLED_MODEL)
    assert head is not None
    guesses = []
    for drafter in (open_exit_drafter(head, checkpoint, options),
                    open_model_drafter(tmp_path / "draft", BUNDLED_MODEL, checkpoint, options)):
        drafter.start(Sampling(), 6)
        guesses.append(drafter.draft([2, 900, 901, 902, 903, 904], 5))
    assert len(guesses[0]) == 5
    assert guesses[0] == guesses[1]
