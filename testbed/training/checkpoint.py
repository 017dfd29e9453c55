"""A training checkpoint: one safetensors file, replaced as a whole.

Does: write and read weights, optimiser state, step and loss history; refuse to resume under other
settings.
Does not know: how training works, the data.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from transformers import Gemma3ForCausalLM

from testbed.training.errors import BadTrainingInput
from testbed.training.model import Optimisers, optimiser_tensors, restore_optimisers

CHECKPOINT_NAME = "checkpoint.safetensors"
MODEL_PREFIX = "model:"


class Identified(Protocol):
    """Settings of a run."""

    def identity(self) -> dict[str, Any]:
        """The fields that must stay the same when it is resumed."""


@dataclass
class History:
    """Loss curves: (step, nats per token)."""

    train: list[tuple[int, float]] = field(default_factory=list)
    valid: list[tuple[int, float]] = field(default_factory=list)
    seconds: float = 0.0  # seconds of training so far, all runs
    cooldown_steps: int = 0  # steps so far that belong to the cool-down


def save_checkpoint(
    folder: Path,
    step: int,
    model: Gemma3ForCausalLM,
    optimisers: Optimisers,
    history: History,
    settings: Identified,
) -> None:
    """Write the checkpoint after a number of finished steps."""
    tensors = {MODEL_PREFIX + name: value.detach() for name, value in model.named_parameters()}
    tensors |= optimiser_tensors(optimisers)
    notes = {
        "step": step,
        "train": history.train,
        "valid": history.valid,
        "seconds": history.seconds,
        "cooldown_steps": history.cooldown_steps,
        "settings": settings.identity(),
    }
    part = folder / (CHECKPOINT_NAME + ".part")
    contiguous = {name: value.contiguous().cpu() for name, value in tensors.items()}
    save_file(contiguous, part, metadata={"notes": json.dumps(notes)})
    os.replace(part, folder / CHECKPOINT_NAME)


def load_checkpoint(
    folder: Path,
    model: Gemma3ForCausalLM,
    optimisers: Optimisers | None,
    settings: Identified,
) -> tuple[int, History]:
    """Restore a checkpoint into model and optimisers; gives the finished steps and the history."""
    path = folder / CHECKPOINT_NAME
    notes, tensors = _read(path)
    _refuse_other_settings(path, notes["settings"], settings)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(tensors[MODEL_PREFIX + name])
    if optimisers is not None:
        restore_optimisers(optimisers, tensors)
    history = History(
        [(int(step), float(loss)) for step, loss in notes["train"]],
        [(int(step), float(loss)) for step, loss in notes["valid"]],
        float(notes["seconds"]),
        int(notes["cooldown_steps"]),
    )
    return int(notes["step"]), history


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as stream:
            notes = json.loads(stream.metadata()["notes"])
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118
    except (SafetensorError, KeyError, TypeError) as error:
        raise BadTrainingInput(
            f"{path} is no checkpoint of this program ({error}); give --out a new folder."
        ) from error
    return notes, tensors


def _refuse_other_settings(path: Path, saved: object, settings: Identified) -> None:
    wanted = settings.identity()
    if not isinstance(saved, dict) or saved != wanted:
        known = saved if isinstance(saved, dict) else {}
        changes = [
            f"{name} {known.get(name)} -> {wanted.get(name)}"
            for name in sorted(known.keys() | wanted.keys())
            if known.get(name) != wanted.get(name)
        ]
        raise BadTrainingInput(
            f"{path} was made with other settings ({', '.join(changes)}). Give the same ones to"
            " resume, or a new --out folder to start afresh."
        )
