"""The whole loop, with short phases: tokens come in each, the label is found, nothing is left."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from testbed import namespaces
from testbed.loop.loop_command import show, write
from testbed.loop.run import LoopResult
from testbed.loop.settings import LLM, PHASES, LoopSettings
from testbed.loop.story import Token, phase_figures


def result() -> LoopResult:
    settings = LoopSettings()
    tokens = [Token(step // 50, step % 50, step * 0.05 - 0.01, step * 0.05)
              for step in range(int(settings.seconds * 20))]
    ends = (0.0, *settings.ends)
    return LoopResult(
        settings, [phase_figures(name, tokens, ends[place], ends[place + 1])
                   for place, name in enumerate(PHASES)], tokens, [{"state": "confirmed"}],
        {"label": "llm_split"}, 1.2, [(-3.0, {LLM: None}), (40.0, {
            LLM: {"minimum": 10, "maximum": 100, "dedicated": 0}})])


def test_a_report_is_left_behind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = result()
    show(one)
    told = capsys.readouterr().out
    assert "steered" in told
    assert "llm_split" in told
    write(one, tmp_path)
    assert (tmp_path / "loop.png").stat().st_size > 10_000
    found = json.loads((tmp_path / "summary.json").read_text())
    assert [phase["name"] for phase in found["phases"]] == list(PHASES)
    assert found["verdict"]["label_seconds"] == 1.2


@pytest.mark.slow
@pytest.mark.skipif(not namespaces.available(), reason="no network namespaces here")
def test_the_loop_runs_and_leaves_nothing(tmp_path: Path) -> None:
    said = subprocess.run(
        [sys.executable, "-m", "testbed.cli", "testbed", "loop", "--quick", "--out",
         str(tmp_path)], capture_output=True, text=True, timeout=280)
    assert said.returncode == 0, said.stderr
    found = json.loads((tmp_path / "summary.json").read_text())
    assert all(phase["tokens"] > 0 for phase in found["phases"])
    assert found["flow"]["label"] == "llm_split"
    left = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True)
    assert "airsplit-loop" not in left.stdout
