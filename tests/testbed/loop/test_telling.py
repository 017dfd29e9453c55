"""What is told is told once; a folder is one run's."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console

from testbed.errors import TestbedFailure
from testbed.loop.run import Run
from testbed.loop.settings import LoopSettings
from testbed.loop.telling import LineTeller, LiveTeller, alone
from tests.testbed.loop.test_chronicle import STORY


def run_so_far() -> Run:
    """What a teller asks of a run."""
    made: Any = SimpleNamespace(
        facts=lambda: STORY, samples=[], cell_quotas=STORY.cell_quotas, flow=None, decisions=[],
        allowed_at=None, programs=SimpleNamespace(addresses={"metrics": "http://127.0.0.1:1"}))
    return cast("Run", made)


def test_a_line_for_each_event_and_no_more() -> None:
    console = Console(file=io.StringIO(), record=True, width=80)
    teller = LineTeller(console)
    with teller:
        teller.say("waiting for the cell")
        for _ in range(3):
            teller.looked(run_so_far(), 40.0)
    text = console.export_text()
    assert text.count("congestion: the crowd comes") == 1
    assert "    10.0 s  congestion: the crowd comes: 24 phones" in text
    assert "waiting for the cell" in text


def test_the_live_view_changes_in_its_place() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100, height=50)
    with LiveTeller(LoopSettings(), console) as teller:
        teller.say("waiting for the cell")
        teller.looked(run_so_far(), 40.0)
    written = console.file
    assert isinstance(written, io.StringIO)
    assert "waiting for the cell" in written.getvalue()
    assert "the story so far" in written.getvalue()


def test_a_folder_is_one_runs_until_it_ends(tmp_path: Path) -> None:
    with alone(tmp_path / "report"), pytest.raises(TestbedFailure, match="Another run"), \
            alone(tmp_path / "report"):
        pass
    with alone(tmp_path / "report"):
        pass
