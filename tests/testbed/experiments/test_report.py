"""A report of given rows: what it compares, what it leaves out, and its files."""

from __future__ import annotations

import io
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from rich.console import Console

from testbed.experiments.findings import Findings, Means
from testbed.experiments.loop_kind import LOOP
from testbed.experiments.report import Report, report_of
from testbed.experiments.report_files import write
from testbed.experiments.report_text import show
from testbed.experiments.results import Row
from tests.testbed.experiments.scenes import row, rows_of, small

TARGETS = [{"says": "it is quick", "column": "p95_ms", "at": {"steering": "xapp"}, "most": 60}]


def rows(factor: float = 1.0) -> list[Row]:
    return rows_of(small(), {
        ("none", "none"): [40.0, 41.0, 39.0, 40.0], ("xapp", "none"): [41.0, 40.0, 40.0, 39.0],
        ("none", "saturation"): [120.0, 126.0, 118.0, 121.0],
        ("xapp", "saturation"): [factor * one for one in (48.0, 52.0, 47.0, 50.0)]},
        tokens_per_second=20.0, stalls=0)


def made(found: list[Row]) -> Report:
    return report_of(small(targets=TARGETS), found, LOOP.columns)


def test_levels_are_compared_by_pairs_within_all_else() -> None:
    report = made(rows())
    by = {(one.level, one.others["load"], one.column.name): one for one in report.compared}
    assert set(by) == {("xapp", load, column) for load in ("none", "saturation")
                       for column in ("p95_ms", "stalls")}
    full = by["xapp", "saturation", "p95_ms"]
    assert full.contrast.change.value == pytest.approx(0.406, abs=0.005)
    assert full.contrast.p is not None
    assert full.corrected is not None
    assert full.contrast.p < full.corrected < 0.001
    assert by["xapp", "none", "p95_ms"].corrected == pytest.approx(1.0)
    assert not by["xapp", "none", "stalls"].contrast.ratio


def test_what_failed_is_left_out_and_counted() -> None:
    found = rows()
    place = next(place for place, one in enumerate(found)
                 if one.levels == {"steering": "none", "load": "saturation"})
    found[place] = row(found[place].trial, found[place].repetition, found[place].levels, None)
    report = made(found)
    summary = next(one for one in report.summaries
                   if one.levels == {"steering": "none", "load": "saturation"})
    assert (summary.done, summary.failed) == (3, 1)
    mean = summary.figures["p95_ms"].mean
    assert mean is not None
    assert mean.count == 3
    assert mean.value > 100  # a failure is no zero
    contrast = next(one for one in report.compared if one.others["load"] == "saturation").contrast
    assert contrast.change.count == 3
    assert any("1 trials failed" in one for one in report.notes)


def test_what_nobody_measured_has_no_figure() -> None:
    figure = made(rows()).summaries[0].figures["label_seconds"]
    assert (figure.mean, figure.median) == (None, None)


def test_violations_trials_to_come_commits_and_load_are_told() -> None:
    found = rows()[:10]
    found[0] = row("bad", 0, found[0].levels, {"floor_violated": True, "p95_ms": 40.0},
                   load_before=7.0, machine={"processors": 2, "commit": "other", "changed": True})
    report = made(found)
    assert report.violations == ("bad",)
    notes = " ".join(report.notes)
    for said in ("6 of 16 trials have not been run", "at most 7.0", "2 commits", "no commit has"):
        assert said in notes


def test_a_report_of_nothing_stands(tmp_path: Path) -> None:
    report = made([])
    show(report, Console(file=io.StringIO()))
    write(report, tmp_path)
    assert "not measured" in (tmp_path / "report.html").read_text()


def test_eight_levels_are_read_on_a_narrow_terminal() -> None:
    levels = {name: {"steering": "none"} for name in (
        "local", "naive", "remote_cache", "handle", "semantic", "split", "split_compressed",
        "private")}
    scenario = small(factors={"mode": levels, "load": ["none", "saturation"]}, compare=[
        {"factor": "mode", "base": "local", "columns": ["p95_ms", "others_down_mbps"]}])
    found = rows_of(scenario, {(mode, load): [1e6 + place, 1e6 + 2, 1e6 + 3, 1e6 + 5]
                               for place, mode in enumerate(levels)
                               for load in ("none", "saturation")}, others_down_mbps=123.456)
    out = io.StringIO()
    show(report_of(scenario, found, LOOP.columns), Console(file=out, width=80))
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert "…" not in out.getvalue()
    words = [word for line in lines for word in line.replace("┃", " ").split()]
    for mode in levels:
        assert words.count(mode) >= (2 if mode != "local" else 1)  # heads a column, and has rows
    assert "1,000,003 ± 3" in out.getvalue()
    assert "p95_ms" not in out.getvalue()


def test_it_is_shown_and_written(tmp_path: Path) -> None:
    report = made(rows())
    out = io.StringIO()
    show(report, Console(file=out, width=160))
    told = out.getvalue()
    assert "0.41 (0.39 to 0.42) x" in told
    assert "meets" in told
    write(report, tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert "<svg" in page
    assert "0.41 (0.39 to 0.42) x" in page
    assert (tmp_path / "report.png").stat().st_size > 10_000
    summary = pq.read_table(tmp_path / "summary.parquet").to_pylist()
    mine = next(one for one in summary if (one["steering"], one["load"], one["column"]) == (
        "none", "saturation", "p95_ms"))
    assert mine["mean"] == pytest.approx(121.25)
    assert mine["median"] == pytest.approx(120.5)
    contrasts = pq.read_table(tmp_path / "contrasts.parquet").to_pylist()
    assert {one["test"] for one in contrasts} == {"paired t-test of logarithms", "paired t-test"}


def test_a_kinds_notes_and_further_tables_are_on_the_page_and_shortly_on_a_terminal(
    tmp_path: Path
) -> None:
    factors = {"steering": {"none": {"steering": "none"}, "xapp": {"steering": "proportional"}},
               "crowd": [1, 2, 3]}
    scenario = small(factors=factors)
    found = rows_of(scenario, {(one, crowd): [1.0, 2.0, 3.0, 4.0] for one in ("none", "xapp")
                               for crowd in "123"}, onset_p95_times_calm=12.3, decisions=7.5)
    told = Findings(notes=["Bytes do not agree in one."], tables=[Means(
        "Where it goes", ("onset_p95_times_calm", "decisions", "standing"),
        {"onset_p95_times_calm": "onset x"}, ("onset_p95_times_calm", "standing"))])
    report = report_of(scenario, found, LOOP.columns)
    out = io.StringIO()
    show(report, Console(file=out, width=80), told)
    text = out.getvalue()
    assert "Bytes do not agree in one." in text
    short = text[text.index("Where it goes; means"):text.index("Of 3 combinations")]
    assert short.count("12.3") == 4  # two levels, at the first and the last crowd
    assert "7.5" not in short
    assert "standing" not in short  # nobody measured it
    write(report, tmp_path, told)
    page = (tmp_path / "report.html").read_text()
    assert "Bytes do not agree in one." in page
    assert page.count(">12.30 (12.30 to 12.30)<") == 6  # every combination, with its interval
    assert page.count(">7.5 (7.5 to 7.5)<") == 6
    assert "onset x: p95 as load begins over calm&#39;s" in page
