"""What a run before wrote goes; what somebody else has there stays, whatever it is called."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from testbed.errors import TestbedFailure
from testbed.loop.programs import FILES
from testbed.loop.run_folder import MARK, OF_OLD, alone, clear

FOREIGN = ("mine.yaml", "thesis.json", "words.jsonl", "measured.pcap", "edge.pcap.xz", "x.log",
           "my-xapp.db", "xapp.db.copy", "xapp.token", "picture.png", "cell.yaml.bak")


def names(folder: Path) -> set[str]:
    return {one.name for one in folder.iterdir()}


def test_a_run_before_goes_and_foreign_files_stay(tmp_path: Path) -> None:
    clear(tmp_path, FILES)
    for name in (*FILES, *FOREIGN):
        (tmp_path / name).write_text(name)
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "summary.json").write_text("the app's")
    clear(tmp_path, FILES)
    assert names(tmp_path) == {MARK, "page", *FOREIGN}
    assert all((tmp_path / name).read_text() == name for name in FOREIGN)
    assert names(tmp_path / "page") == {"summary.json"}


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(sorted(FILES)))
def test_somebodys_file_of_such_a_name_is_not_taken_for_a_runs(tmp_path: Path, name: str) -> None:
    mine = tmp_path / name
    mine.write_text("mine")
    with pytest.raises(TestbedFailure, match="not written by a run") as caught:
        clear(tmp_path, FILES)
    assert str(mine) in str(caught.value)
    assert "--out" in str(caught.value)
    assert mine.read_text() == "mine"
    assert names(tmp_path) == {name}
    mine.unlink()


def test_a_run_of_before_the_mark_is_known_by_its_logs(tmp_path: Path) -> None:
    for name in (*OF_OLD, "summary.json"):
        (tmp_path / name).write_text("old")
    clear(tmp_path, FILES)
    assert names(tmp_path) == {MARK}


def test_where_a_folder_is_in_the_way_nothing_is_removed(tmp_path: Path) -> None:
    clear(tmp_path, FILES)
    (tmp_path / "cell.yaml").write_text("a run's")
    (tmp_path / "ran.json").mkdir()
    with pytest.raises(TestbedFailure, match=r"ran\.json is a folder, where a run writes a file"):
        clear(tmp_path, FILES)
    assert names(tmp_path) == {MARK, "cell.yaml", "ran.json"}


def test_what_cannot_be_removed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(file: Path) -> None:
        raise PermissionError(1, "Operation not permitted", str(file))

    clear(tmp_path, FILES)
    (tmp_path / "cell.yaml").write_text("a run's")
    monkeypatch.setattr(Path, "unlink", refused)
    with pytest.raises(TestbedFailure,
                       match=r"cell\.yaml cannot be replaced: Operation not permitted"):
        clear(tmp_path, FILES)


def test_of_a_link_only_the_link_goes(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "report", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    (elsewhere / "kept").write_text("mine")
    clear(folder, FILES)
    (folder / "edge.pcap").symlink_to(elsewhere / "kept")
    (folder / "ran.json").symlink_to(elsewhere)
    (folder / "xapp.db").symlink_to(tmp_path / "nowhere")
    clear(folder, FILES)
    assert names(folder) == {MARK}
    assert (elsewhere / "kept").read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_one_error() -> None:
    with pytest.raises(TestbedFailure, match=r"/proc/nothing cannot be written"), \
            alone(Path("/proc/nothing")):
        pass
