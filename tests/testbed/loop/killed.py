"""What a run that was killed leaves: a record whose owner is no more, and what it names."""

from __future__ import annotations

import json
from pathlib import Path

from testbed.bed.record import RECORD, boot_id, place_of


def left_by_a_killed_run(name: str, folder: Path) -> Path:
    """A temporary folder with a file, on record; its name has to be one of ours."""
    folder.mkdir()
    (folder / "socket").touch()
    place = place_of(name)
    place.mkdir(parents=True)
    (place / RECORD).write_text(json.dumps({
        "boot": boot_id(), "owner": None, "processes": [], "namespaces": [],
        "folders": [str(folder)], "about": {}}))
    return folder
