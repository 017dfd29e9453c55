"""The folder of an exit head: weights as rounded, its note, its card, and honest figures."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from edge_server.engine.exit_note import ExitNote, read_note
from testbed.training.checkpoint import History
from testbed.training.distil import build_student
from testbed.training.draft_export import (
    CARD_NAME,
    DraftFacts,
    Foresight,
    foresight,
    write_card,
    write_exit,
)
from tests.conftest import MakeCheckpoint
from tests.testbed.training.draft_toy import DRAFT_TOY, draft_toy, load_teacher

IDENTITY = "0a" * 32
ROWS = [[2, 9, 10, 40, 77, 31, 8], [2, 50, 51, 52, 53, 54]]


def test_what_is_written_is_the_exit_alone_and_the_student_has_it(
    checkpoint_folder: MakeCheckpoint, tmp_path: Path
) -> None:
    student = build_student(load_teacher(checkpoint_folder("gemma3")), DRAFT_TOY)
    write_exit(student, IDENTITY, DRAFT_TOY, tmp_path / "exit")
    tensors = load_file(tmp_path / "exit" / "model.safetensors")
    assert {name.split(".")[2] for name in tensors if "layers" in name} == {"1", "2"}
    assert "model.norm.weight" in tensors
    assert not any("embed" in name or "lm_head" in name for name in tensors)
    for name, value in tensors.items():
        assert value.dtype is torch.bfloat16
        assert torch.equal(student.state_dict()[name], value.float()), name
    assert read_note(tmp_path / "exit") == ExitNote(
        IDENTITY, 1, ("sliding_attention", "full_attention", "full_attention"))
    assert (tmp_path / "exit" / "model.safetensors").stat().st_mode & 0o444 == 0o444


def test_foresight_of_the_model_itself_is_whole_and_of_less_is_less(
    checkpoint_folder: MakeCheckpoint
) -> None:
    teacher = load_teacher(checkpoint_folder("gemma3"))
    itself = foresight(teacher, teacher, ROWS, [2, 3], 0.8)
    assert itself.positions == len(ROWS[0]) - 2 + len(ROWS[1]) - 3
    assert itself.same == 1.0
    assert itself.overlap == pytest.approx(1.0, abs=1e-5)
    assert itself.divergence == pytest.approx(0.0, abs=1e-5)
    less = foresight(teacher, build_student(teacher, DRAFT_TOY), ROWS, [2, 3], 0.8)
    assert 0.0 <= less.overlap < 1.0
    assert less.divergence > 0.0


def test_the_card_states_what_was_measured(tmp_path: Path) -> None:
    history = History(train=[(step, 2.0) for step in range(1, 41)])
    facts = DraftFacts(IDENTITY, 123_456, 246_912, 100, 50, 40, 90.0, 2, "python -m it",
                       Foresight(1000, 0.5, 0.625, 1.25), Foresight(900, 0.75, 0.8, 0.5))
    write_card(draft_toy(steps=40, seed=9), facts, history, tmp_path)
    card = (tmp_path / CARD_NAME).read_text()
    for said in (IDENTITY[:16], "123,456", "1, 3", "| validation stories | 1,000 | 50.0% | 62.5% "
                 "| 1.250 |", "was 2.000", "python -m it --steps 40", "--seed 9"):
        assert said in card
