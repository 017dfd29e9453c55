"""The whole loop, with short phases: tokens come in each, the label is found, nothing is left."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from testbed import namespaces
from testbed.loop.chronicle import Event, What
from testbed.loop.labels import FlowLabels, LabelFigures
from testbed.loop.outcome import LoopResult, Quotas, seconds_to_quota
from testbed.loop.report import sentences, show, write
from testbed.loop.settings import LLM, PHASES, LoopSettings, Sessions
from testbed.loop.slices import SliceFigures
from testbed.loop.story import Token, phase_figures

NO_QUOTA = {"minimum": 0, "maximum": 100, "dedicated": 0}
QUOTA = {LLM: {"minimum": 10, "maximum": 100, "dedicated": 0}}


def result() -> LoopResult:
    settings = LoopSettings()
    tokens = [Token(step // 50, step % 50, step * 0.05 - 0.01, step * 0.05)
              for step in range(int(settings.seconds * 20))]
    ends = (0.0, *settings.ends)
    return LoopResult(
        settings, [phase_figures(name, tokens, ends[place], ends[place + 1])
                   for place, name in enumerate(PHASES)], tokens,
        [{"state": "confirmed", "reason": "why", "actuator": ""}],
        {"label": "llm_split"}, LabelFigures(
            (FlowLabels(1e9, "llm_split", "llm_split", 0.9, 1.2, 1.2, 1.1, 0),), 1.2, 1.1, 0, 0),
        quotas=[(0.0, {LLM: None}), (40.0, QUOTA)],
        cell_quotas=[(0.0, {LLM: NO_QUOTA}), (39.5, QUOTA), (70.0, {LLM: NO_QUOTA})],
        congestion_at=15.0, congestion_end=60.0, allowed_at=35.0,
        events=[Event(15.0, What.CONGESTION, "the crowd comes: <24> phones")])


def test_a_report_says_what_the_emulator_alone_can_do() -> None:
    one = result()
    assert not any("no real network" in line for line in sentences(one))
    one.settings = replace(one.settings, sessions=Sessions.ONE)
    assert any("nobody asked for that" in line for line in sentences(one))
    one.decisions = [{"kind": "map_flows", "state": state}
                     for state in ("confirmed", "unproven", "recorded")]
    assert any("no real network does it: asked for 2 x, there and back; 1 x reports" in line
               for line in sentences(one))


@pytest.mark.parametrize(("floors", "violated", "said"), [
    ({"1": 10}, [False], "The others kept their floor of 10 %."),
    ({"1": 10, "1-000002": 10}, [False, None], "All other slices kept their floors (1: 10 %, "
                                               "1-000002: 10 %)."),
    ({"1": 10, "1-000002": 10}, [False, True], "The floor was BROKEN of slice 1-000002 (10 %)."),
    ({"1": 10}, [None], "Whether a floor was broken is not known.")], ids=str)
def test_a_report_names_the_slices_whose_floor_was_kept_or_broken(
        floors: dict[str, int], violated: list[bool | None], said: str) -> None:
    one = result()
    one.settings = LoopSettings(slices=tuple({"slice": name} for name in (*floors, LLM)))
    one.slices = [SliceFigures(name, "steered", 1.0, 1.0, 50.0, 50.0, 60.0, floor, 9, kept)
                  for (name, floor), kept in zip(floors.items(), violated, strict=True)]
    assert said in sentences(one)


def test_a_report_is_left_behind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = result()
    show(one, Console())
    told = capsys.readouterr().out
    assert "steered" in told
    assert "recognised the flow 1.20 s after its first packet" in told
    write(one, tmp_path)
    assert (tmp_path / "loop.png").stat().st_size > 10_000
    page = (tmp_path / "report.html").read_text()
    assert "<svg" in page
    assert "the crowd comes: &lt;24&gt; phones" in page
    assert not re.search(r"(src|href)=.https?:", page)
    found = json.loads((tmp_path / "summary.json").read_text())
    assert [phase["name"] for phase in found["phases"]] == list(PHASES)
    assert found["verdict"]["label_seconds"] == 1.2
    assert found["verdict"]["label_right"] is True


def test_a_quota_is_taken_from_the_cell_and_not_from_the_xapp() -> None:
    found = result().verdict()
    assert found["quota_at"] == 39.5
    assert found["congestion_to_quota_seconds"] == 24.5
    assert found["allowed_to_quota_seconds"] == 4.5
    assert found["released_at"] == 70.0


def shares(*quotas: tuple[float, int]) -> Quotas:
    return [(at, {LLM: {"minimum": minimum, "maximum": 100, "dedicated": 0}})
            for at, minimum in quotas]


@pytest.mark.parametrize(("quotas", "since", "until", "seconds"), [
    ([(0, 0), (2, 15), (7, 0), (13, 12)], 10, 35, 3),  # the calm's was taken back
    ([(0, 0), (13, 12)], 10, 35, 3),
    ([(0, 0), (2, 15), (13, 12)], 10, 35, 0),  # it was there, and another one followed
    ([(0, 0), (2, 15)], 10, 35, 0),
    ([(0, 0), (10, 15)], 10, 35, 0),  # in that very look
    ([(0, 0), (2, 15), (36, 0)], 10, 35, 0),  # the crowd was gone
    ([(0, 0), (2, 15), (36, 0)], 10, None, None),  # as far as anybody knows, it was not
    ([(0, 0), (8, 15), (12, 20), (14, 0), (17, 12)], 10, 35, 7),  # lost under load
    ([(0, 0), (8, 15), (14, 0)], 10, 35, None),
    ([(0, 0), (2, 15), (7, 0)], 10, 35, None),  # never again: no 0
    ([(0, 0)], 10, 35, None), ([], 10, 35, None), ([(0, 0), (2, 15)], None, None, None),
    ([(0, 5), (13, 12)], 10, 35, 3)])  # the base is no guarantee of anybody's
def test_a_quota_counts_from_when_it_is_needed(
    quotas: list[tuple[float, int]], since: float | None, until: float | None,
    seconds: float | None
) -> None:
    assert seconds_to_quota(shares(*quotas), 5, since, until) == seconds


def test_a_quota_of_the_calm_that_was_taken_back_is_none_under_congestion() -> None:
    one = result()
    one.cell_quotas = shares((0, 0), (2, 15), (7, 0), (13, 12))
    one.congestion_at, one.allowed_at = 10.0, 8.0
    found = one.verdict()
    assert found["congestion_to_quota_seconds"] == 3
    assert found["allowed_to_quota_seconds"] == 5
    assert found["quota_at"] == 2


def test_what_was_not_measured_is_none() -> None:
    one = result()
    one.cell_quotas, one.labels, one.congestion_at = [], None, None
    found = one.verdict()
    assert [found[name] for name in (
        "quota_at", "released_at", "congestion_to_quota_seconds", "label_seconds", "label_right",
        "floor_violated")] == [None] * 6


@pytest.mark.slow
@pytest.mark.skipif(not namespaces.available(), reason="no network namespaces here")
@pytest.mark.parametrize("sessions", Sessions)
def test_the_loop_runs_and_leaves_nothing(sessions: Sessions, tmp_path: Path) -> None:
    said = subprocess.run(
        [sys.executable, "-m", "testbed.cli", "testbed", "loop", "--quick", "--out",
         str(tmp_path), "--sessions", sessions], capture_output=True, text=True, timeout=280)
    assert said.returncode == 0, said.stderr
    found = json.loads((tmp_path / "summary.json").read_text())
    assert all(phase["tokens"] > 0 for phase in found["phases"])
    assert found["flow"]["label"] == "llm_split"
    left = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True)
    assert "airsplit-loop" not in left.stdout
