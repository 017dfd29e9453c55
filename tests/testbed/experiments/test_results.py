"""Rows go to disk whole, and come back; the table has what was measured and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from testbed.experiments.errors import BadResults
from testbed.experiments.results import Results, identity, make_folder
from tests.testbed.experiments.scenes import document, row, small


def filled(folder: Path) -> Results:
    results = Results(folder)
    results.begin(small(), document())
    for one in (row("a", 0, {"steering": "none", "load": "none"}, {"p95_ms": 3, "stalls": 0}),
                row("b", 1, {"steering": "xapp", "load": "none"}, {"p95_ms": 3.5,
                                                                    "floor_violated": True}),
                row("c", 1, {"steering": "none", "load": "none"}, None)):
        results.new_folder(one.trial)
        results.put(one)
    return results


def test_rows_come_back(tmp_path: Path) -> None:
    rows = filled(tmp_path).rows()
    assert [one.trial for one in rows] == ["a", "b", "c"]
    assert rows[0] == row("a", 0, {"steering": "none", "load": "none"}, {"p95_ms": 3, "stalls": 0})


def test_the_table_has_null_for_what_was_not_measured(tmp_path: Path) -> None:
    table = pq.read_table(filled(tmp_path).write_table()).to_pydict()
    assert table["p95_ms"] == [3.0, 3.5, None]
    assert table["stalls"] == [0, None, None]
    assert table["floor_violated"] == [None, True, None]
    assert table["status"] == ["done", "done", "failed"]
    assert table["steering"] == ["none", "xapp", "none"]
    assert table["commit"] == ["abc"] * 3
    assert table["seed"] == [5, 6, 6]


def test_what_is_no_row_is_said(tmp_path: Path) -> None:
    results = filled(tmp_path)
    (tmp_path / "trials" / "a" / "row.json").write_text('{"trial": 1}')
    with pytest.raises(BadResults, match=r"row\.json is no row"):
        results.rows()
    with pytest.raises(BadResults, match="no results"):
        Results(tmp_path / "nothing").scenario()


def test_what_a_stopped_trial_left_goes(tmp_path: Path) -> None:
    results = Results(tmp_path)
    (results.new_folder("x") / "half").write_text("x")
    assert list(results.new_folder("x").iterdir()) == []


def test_a_full_disk_is_said_and_leaves_no_half(tmp_path: Path) -> None:
    results = filled(tmp_path)
    before = results.write_table().read_bytes()
    part = tmp_path / "rows.parquet.part"
    part.symlink_to("/dev/full")
    with pytest.raises(BadResults, match=r"rows\.parquet cannot be written: No space left on device"
                                         r"\. Free some space.*--out"):
        results.write_table()
    assert (tmp_path / "rows.parquet").read_bytes() == before
    assert not part.is_symlink()
    (results.new_folder("d") / "row.json.part").symlink_to("/dev/full")
    with pytest.raises(BadResults, match=r"row\.json cannot be written: No space left"):
        results.put(row("d", 2, {"steering": "none", "load": "none"}, {}))
    assert len(results.rows()) == 3


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "trials").write_text("x")
    with pytest.raises(BadResults, match="trials/a cannot be written: Not a directory"):
        Results(tmp_path).new_folder("a")
    with pytest.raises(BadResults, match=r"trials/a cannot be written: .*--out"):
        make_folder(tmp_path / "trials" / "a")


def test_where_nothing_can_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(BadResults, match=f"{folder.name} is no folder to write to: "), \
                Results(folder).locked():
            pytest.fail("nobody may run there")


def test_a_table_is_old_where_trials_ended_after_it(tmp_path: Path) -> None:
    assert not Results(tmp_path / "nothing").table_is_old
    results = filled(tmp_path)
    assert results.table_is_old
    table = results.write_table()
    os.utime(table, (2e9, 2e9))
    assert not results.table_is_old
    later = tmp_path / "trials" / "a" / "row.json"
    os.utime(later, (2.1e9, 2.1e9))
    assert results.table_is_old


def test_fewer_repetitions_do_not_hide_rows_that_there_are(tmp_path: Path) -> None:
    results = filled(tmp_path)
    assert results.scenario().repetitions == 4
    fewer = small(repetitions=1), document(repetitions=1)
    assert results.begin(*fewer).repetitions == 2  # of these there are rows
    assert results.scenario().repetitions == 2
    assert results.begin(small(), document()).repetitions == 4
    assert results.scenario().repetitions == 4


def test_only_what_changes_trials_changes_a_scenario() -> None:
    assert identity(small()) == identity(small(repetitions=7, title="Other", compare=[]))
    assert identity(small()) != identity(small(settings={"crowd": 4}))
    assert identity(small()) != identity(small(seed=6))
