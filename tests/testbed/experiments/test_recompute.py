"""Rows computed again: what changes is written, counted and said, and what was stays beside it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from testbed.cli import main
from testbed.experiments.design import trials_of
from testbed.experiments.errors import BadResults
from testbed.experiments.loop_kind import figures_of
from testbed.experiments.machine import Machine
from testbed.experiments.recompute import (
    FIRST,
    note_of_recomputed,
    note_of_stale,
    recompute,
    stale,
)
from testbed.experiments.results import Results, Row
from testbed.loop.settings import LoopSettings
from tests.testbed.experiments.scenes import document, row, small
from tests.testbed.experiments.test_loop_kind import stand_in

TODAY = Machine("one", 2, None, "here", "3", "def", False)
TRIALS = trials_of(small(repetitions=1))


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four trials, of which one row has a figure that is wrong and one lacks a column."""
    folder = tmp_path_factory.mktemp("kept")
    results = Results(folder)
    results.begin(small(repetitions=1), document(repetitions=1))
    found = stand_in(LoopSettings(), folder, folder, lambda text: None)
    for trial in TRIALS:
        kept = results.new_folder(trial.name)
        (kept / "summary.json").write_text(json.dumps(found.document()))
        results.put(row(trial.name, 0, trial.levels, figures_of(found)))
    wrong, lacking = (results.rows()[place] for place in (0, 1))
    results.put(changed(wrong, congestion_to_quota_s=0.0, of_old=7))
    lacks = {name: value for name, value in lacking.figures.items() if name != "guarantee"}
    results.put(row(lacking.trial, 0, lacking.levels, lacks))
    return folder


@pytest.fixture
def results(once: Path, tmp_path: Path) -> Results:
    shutil.copytree(once, tmp_path / "kept")
    return Results(tmp_path / "kept")


def changed(one: Row, **figures: float) -> Row:
    return row(one.trial, 0, one.levels, {**one.figures, **figures})


def test_rows_that_change_are_written_and_say_by_which_commit(results: Results) -> None:
    before = results.rows()
    found = recompute(results, "loop", TODAY)
    assert (found.rows, found.changed, found.problems) == (4, 2, ())
    assert found.columns == {"congestion_to_quota_s": 1, "guarantee": 1}
    assert found.says() == "2 of 4 rows changed: congestion_to_quota_s in 1, guarantee in 1."
    after = results.rows()
    assert after[0].figures["congestion_to_quota_s"] == pytest.approx(5.0)
    assert after[0].figures["of_old"] == 7  # nobody can compute it now; it was measured
    assert after[0].machine["commit"] == "abc"  # that ran it
    assert (after[0].machine["recomputed_by"], after[0].machine["recomputed_changed"]) == (
        "def", False)
    assert after[1].figures["guarantee"] == 15
    assert after[2:] == before[2:]
    table = pq.read_table(results.folder / "rows.parquet").to_pylist()
    assert [one["recomputed_by"] for one in table] == ["def", "def", None, None]
    assert table[0]["congestion_to_quota_s"] == pytest.approx(5.0)


def test_what_the_trial_left_stays(results: Results) -> None:
    first = results.rows()[0]
    recompute(results, "loop", TODAY)
    kept = results.folder / "trials" / first.trial / FIRST
    assert json.loads(kept.read_text())["figures"]["congestion_to_quota_s"] == 0.0
    results.put(changed(results.rows()[0], congestion_to_quota_s=1.0))
    recompute(results, "loop", TODAY)  # that another commit computed is not the first
    assert json.loads(kept.read_text())["figures"]["congestion_to_quota_s"] == 0.0


def test_a_second_time_changes_nothing(results: Results) -> None:
    recompute(results, "loop", TODAY)
    assert recompute(results, "loop", TODAY).says() == "0 of 4 rows changed."


def test_looking_writes_nothing(results: Results) -> None:
    before = results.rows()
    found = stale(results, "loop", TODAY)
    assert found.changed == 2
    assert results.rows() == before
    assert not list(results.folder.glob(f"trials/*/{FIRST}"))
    assert not (results.folder / "rows.parquet").exists()
    assert "2 of 4 rows otherwise (congestion_to_quota_s in 1, guarantee in 1)" in (
        note_of_stale(found)[0])


def test_nobody_looks_at_rows_of_this_very_code(results: Results) -> None:
    for today, looked in ((replace(TODAY, commit="abc"), 0), (TODAY, 4),
                          (replace(TODAY, commit="abc", changed=True), 4)):
        assert stale(results, "loop", today).rows == looked
    recompute(results, "loop", TODAY)
    assert stale(results, "loop", TODAY).rows == 2  # the others are by an older commit


def test_last_digits_are_no_change(results: Results) -> None:
    one = results.rows()[2]
    quota = one.figures["congestion_to_quota_s"]
    assert isinstance(quota, float)
    results.put(changed(one, congestion_to_quota_s=quota + 1e-11))
    assert stale(results, "loop", TODAY).changed == 2
    results.put(changed(one, congestion_to_quota_s=quota + 1e-3))
    assert stale(results, "loop", TODAY).changed == 3


def test_it_is_told_how_far_it_is(results: Results) -> None:
    told: list[tuple[int, int]] = []
    recompute(results, "loop", TODAY, lambda done, of: told.append((done, of)))
    assert told == [(0, 4), (1, 4), (2, 4), (3, 4)]


def test_a_trial_that_cannot_be_read_is_named_and_stays(results: Results) -> None:
    before = results.rows()
    (results.folder / "trials" / before[0].trial / "summary.json").unlink()
    (results.folder / "trials" / before[1].trial / "summary.json").write_text("{}")
    found = recompute(results, "loop", TODAY)
    assert (found.rows, found.changed) == (2, 0)
    assert [one.partition(":")[0] for one in found.problems] == [
        before[0].trial, before[1].trial]
    assert results.rows() == before


def test_failed_trials_stay_failed(results: Results) -> None:
    failed = row(TRIALS[0].name, 0, TRIALS[0].levels, None)
    results.put(failed)
    assert recompute(results, "loop", TODAY).rows == 3
    assert failed in results.rows()


def test_a_kind_that_keeps_nothing_cannot(results: Results) -> None:
    with pytest.raises(BadResults, match="kind simulated keep nothing"):
        recompute(results, "simulated", TODAY)
    assert note_of_stale(stale(results, "simulated", TODAY)) == []


def test_a_report_says_what_was_recomputed(results: Results) -> None:
    assert note_of_recomputed(results.rows()) == []
    recompute(results, "loop", TODAY)
    assert note_of_recomputed(results.rows()) == [
        "2 rows were computed again from what their trials kept, by commit def; as the trials left "
        "them they are in row.first.json."]


def test_the_command(results: Results, monkeypatch: pytest.MonkeyPatch,
                     capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setattr("testbed.experiments.report_files.write", lambda *of: None)  # pictures
    assert main(["experiment", "report", str(results.folder)]) == 0
    assert "computes 2 of 4 rows otherwise" in capsys.readouterr().out
    assert main(["experiment", "report", "--recompute", str(results.folder)]) == 0
    captured = capsys.readouterr()
    assert "2 of 4 rows changed: congestion_to_quota_s in 1" in captured.err
    assert "2 rows were computed again" in captured.out
    assert "otherwise" not in captured.out
    with results.locked():
        assert main(["experiment", "report", "--recompute", str(results.folder)]) == 1
    assert "Another run writes" in capsys.readouterr().err
