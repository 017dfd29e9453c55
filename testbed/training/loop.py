"""The training loop: steps, validation, checkpoints, and a clean stop.

Does: run from the last checkpoint to the wanted step; report every step to a listener.
Does not know: the command line, how progress is shown, how a model is exported.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy
import torch
from torch import Tensor
from transformers import Gemma3ForCausalLM

from testbed.training.checkpoint import CHECKPOINT_NAME, History, load_checkpoint, save_checkpoint
from testbed.training.data import Corpus, Tokens, rows_of_step
from testbed.training.errors import BadTrainingInput
from testbed.training.fast_forward import IGNORED_TARGET, FastForward
from testbed.training.model import (
    Optimisers,
    build_model,
    build_optimisers,
    set_learning_rates,
)
from testbed.training.settings import TrainingSettings, learning_rate_factor

VALID_ROWS = 64  # rows of the quick validation during training


@dataclass(frozen=True)
class RunOptions:
    """How a run behaves, without influence on its result."""

    folder: Path  # where the checkpoint lies
    compiled: bool  # torch.compile the layers
    save_every: int  # steps
    valid_every: int  # steps


@dataclass(frozen=True)
class StepReport:
    """What a listener learns after a step."""

    step: int  # finished steps
    loss: float  # nats per trained token
    valid_loss: float | None  # nats per token, when measured at this step
    tokens_per_second: float


Listener = Callable[[StepReport, History], None]
StopQuestion = Callable[[], bool]


def pick_device() -> torch.device:
    """CUDA when present, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def train_step(
    forward: FastForward, optimisers: Optimisers, corpus: Corpus, step: int, s: TrainingSettings
) -> float:
    """One optimiser step; gives the mean loss of its trained tokens."""
    inputs, targets = (torch.from_numpy(array) for array in rows_of_step(corpus, step, s))
    count = int((targets != IGNORED_TARGET).sum())
    device = forward.model.device
    total = 0.0
    for start in range(0, len(inputs), s.rows_per_pass):
        part = slice(start, start + s.rows_per_pass)
        loss = forward.loss_sum(inputs[part].to(device), targets[part].to(device))
        torch.autograd.backward(loss / count)
        total += float(loss.detach())
    torch.nn.utils.clip_grad_norm_(optimisers.others.values(), s.gradient_clip)
    set_learning_rates(optimisers, s, learning_rate_factor(step, s))
    for optimiser in (optimisers.muon, optimisers.adamw):
        optimiser.step()  # type: ignore[no-untyped-call]  # torch wraps it untyped
        optimiser.zero_grad()
    return total / count


@torch.no_grad()
def validation_loss(forward: FastForward, tokens: Tokens, settings: TrainingSettings) -> float:
    """Mean loss over evenly spread rows of the validation text."""
    length = settings.sequence_length
    rows = min(VALID_ROWS, (len(tokens) - 1) // length)
    if rows < 1:
        raise BadTrainingInput(
            f"The validation text has {len(tokens)} tokens, fewer than one row of {length};"
            " give more text."
        )
    starts = numpy.linspace(0, len(tokens) - 1 - length, rows).astype(int)
    total = 0.0
    for first in range(0, rows, settings.rows_per_pass):
        batch = [
            tokens[start : start + length + 1] for start in starts[first:][: settings.rows_per_pass]
        ]
        stacked: Tensor = torch.from_numpy(numpy.stack(batch).astype(numpy.int64))
        stacked = stacked.to(forward.model.device)
        total += float(forward.loss_sum(stacked[:, :-1], stacked[:, 1:]))
    return total / (rows * length)


def train(
    settings: TrainingSettings,
    corpus: Corpus,
    vocabulary_size: int,
    options: RunOptions,
    listener: Listener,
    stop_asked: StopQuestion,
) -> tuple[Gemma3ForCausalLM, int, History]:
    """Train to settings.steps or until asked to stop; the checkpoint is written either way."""
    model = build_model(settings, vocabulary_size)
    model.to(pick_device())  # type: ignore[arg-type]  # its wrapper hides self
    optimisers = build_optimisers(model, settings)
    step, history = 0, History()
    if (options.folder / CHECKPOINT_NAME).is_file():
        step, history = load_checkpoint(options.folder, model, optimisers, settings)
    forward = FastForward(model, settings.sequence_length, torch.bfloat16, options.compiled)
    started, before, saved_at = time.monotonic(), history.seconds, step
    while step < settings.steps and not stop_asked():
        begin = time.monotonic()
        loss = train_step(forward, optimisers, corpus, step, settings)
        speed = settings.tokens_per_step() / (time.monotonic() - begin)
        step += 1
        history.train.append((step, round(loss, 4)))
        history.cooldown_steps = max(0, step - settings.steps + settings.cooldown_steps)
        valid = None
        if step % options.valid_every == 0 or step == settings.steps:
            valid = validation_loss(forward, corpus.valid, settings)
            history.valid.append((step, round(valid, 4)))
        history.seconds = before + time.monotonic() - started
        if step % options.save_every == 0:
            save_checkpoint(options.folder, step, model, optimisers, history, settings)
            saved_at = step
        listener(StepReport(step, loss, valid, speed), history)
    if saved_at != step:
        save_checkpoint(options.folder, step, model, optimisers, history, settings)
    return model, step, history
