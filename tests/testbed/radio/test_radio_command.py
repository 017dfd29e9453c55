"""`airsplit radio`: as a person runs it, in a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from testbed.cli import main
from tests.testbed.radio.peers import Radio, local

AIRSPLIT = (sys.executable, "-m", "testbed.cli", "radio")


def config(folder: Path) -> Path:
    settings = local(folder, 1)
    lines = ["rate: 1e6", f"control: ipc://{folder}/control", "cells:"]
    for kind, stations in (("", settings.cells), ("ues:", settings.ues)):
        lines += [kind] if kind else []
        lines += [f"  - {{name: {one.name}, transmits: '{one.transmits}', "
                  f"receives: '{one.receives}'}}" for one in stations]
    file = folder / "radio.yaml"
    file.write_text("\n".join(lines))
    return file


def test_it_runs_obeys_and_ends(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    process = subprocess.Popen([*AIRSPLIT, "run", "--config", str(config(tmp_path))],
                               stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    control = f"ipc://{tmp_path}/control"
    radios = []
    try:
        while "Ctrl-C" not in process.stderr.readline():
            assert process.poll() is None
        radios = [Radio(one, lambda count: [1] * count) for one in local(tmp_path, 1).stations]
        deadline = time.monotonic() + 30
        while not all(one.count() for one in radios):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert main(["radio", "path", "gnb-ue1", "--loss", "12", "--control", control]) == 0
        assert json.loads(capsys.readouterr().out)["path"]["path_loss"] == 12
        assert main(["radio", "noise", "ue1", "20", "--control", control]) == 0
        assert main(["radio", "path", "gnb-ue9", "--loss", "1", "--control", control]) == 1
        assert main(["radio", "noise", "ue1", "loud", "--control", control]) == 1
        assert main(["radio", "path", "gnb-ue1", "--control", control]) == 1
        capsys.readouterr()
        assert main(["radio", "status", "--control", control]) == 0
        assert json.loads(capsys.readouterr().out)["stations"]["ue1"]["snr"] == 20
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert "samples went by" in process.stderr.read()
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
        for radio in radios:
            radio.stop()


def test_a_check_prints_all_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["radio", "run", "--config", str(config(tmp_path)), "--rate", "2e6",
                 "--real-time-priority", "0", "--check"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["rate"], shown["real_time_priority"]) == (2e6, 0)
    assert main(["radio", "run", "--real-time-priority", "99", "--check"]) == 1
    assert "99 is no real-time priority" in capsys.readouterr().err
    assert main(["radio", "run", "--ues", "3", "--check"]) == 0
    assert len(json.loads(capsys.readouterr().out)["ues"]) == 3


def test_a_check_reads_the_script_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "walk.csv"
    order = ["radio", "run", "--config", str(config(tmp_path)), "--script", str(script), "--check"]
    script.write_text("seconds,link,path_loss\n0,gnb-ue1,3\n")
    assert main(order) == 0
    script.write_text("seconds,link,path_loss\n0,gnb-ue2,3\n")
    assert main(order) == 1
    assert "'gnb-ue2' cannot be made" in capsys.readouterr().err


def test_nobody_there_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                              capsys: pytest.CaptureFixture[str]) -> None:
    from testbed.radio import client

    monkeypatch.setattr(client.ask, "__defaults__", (0.2,))
    assert main(["radio", "stop", "--control", f"ipc://{tmp_path}/none"]) == 1
    assert "airsplit radio run" in capsys.readouterr().err
