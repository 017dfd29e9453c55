"""Training: schedule, falling loss, exact resumption, refusals."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from transformers import Gemma3ForCausalLM

from testbed.training.checkpoint import CHECKPOINT_NAME, History
from testbed.training.data import Corpus
from testbed.training.errors import BadTrainingInput
from testbed.training.loop import RunOptions, StepReport, train
from testbed.training.settings import TrainingSettings, check_settings, learning_rate_factor
from tests.testbed.training.toy import TOY, toy

Prepared = tuple[Tokenizer, Corpus]


def train_toy(
    settings: TrainingSettings, corpus: Corpus, folder: Path, stop_after: int | None = None
) -> tuple[Gemma3ForCausalLM, int, History]:
    """Run the loop, uncompiled, stopping after a number of steps of this run."""
    reports: list[StepReport] = []
    return train(
        settings,
        corpus,
        320,
        RunOptions(folder, compiled=False, save_every=1000, valid_every=3),
        lambda report, history: reports.append(report),
        lambda: stop_after is not None and len(reports) >= stop_after,
    )


def test_schedule_warms_up_stays_and_cools_down() -> None:
    settings = toy(warmup_steps=4, steps=20, cooldown_steps=5)
    factors = [learning_rate_factor(step, settings) for step in range(20)]
    assert factors[:4] == [0.25, 0.5, 0.75, 1.0]
    assert set(factors[4:16]) == {1.0}
    assert factors[16:] == pytest.approx([0.8, 0.6, 0.4, 0.2])


def test_loss_falls(prepared: Prepared, tmp_path: Path) -> None:
    _, step, history = train_toy(toy(steps=40, cooldown_steps=10), prepared[1], tmp_path)
    assert step == 40
    assert history.train[0][1] > 5.0
    assert history.valid[-1][1] < 2.5
    assert history.cooldown_steps == 10


def test_a_resumed_run_equals_an_uninterrupted_one(prepared: Prepared, tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    expected, _, expected_history = train_toy(TOY, prepared[1], whole)
    _, step, _ = train_toy(TOY, prepared[1], broken, stop_after=3)
    assert step == 3
    model, step, history = train_toy(TOY, prepared[1], broken)
    assert step == TOY.steps
    assert history.train == expected_history.train
    assert history.valid == expected_history.valid
    for name, value in expected.state_dict().items():
        assert torch.equal(model.state_dict()[name], value), name


def test_stable_checkpoint_can_be_cooled_down_later(prepared: Prepared, tmp_path: Path) -> None:
    train_toy(toy(steps=20, cooldown_steps=0), prepared[1], tmp_path, stop_after=3)
    _, step, history = train_toy(toy(steps=5, cooldown_steps=2), prepared[1], tmp_path)
    assert (step, len(history.train), history.cooldown_steps) == (5, 5, 2)


def test_resuming_under_other_settings_names_the_change(prepared: Prepared, tmp_path: Path) -> None:
    train_toy(toy(steps=1, cooldown_steps=0), prepared[1], tmp_path)
    with pytest.raises(BadTrainingInput, match=r"mlp_size 48 -> 64.*new --out"):
        train_toy(toy(mlp_size=64), prepared[1], tmp_path)


def test_a_file_that_is_no_checkpoint_is_named(prepared: Prepared, tmp_path: Path) -> None:
    (tmp_path / CHECKPOINT_NAME).write_bytes(b"nonsense")
    with pytest.raises(BadTrainingInput, match=CHECKPOINT_NAME):
        train_toy(TOY, prepared[1], tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": -1}, "--steps is -1"),
        ({"cooldown_steps": 7}, "--cooldown-steps is 7"),
        ({"rows_per_pass": 3}, "rows_per_pass 3"),
        ({"chat_rows_per_step": 4}, "chat_rows_per_step 4"),
    ],
)
def test_impossible_settings_are_refused(changes: dict[str, int], message: str) -> None:
    with pytest.raises(BadTrainingInput, match=message):
        check_settings(toy(**changes))
