"""A model's exit head where the model is cut: it goes with the phone's part, if it fits there.

The phone runs the head after layers of its own, so that part has to hold as many as the head goes
on after. A head that does not fit stays behind, with a sentence that says why; the cut goes on.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from edge_server.engine.checkpoint import INDEX_NAME, Checkpoint, tensor_files
from edge_server.engine.exit_note import EXIT_FOLDER, EXIT_NAME, exit_of, read_note
from edge_server.errors import EdgeError

if TYPE_CHECKING:
    from edge_server.engine.parts import Part

COMPANIONS = (EXIT_NAME, INDEX_NAME, "MODEL_CARD.md", "LICENSE")  # beside its weights


def misfit(checkpoint: Checkpoint, part: Part, identity: str) -> str | None:
    """Why the exit head of a whole model cannot go with `part`; empty where it can.

    None where there is none, or `part` is not the one that a phone begins with.
    """
    folder = exit_of(checkpoint.folder)
    if folder is None or not part.embedding:
        return None
    try:
        note = read_note(folder)
        tensor_files(folder)
    except EdgeError as error:
        return str(error)
    held = part.ranges[0].end
    if note.identity != identity:
        return f"{folder} belongs to another model. Train one for this model."
    if note.after > held:
        return (f"it goes on after {note.after} layers, and {part.name} holds {held}. Cut at "
                f"{note.after} or later to take it along.")
    if not (part.output or checkpoint.architecture.tied):
        return f"it needs the model's output matrix, which {part.name} does not hold."
    return ""


def copy_exit(model: Path, part: Path) -> None:
    """Copy the exit head in `model` into a part's folder."""
    source = exit_of(model)
    assert source is not None  # it was found to fit
    target = part / EXIT_FOLDER
    target.mkdir()
    for name in (*COMPANIONS, *(file.name for file in tensor_files(source))):
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)
