"""What the exit head learns from: the model's own texts, and rows that depend on seed and step."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest

from edge_server.engine.checkpoint import Checkpoint
from testbed.training.draft_rows import STOPS, TEMPERATURES, prepare_rows, write_texts
from testbed.training.errors import BadTrainingInput
from tests.conftest import MakeCheckpoint
from tests.testbed.training.draft_toy import (
    DRAFT_TOY,
    draft_toy,
    greedy,
    load_teacher,
    random_rows,
)

PROMPTS = [[2, 9 + number, 40, 77][: 2 + number % 3] for number in range(6)]


@pytest.fixture
def checkpoint(checkpoint_folder: MakeCheckpoint) -> Checkpoint:
    return Checkpoint.open(checkpoint_folder("gemma3"))


def test_a_steps_rows_are_half_of_each_kind_and_every_row_has_its_turn() -> None:
    rows = random_rows(6)
    steps = [rows.of_step(step, DRAFT_TOY) for step in range(3)]
    for step in steps:
        assert step.shape == (4, DRAFT_TOY.sequence_length + 1)
    for half, kind in ((slice(0, 2), rows.stories), (slice(2, 4), rows.own)):
        seen = numpy.concatenate([step[half] for step in steps])
        assert sorted(seen.tolist()) == sorted(kind.tolist())  # an epoch has each row once
    assert (random_rows(6).of_step(1, DRAFT_TOY) == steps[1]).all()
    assert not (rows.of_step(1, draft_toy(seed=4)) == steps[1]).all()


def test_the_model_goes_on_with_each_prompt_as_it_would_alone(
    checkpoint: Checkpoint, checkpoint_folder: MakeCheckpoint
) -> None:
    told: list[int] = []
    texts = write_texts(checkpoint, PROMPTS, DRAFT_TOY, told.append)
    assert told == sorted(told)
    assert told[-1] == len(PROMPTS)
    for prompt, text in zip(PROMPTS, texts, strict=True):
        assert text[: len(prompt)] == prompt
        new = text[len(prompt):]
        assert 0 < len(new) <= DRAFT_TOY.own_tokens
        assert not STOPS & set(new[:-1])
        assert len(new) == DRAFT_TOY.own_tokens or new[-1] in STOPS
    teacher = load_teacher(checkpoint_folder("gemma3"))
    for number in range(0, len(PROMPTS), len(TEMPERATURES)):  # those that are greedy
        said = greedy(teacher, PROMPTS[number], DRAFT_TOY.own_tokens, sorted(STOPS))
        assert texts[number] == PROMPTS[number] + said
    assert write_texts(checkpoint, PROMPTS[:4], DRAFT_TOY, lambda _: None) == texts[:4]


def test_rows_are_made_once_and_found_again(
    checkpoint: Checkpoint, data_folder: Path, tmp_path: Path
) -> None:
    told: list[int] = []
    first = prepare_rows(data_folder, tmp_path / "run", checkpoint, DRAFT_TOY, told.append)
    width = DRAFT_TOY.sequence_length + 1
    assert first.stories.shape[1] == first.own.shape[1] == width
    assert len(first.stories) > 0
    assert len(first.own) > 0
    assert told[-1] == DRAFT_TOY.own_rows
    told.clear()
    again = prepare_rows(data_folder, tmp_path / "run", checkpoint, DRAFT_TOY, told.append)
    assert told == []
    assert (again.stories == first.stories).all()
    assert (again.own == first.own).all()


def test_no_stories(checkpoint: Checkpoint, tmp_path: Path) -> None:
    with pytest.raises(BadTrainingInput, match=r"No .*train\.txt\.gz"):
        prepare_rows(tmp_path, tmp_path / "run", checkpoint, DRAFT_TOY, lambda _: None)
    assert list((tmp_path / "run").iterdir()) == []
