"""Two sets of results against each other: pairs where there are, else independent samples."""

from __future__ import annotations

import io
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from rich.console import Console

from testbed.experiments.compare import compare_results, compared
from testbed.experiments.compare_files import show, write
from testbed.experiments.errors import BadResults
from testbed.experiments.loop_kind import LOOP
from testbed.experiments.results import Results
from tests.testbed.experiments.scenes import document, small
from tests.testbed.experiments.test_report import rows


def test_two_sets_are_compared(tmp_path: Path) -> None:
    column = [one for one in LOOP.columns if one.name == "p95_ms"]
    scenario = small()
    found = compared("before", "after", scenario, scenario, rows(), rows(0.5), column)
    full = next(one for one in found.lines
                if one.levels == {"steering": "xapp", "load": "saturation"})
    assert full.contrast.pairs
    assert full.contrast.change.value == pytest.approx(0.5)
    same = next(one for one in found.lines if one.levels == {"steering": "none", "load": "none"})
    assert same.corrected == 1.0
    other = compared("before", "after", scenario, small(settings={"crowd": 9}), rows(),
                     rows(0.5)[:12], column)
    assert any("settings differ" in one for one in other.notes)
    assert not other.lines[0].contrast.pairs
    out = io.StringIO()
    show(found, Console(file=out, width=200))
    assert "0.50" in out.getvalue()
    write(found, tmp_path)
    assert len(pq.read_table(tmp_path / "comparison.parquet")) == 4
    assert (tmp_path / "comparison.html").exists()


def test_results_of_two_kinds_are_not_compared(tmp_path: Path) -> None:
    one, two = Results(tmp_path / "one"), Results(tmp_path / "two")
    one.begin(small(), document())
    other = document(kind="simulated", compare=[])
    two.begin(small(kind="simulated", compare=[]), other)
    with pytest.raises(BadResults, match="kind loop"):
        compare_results(one, two)
    with pytest.raises(BadResults, match="no 'speed'"):
        compare_results(one, one, ["speed"])
    assert "Nothing was measured in both." in compare_results(one, one).notes
