"""The note of an exit head: a folder of trained layers that go on where a model's first ones end.

It lies in the model's own folder and says what the head belongs to. This module knows the note's
shape, and with which part of a model the head can go; `ue_app.drafts.exit` runs it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from edge_server.engine.checkpoint import read_json
from edge_server.errors import DamagedFile

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


def exit_of(model: Path) -> Path | None:
    """The exit head that lies in a model's folder, if one does."""
    folder = model / EXIT_FOLDER
    return folder if (folder / EXIT_NAME).is_file() else None
