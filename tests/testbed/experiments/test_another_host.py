"""An experiment of the modes against programs that somebody else started."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from testbed.cli import main
from tests.conftest import MakeCheckpoint, RunEdge
from tests.testbed.modes.test_all_modes import Serving

SCENARIO = """
name: tiny
kind: modes
settings: {{model: "{model}", backend: reference, precision: fp32, prompt_tokens: 4, steps: 3,
            context: 40}}
factors: {{mode: [local, semantic, split]}}
repetitions: 1
"""


def test_servers_elsewhere_are_named_on_the_command_line(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, checkpoint_folder: MakeCheckpoint,
        running_edge: RunEdge) -> None:
    """And say themselves what they counted, loaded and used: nobody can look at their process."""
    monkeypatch.chdir(tmp_path)
    folder = checkpoint_folder("llama")
    Path("tiny.yaml").write_text(SCENARIO.format(model=folder), encoding="utf-8")
    serving = Serving(folder)
    edge = running_edge(folder, "--backend", "reference", "--dtype", "fp32", "--context", 40)
    try:
        assert main(["experiment", "run", "tiny.yaml", "--edge", edge.url, "--server",
                     f"127.0.0.1:{serving.server.port}"]) == 0
    finally:
        serving.close()
    rows = {one["mode"]: one for one in pq.read_table("experiments/tiny/rows.parquet").to_pylist()}
    for mode in ("semantic", "split"):
        assert rows[mode]["status"] == "done"
        assert rows[mode]["same_tokens"] is True
        assert rows[mode]["server_up"] == rows[mode]["bytes_up"] > 0
        for column in ("load_server_s", "cpu_server_s", "peak_server_mib"):
            assert rows[mode][column] > 0, (mode, column)
        assert rows[mode]["gpu_percent"] is None  # this machine's is not theirs
    kept = Path("experiments/tiny/scenario.yaml").read_text(encoding="utf-8")
    assert "link: host" in kept
    assert f"127.0.0.1:{serving.server.port}" in kept


def test_only_the_modes_have_another_host(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["experiment", "run", "scale", "--plan", "--ssh", "me@edge.example"]) == 1
    assert "kind simulated, which has no other host. Leave out --ssh." in capsys.readouterr().err


def test_who_is_not_named_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["experiment", "run", "modes-quick", "--plan", "--edge", "http://192.0.2.7:1"]) == 1
    assert "needs `server`" in capsys.readouterr().err
