"""Notes of exit heads: what was written comes back, and what says nothing is one error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge_server.engine.exit_note import EXIT_NAME, ExitNote, exit_of, read_note
from edge_server.errors import DamagedFile


def test_notes_come_back_as_they_were_written(tmp_path: Path) -> None:
    note = ExitNote("0a" * 32, 1, ("sliding_attention", "full_attention"))
    (tmp_path / EXIT_NAME).write_text(note.to_json())
    assert read_note(tmp_path) == note


@pytest.mark.parametrize("change", [
    {"format": 2}, {"identity": 5}, {"after": 0}, {"after": 2}, {"after": "1"},
    {"layer_types": []}, {"layer_types": [1, 2]}, {"layer_types": "full"}, {"after": None},
    {"layer_types": ["full_attention"] * 1000}])
def test_notes_that_say_nothing(change: dict[str, object], tmp_path: Path) -> None:
    note = json.loads(ExitNote("0a" * 32, 1, ("full_attention",) * 2).to_json())
    (tmp_path / EXIT_NAME).write_text(json.dumps(note | change))
    with pytest.raises(DamagedFile, match=r"Train the exit head again"):
        read_note(tmp_path)


def test_a_folder_without_a_note_is_no_exit_head(tmp_path: Path) -> None:
    assert exit_of(tmp_path) is None
    (tmp_path / "exit").mkdir()
    assert exit_of(tmp_path) is None
    (tmp_path / "exit" / EXIT_NAME).write_text("{}")
    assert exit_of(tmp_path) == tmp_path / "exit"
