"""Teaches an exit head to foretell the model: the loop and its loss.

Does: build the exit head from layers of the model, compare its distribution with the model's at
every position of every row, and step; resume from a checkpoint.
Does not know: where rows come from, the command line, how progress is shown.
"""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as functional
from torch import Tensor
from transformers import Gemma3ForCausalLM

from testbed.training.checkpoint import CHECKPOINT_NAME, History, load_checkpoint, save_checkpoint
from testbed.training.draft_rows import DraftRows
from testbed.training.draft_settings import DraftSettings
from testbed.training.fast_forward import LOSS_CHUNK_ROWS, FastForward
from testbed.training.loop import Listener, StepReport, StopQuestion
from testbed.training.model import Optimisers, build_optimisers, set_learning_rates
from testbed.training.settings import TrainingSettings, learning_rate_factor
from testbed.training.tokenizer import PAD_ID


@dataclass(frozen=True)
class DraftOptions:
    """How a run behaves, without influence on its result."""

    folder: Path  # where the checkpoint lies
    compiled: bool  # torch.compile the layers
    save_every: int  # steps


@dataclass(frozen=True)
class Run:
    """What fixes a run: its settings, and the shape of the model that it is for."""

    settings: DraftSettings
    teacher: Gemma3ForCausalLM

    def identity(self) -> dict[str, Any]:
        config = self.teacher.config
        return self.settings.identity() | {"model": [
            config.vocab_size, config.hidden_size, config.num_hidden_layers]}


def build_student(teacher: Gemma3ForCausalLM, settings: DraftSettings) -> Gemma3ForCausalLM:
    """The model's first layers, then the exit's; what the exit does not own is frozen."""
    config = copy.deepcopy(teacher.config)
    sources = (*range(settings.after), *settings.sources)
    config.num_hidden_layers = len(sources)
    kinds = list(teacher.config.layer_types or [])
    config.layer_types = [kinds[source] for source in sources]
    student = Gemma3ForCausalLM(config)
    student.model.embed_tokens.load_state_dict(teacher.model.embed_tokens.state_dict())
    student.model.norm.load_state_dict(teacher.model.norm.state_dict())
    for layer, source in zip(student.model.layers, sources, strict=True):
        layer.load_state_dict(teacher.model.layers[source].state_dict())
    student.model.embed_tokens.requires_grad_(False)
    for layer in student.model.layers[: settings.after]:
        layer.requires_grad_(False)
    return student


def train_draft(
    teacher: Gemma3ForCausalLM,
    rows: DraftRows,
    settings: DraftSettings,
    options: DraftOptions,
    listener: Listener,
    stop_asked: StopQuestion,
) -> tuple[Gemma3ForCausalLM, int, History]:
    """Train to settings.steps or until asked to stop; the checkpoint is written either way."""
    student = build_student(teacher, settings)
    plain = settings.training(teacher.config.hidden_size)
    optimisers = build_optimisers(student, plain)
    step, history = 0, History()
    run = Run(settings, teacher)
    if (options.folder / CHECKPOINT_NAME).is_file():
        step, history = load_checkpoint(options.folder, student, optimisers, run)
    lesson = Lesson(teacher, student, settings, options.compiled)
    started, before, saved_at = time.monotonic(), history.seconds, step
    while step < settings.steps and not stop_asked():
        begin = time.monotonic()
        loss = _train_step(lesson, optimisers, rows, step, settings, plain)
        speed = plain.tokens_per_step() / (time.monotonic() - begin)
        step += 1
        history.train.append((step, round(loss, 4)))
        history.cooldown_steps = max(0, step - settings.steps + settings.cooldown_steps)
        history.seconds = before + time.monotonic() - started
        if step % options.save_every == 0:
            save_checkpoint(options.folder, step, student, optimisers, history, run)
            saved_at = step
        listener(StepReport(step, loss, None, speed), history)
    if saved_at != step:
        save_checkpoint(options.folder, step, student, optimisers, history, run)
    return student, step, history


def _train_step(
    lesson: Lesson, optimisers: Optimisers, rows: DraftRows, step: int, settings: DraftSettings,
    plain: TrainingSettings,
) -> float:
    loss, count = lesson.divergence(torch.from_numpy(rows.of_step(step, settings))[:, :-1])
    torch.autograd.backward(loss / count)
    trained = [value for value in optimisers.others.values() if value.requires_grad]
    torch.nn.utils.clip_grad_norm_(trained, plain.gradient_clip)
    set_learning_rates(optimisers, plain, learning_rate_factor(step, plain))
    for optimiser in (optimisers.muon, optimisers.adamw):
        optimiser.step()  # type: ignore[no-untyped-call]  # torch wraps it untyped
        optimiser.zero_grad()
    return float(loss.detach()) / count


class Lesson:
    """The model and the exit head beside each other."""

    def __init__(
        self, teacher: Gemma3ForCausalLM, student: Gemma3ForCausalLM, settings: DraftSettings,
        compiled: bool,
    ) -> None:
        length, kind = settings.sequence_length, torch.bfloat16
        self._teacher = FastForward(teacher, length, kind, compiled)
        self._student = FastForward(student, length, kind, compiled)
        self._head = teacher.model.embed_tokens.weight.detach().to(kind)
        self._temperature = settings.temperature

    def divergence(self, inputs: Tensor) -> tuple[Tensor, int]:
        """Summed Kullback-Leibler divergence of the exit from the model, and its positions."""
        counted = (inputs != PAD_ID).flatten()
        with torch.no_grad():
            target = self._teacher.hidden_states(inputs).flatten(0, 1)[counted]
        hidden = self._student.hidden_states(inputs).flatten(0, 1)[counted]
        loss: Tensor = ChunkedDivergence.apply(  # type: ignore[no-untyped-call]  # torch's is
            hidden.to(self._head.dtype), target.to(self._head.dtype), self._head,
            self._temperature)
        return loss, len(hidden)


class ChunkedDivergence(torch.autograd.Function):
    """Divergence through the output matrix, chunk by chunk, gradients made on the way."""

    @staticmethod
    def forward(
        context: Any, hidden: Tensor, target: Tensor, head: Tensor, temperature: float
    ) -> Tensor:
        """The summed divergence; keeps the gradient with respect to `hidden`."""
        total = torch.zeros(())
        gradient = torch.empty_like(hidden)
        for start in range(0, len(hidden), LOSS_CHUNK_ROWS):
            part = slice(start, start + LOSS_CHUNK_ROWS)
            ours = functional.log_softmax(
                functional.linear(hidden[part], head).float() / temperature, dim=-1)
            theirs = functional.log_softmax(
                functional.linear(target[part], head).float() / temperature, dim=-1)
            chances = theirs.exp()
            total += (chances * (theirs - ours)).sum()
            slope = (ours.exp_() - chances) / temperature
            gradient[part] = slope.to(hidden.dtype) @ head
        context.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(context: Any, outer: Tensor) -> tuple[Tensor, None, None, None]:
        """The kept gradient times the outer one."""
        (gradient,) = context.saved_tensors
        return gradient * outer, None, None, None
