"""Records of what was made: whose they are, and what becomes of damaged ones."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from testbed import namespaces
from testbed.errors import LinkFailure
from testbed.ran.plane.leftovers import claim, give_up, record_of, remove_leftovers

NOBODY = {"pid": 1, "started": -1}  # process 1 began at another time


@pytest.fixture
def removed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    names: list[str] = []
    monkeypatch.setattr(namespaces, "remove", names.append)
    return names


def test_a_claim_is_written_before_and_given_up_after(tmp_path: Path) -> None:
    claim("cell", ["cell-n6"], tmp_path)
    assert json.loads(record_of("cell", tmp_path).read_text())["pid"] == os.getpid()
    assert list(tmp_path.iterdir()) == [record_of("cell", tmp_path)]
    give_up("cell", tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert remove_leftovers("cell", tmp_path) == ()


def test_what_a_dead_process_made_is_removed(tmp_path: Path, removed: list[str]) -> None:
    record_of("cell", tmp_path).write_text(json.dumps(NOBODY | {"namespaces": ["cell-n6"]}))
    claim("cell", ["cell-gnb"], tmp_path)
    assert removed == ["cell-n6"]


def test_runs_of_other_names_are_cleaned_up_after_as_well(
        tmp_path: Path, removed: list[str]) -> None:
    record_of("other", tmp_path).write_text(json.dumps(NOBODY | {"namespaces": ["other-n6"]}))
    record_of("damaged", tmp_path).write_text("{")
    claim("cell", ["cell-gnb"], tmp_path)
    assert removed == ["other-n6"]
    assert {one.stem for one in tmp_path.iterdir()} == {"cell", "damaged"}


def test_what_a_live_process_made_is_left_alone(tmp_path: Path, removed: list[str]) -> None:
    began = int(Path("/proc/1/stat").read_text().rpartition(")")[2].split()[19])
    record_of("cell", tmp_path).write_text(
        json.dumps({"pid": 1, "started": began, "namespaces": ["cell-n6"]}))
    with pytest.raises(LinkFailure, match="process 1"):
        claim("cell", ["cell-n6"], tmp_path)
    assert removed == []


@pytest.mark.parametrize("text", [
    "", "[]", "{", '{"pid": 1}', json.dumps(NOBODY | {"namespaces": ["other-n6"]}),
    json.dumps(NOBODY | {"namespaces": [7]}), json.dumps(NOBODY | {"namespaces": 7}),
    '{"pid": "1", "started": 0, "namespaces": []}', "\xff"])
def test_a_damaged_record_removes_nothing(tmp_path: Path, removed: list[str], text: str) -> None:
    record_of("cell", tmp_path).write_text(text, encoding="latin-1")
    with pytest.raises(LinkFailure, match="cell"):
        claim("cell", ["cell-n6"], tmp_path)
    assert removed == []
