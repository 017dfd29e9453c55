"""Teaching an exit head: it starts as layers of the model, its loss falls, a run can be resumed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as functional
from transformers import Gemma3ForCausalLM

from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.identity import identity_of
from edge_server.engine.load import EngineOptions
from edge_server.messages import Sampling
from testbed.training.checkpoint import CHECKPOINT_NAME, History
from testbed.training.distil import (
    ChunkedDivergence,
    DraftOptions,
    Lesson,
    build_student,
    train_draft,
)
from testbed.training.draft_export import write_exit
from testbed.training.draft_settings import DraftSettings
from testbed.training.errors import BadTrainingInput
from testbed.training.loop import StepReport
from tests.conftest import MakeCheckpoint
from tests.testbed.training.draft_toy import (
    DRAFT_TOY,
    draft_toy,
    greedy,
    load_teacher,
    random_rows,
)
from ue_app.drafts.exit import open_exit_drafter


@pytest.fixture
def teacher(checkpoint_folder: MakeCheckpoint) -> Gemma3ForCausalLM:
    return load_teacher(checkpoint_folder("gemma3"))


def taught(
    teacher: Gemma3ForCausalLM, folder: Path, settings: DraftSettings = DRAFT_TOY,
    stop_after: int | None = None, save_every: int = 1000,
) -> tuple[Gemma3ForCausalLM, int, History]:
    """Run the loop, uncompiled, stopping after a number of steps of this run."""
    folder.mkdir(exist_ok=True)
    reports: list[StepReport] = []
    return train_draft(
        teacher, random_rows(), settings, DraftOptions(folder, False, save_every),
        lambda report, _: reports.append(report),
        lambda: stop_after is not None and len(reports) >= stop_after)


def test_it_begins_as_layers_of_the_model_and_owns_the_exit_alone(
    teacher: Gemma3ForCausalLM
) -> None:
    student = build_student(teacher, draft_toy(after=2, sources=(3, 0)))
    kinds = teacher.config.layer_types or []
    assert student.config.layer_types == [kinds[source] for source in (0, 1, 3, 0)]
    for layer, source in zip(student.model.layers, (0, 1, 3, 0), strict=True):
        for name, value in layer.state_dict().items():
            assert torch.equal(value, teacher.model.layers[source].state_dict()[name]), name
    trained = {name for name, value in student.named_parameters() if value.requires_grad}
    assert trained == {name for name, _ in student.named_parameters()
                       if name.startswith(("model.layers.2.", "model.layers.3."))
                       or name == "model.norm.weight"}


def test_the_divergence_and_its_gradient_are_those_of_the_formula() -> None:
    generator = torch.Generator().manual_seed(1)
    hidden, target = torch.randn(2, 7, 8, generator=generator)
    head = torch.randn(20, 8, generator=generator)
    slopes = []
    for chunked in (True, False):
        mine = hidden.clone().requires_grad_()
        if chunked:
            loss = ChunkedDivergence.apply(mine, target, head, 0.8)  # type: ignore[no-untyped-call]  # torch's is
        else:
            loss = functional.kl_div(
                functional.log_softmax(mine @ head.T / 0.8, -1),
                functional.log_softmax(target @ head.T / 0.8, -1), reduction="sum",
                log_target=True)
        (2.0 * loss).backward()
        assert mine.grad is not None
        slopes.append((loss.detach(), mine.grad))
    torch.testing.assert_close(slopes[0], slopes[1], rtol=1e-4, atol=1e-4)


def test_who_has_the_models_own_layers_has_nothing_to_learn(teacher: Gemma3ForCausalLM) -> None:
    settings = draft_toy(after=1, sources=(1, 2, 3))
    lesson = Lesson(teacher, build_student(teacher, settings), settings, compiled=False)
    rows = torch.from_numpy(random_rows().of_step(0, settings))[:, :-1]
    rows[0, 5:] = 0  # padding does not count
    loss, count = lesson.divergence(rows)
    assert count == rows.numel() - len(rows[0, 5:])
    assert float(loss.detach()) / count < 1e-5


def test_the_loss_falls_and_what_was_taught_drafts(
    checkpoint_folder: MakeCheckpoint, teacher: Gemma3ForCausalLM, tmp_path: Path
) -> None:
    """The drafter over the written folder guesses what the trained student says."""
    folder = checkpoint_folder("gemma3")
    student, step, history = taught(teacher, tmp_path / "run", draft_toy(steps=18))
    losses = [loss for _, loss in history.train]
    assert step == len(losses) == 18
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])
    frozen = [name for name, value in student.named_parameters() if not value.requires_grad]
    for name in frozen:
        assert torch.equal(student.state_dict()[name], teacher.state_dict()[name]), name
    checkpoint = Checkpoint.open(folder)
    write_exit(student, identity_of(checkpoint), DRAFT_TOY, tmp_path / "exit")
    drafter = open_exit_drafter(tmp_path / "exit", checkpoint,
                                EngineOptions("reference", "fp32", 1, 64, 1))
    # The phone's own layers are not rounded as those of the exit are.
    for name in frozen:
        student.state_dict()[name].copy_(teacher.state_dict()[name])
    ids = [2, 9, 10, 40, 77]
    drafter.start(Sampling(), len(ids))
    assert drafter.draft(ids, 6) == greedy(student, ids, 6)


def test_a_resumed_run_equals_an_uninterrupted_one(
    teacher: Gemma3ForCausalLM, tmp_path: Path
) -> None:
    expected, _, expected_history = taught(teacher, tmp_path / "whole")
    _, step, _ = taught(teacher, tmp_path / "broken", stop_after=3, save_every=2)
    assert step == 3
    student, step, history = taught(teacher, tmp_path / "broken")
    assert step == DRAFT_TOY.steps
    assert history.train == expected_history.train
    assert history.cooldown_steps == DRAFT_TOY.cooldown_steps
    for name, value in expected.state_dict().items():
        assert torch.equal(student.state_dict()[name], value), name


def test_resuming_under_other_settings_names_the_change(
    teacher: Gemma3ForCausalLM, tmp_path: Path
) -> None:
    taught(teacher, tmp_path, draft_toy(steps=1, cooldown_steps=0))
    for changes, said in (({"sources": (2, 3)}, r"sources \[1, 3\] -> \[2, 3\]"),
                          ({"temperature": 1.0}, r"temperature 0\.8 -> 1\.0"),
                          ({"after": 2, "sources": (3,)}, r"after 1 -> 2.*new --out")):
        with pytest.raises(BadTrainingInput, match=said):
            taught(teacher, tmp_path, draft_toy(**changes))
    (tmp_path / CHECKPOINT_NAME).write_bytes(b"nonsense")
    with pytest.raises(BadTrainingInput, match=CHECKPOINT_NAME):
        taught(teacher, tmp_path)
