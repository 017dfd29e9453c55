"""Drafts by leaving the model early: the phone's own first layers, then a few trained ones.

An exit head's folder holds layers that were trained to go on where the phone's first layers end,
and a final norm; embedding and output matrix are the model's own, which the phone has. Together
they are a small model of the same family, and `model` runs them. It knows no training.
"""

from __future__ import annotations

from pathlib import Path

from edge_server.engine.architecture import text_part
from edge_server.engine.checkpoint import (
    Checkpoint,
    canonical_names,
    layer_of,
    read_header,
    tensor_files,
)
from edge_server.engine.exit_note import read_note
from edge_server.engine.identity import identity_of
from edge_server.engine.load import EngineOptions, open_engine
from edge_server.engine.parts import held
from edge_server.errors import ConfigurationError, HashMismatch
from ue_app.drafts.model import ModelDrafter


def open_exit(folder: Path, checkpoint: Checkpoint) -> Checkpoint:
    """The small model that the exit head in `folder` and the phone's own layers make up."""
    note = read_note(folder)
    if note.identity != identity_of(checkpoint):
        raise HashMismatch(f"The exit head in {folder} belongs to another model than "
                           f"{checkpoint.folder}.",
                           "Use the one that was trained for it, or --speculate lookup.")
    part = held(checkpoint)
    if part.ranges[0].start or part.ranges[0].end < note.after:
        raise ConfigurationError(
            f"The exit head in {folder} goes on after {note.after} layers, and "
            f"{checkpoint.folder} does not hold all of these.",
            f"Split the model at {note.after} or later, or use --speculate lookup.")
    own = {name: entry for file in tensor_files(folder)
           for name, entry in canonical_names(read_header(file), checkpoint.names).items()}
    shared = {name: entry for name, entry in checkpoint.tensors.items()
              if name in ("embed_tokens.weight", "lm_head.weight")
              or (layer_of(name) is not None and (layer_of(name) or 0) < note.after)}
    config = text_part(checkpoint.config) | {
        "num_hidden_layers": len(note.layer_types), "layer_types": list(note.layer_types)}
    if "norm.weight" not in own:
        raise ConfigurationError(f"The exit head in {folder} holds no final norm.",
                                 "Train the exit head again.")
    return Checkpoint(folder, config, shared | own, None)


def open_exit_drafter(
    folder: Path, checkpoint: Checkpoint, options: EngineOptions
) -> ModelDrafter:
    """The exit head in `folder` as a drafter for `checkpoint`."""
    engine = open_engine(open_exit(folder, checkpoint), options)
    return ModelDrafter(engine, checkpoint.architecture.vocabulary, "exit")
