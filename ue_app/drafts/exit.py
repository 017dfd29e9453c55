"""Drafts by leaving the model early: the phone's own first layers, then a few trained ones.

An exit head's folder holds layers that were trained to go on where the phone's first layers end,
and a final norm; embedding and output matrix are the model's own, which the phone has. Together
they are a small model of the same family, and `model` runs them. It knows no training.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from edge_server.engine.architecture import text_part
from edge_server.engine.checkpoint import (
    Checkpoint,
    canonical_names,
    layer_of,
    read_header,
    read_json,
    tensor_files,
)
from edge_server.engine.identity import identity_of
from edge_server.engine.load import EngineOptions, open_engine
from edge_server.engine.parts import held
from edge_server.errors import ConfigurationError, DamagedFile, HashMismatch
from ue_app.drafts.model import ModelDrafter

EXIT_FOLDER = "exit"  # inside the model's own, where there is one
EXIT_NAME = "exit.json"
EXIT_FORMAT = 1
MAX_EXIT_LAYERS = 64  # far more than would be quick


@dataclass(frozen=True)
class ExitNote:
    """What an exit head belongs to."""

    identity: str  # hash of the whole model, hexadecimal
    after: int  # layers of the model that run before the exit's own
    layer_types: tuple[str, ...]  # kind of attention of all these layers, as config.json names it

    def to_json(self) -> str:
        return json.dumps({"format": EXIT_FORMAT} | asdict(self), indent=2) + "\n"


def read_note(folder: Path) -> ExitNote:
    """The note of an exit head's folder; one error whatever is wrong with it."""
    file = folder / EXIT_NAME
    document = read_json(file)
    if document.get("format") != EXIT_FORMAT:
        raise DamagedFile(f"{file} has format {document.get('format')!r}; this version reads "
                          f"{EXIT_FORMAT}.", "Train the exit head again with this version.")
    identity, after, kinds = (document.get(name) for name in ("identity", "after", "layer_types"))
    good = (isinstance(identity, str) and isinstance(after, int) and isinstance(kinds, list)
            and 0 < after < len(kinds) <= MAX_EXIT_LAYERS
            and all(isinstance(kind, str) for kind in kinds))
    if not good:
        raise DamagedFile(f"{file} does not say what the exit head belongs to.",
                          "Train the exit head again.")
    return ExitNote(str(identity), after, tuple(kinds))  # type: ignore[arg-type]  # checked above


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
