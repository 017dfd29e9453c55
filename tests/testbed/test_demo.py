"""`airsplit demo` as a person runs it: the story's order, its report, and that nothing is left."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from testbed import namespaces
from testbed.bed import modes
from testbed.cli import main
from testbed.loop import telling
from testbed.loop.parts import answers
from testbed.loop.settings import Load, LoopSettings
from tests.leftovers import Traces
from tests.testbed.loop.recordings import recorded
from xapp.ric import usrsctp

HANG_SECONDS = 240.0
needs_root = pytest.mark.skipif(not namespaces.available(), reason="no network namespaces here")
STORY = ["baseline", "congestion", "stall", "steer", "flow", "congestion ends", "put away",
         "release"]
FIGURES = ("tokens_per_second", "first_token_ms", "p50_ms", "p95_ms", "p99_ms", "longest_ms")


@pytest.fixture
def traces(tmp_path: Path) -> Iterator[Traces]:
    with Traces("airsplit-demo", tmp_path) as made:
        yield made


def started(folder: Path, traces: Traces, *options: str, out: IO[str] | int = subprocess.PIPE
            ) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "testbed.cli", "demo", "--quick", "--out", str(folder), *options],
        stdout=out, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        env={**traces.environment, "PYTHONUNBUFFERED": "1"})


@contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """Whatever happens, it does not outlive the test."""
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def until(ready: Callable[[], bool], what: str, seconds: float = HANG_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


@needs_root
@pytest.mark.alone
def test_the_story_is_told_in_order_and_nothing_is_left(tmp_path: Path, traces: Traces) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with ended(started(tmp_path, traces, "--no-pages", "--api-port", str(port))) as process:
            told = process.communicate(timeout=HANG_SECONDS)[0]
    assert process.returncode == 0, told
    assert f"port {port} for the xApp's API is taken by process {os.getpid()}" in told
    found = json.loads((tmp_path / "summary.json").read_text())
    kinds = [one["what"] for one in found["story"]]
    places = [kinds.index(one) for one in STORY]
    assert places == sorted(places), kinds
    assert "label" in kinds
    for name in ("label", "steer", "release"):
        assert f" s  {name}: " in told
    for phase in found["phases"]:
        # In the last seconds, in which the phone is put away, an answer may end and none begin.
        asked = phase is not found["phases"][-1]
        assert all(phase[name] is not None for name in FIGURES
                   if asked or name != "first_token_ms"), phase
    assert found["labels"]["first_right_seconds"] is not None
    assert found["verdict"]["floor_violated"] is False
    assert found["cell"] is not None
    assert (tmp_path / "loop.png").stat().st_size > 10_000
    assert "<svg" in (tmp_path / "report.html").read_text()
    assert traces.left() == []


@needs_root
@pytest.mark.alone
def test_ctrl_c_takes_everything_away(tmp_path: Path, traces: Traces) -> None:
    with ended(started(tmp_path, traces, "--no-pages")) as process:
        until(lambda: any("testbed.loop.phone" in one for one in processes_of_group(process)) or
              process.poll() is not None, "the phone")
        process.send_signal(signal.SIGINT)
        told = process.communicate(timeout=HANG_SECONDS)[0]
    assert process.returncode == 130, told
    assert traces.left() == []


@needs_root
@pytest.mark.alone
@pytest.mark.slow
def test_it_is_kept_up_until_ctrl_c(tmp_path: Path, traces: Traces) -> None:
    log = tmp_path / "told"
    with log.open("w") as out, ended(started(tmp_path, traces, "--keep", out=out)) as process:
        until(lambda: "stays up until Ctrl-C" in log.read_text() or process.poll() is not None,
              "the story's end")
        found = dict(re.findall(r"(the phone's page|the operator's console|metrics): +(http\S+)",
                                log.read_text()))
        assert len(found) == 3, log.read_text()
        assert [name for name, url in found.items() if not answers(url)] == []
        process.send_signal(signal.SIGINT)
        assert process.wait(HANG_SECONDS) == 130, log.read_text()
    assert "Traceback" not in log.read_text()
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["cell"] is not None
    assert "release" in [one["what"] for one in summary["story"]]
    assert traces.left() == []


def processes_of_group(process: subprocess.Popen[str]) -> list[str]:
    """Command lines of a process's children."""
    found = subprocess.run(["ps", "--ppid", str(process.pid), "-o", "args="],
                           capture_output=True, text=True)
    return found.stdout.splitlines()


@needs_root
@pytest.mark.alone
def test_what_a_killed_demo_ran_ends_by_itself(tmp_path: Path, traces: Traces) -> None:
    with ended(started(tmp_path, traces, "--no-pages")) as process:
        until(lambda: (tmp_path / "tap.log").exists() or process.poll() is not None, "the tap")
        process.kill()
        process.wait()
        until(lambda: traces.running() == [], "what the killed one ran")


@needs_root
@pytest.mark.alone
def test_a_folder_is_one_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import fcntl

    with (tmp_path / ".running").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert main(["demo", "--quick", "--out", str(tmp_path)]) == 1
    assert "Another run writes to" in capsys.readouterr().err


def test_where_no_mode_works_each_ones_reason_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(modes, "obstacle", lambda mode: f"{mode} is refused")
    assert main(["demo", "--out", str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert all(f"not {mode} ({mode} is refused)" in told for mode in modes.Mode)


@pytest.mark.parametrize(("works", "chosen"), [
    (modes.Mode.ROOT, modes.Mode.ROOT), (modes.Mode.RELAY, modes.Mode.RELAY)])
def test_it_falls_back_and_says_which_mode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    works: modes.Mode, chosen: modes.Mode
) -> None:
    told: list[LoopSettings] = []
    monkeypatch.setattr(modes, "obstacle", lambda mode: None if mode is works else "refused")
    monkeypatch.setattr(telling, "tell", lambda settings, options: told.append(settings))
    assert main(["demo", "--out", str(tmp_path)]) == 0
    assert [one.mode for one in told] == [chosen]
    assert f"mode {chosen}: " in capsys.readouterr().out


def test_a_phones_recording_is_the_crowds_traffic(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[LoopSettings] = []
    monkeypatch.setattr(modes, "obstacle", lambda mode: None)
    monkeypatch.setattr(telling, "tell", lambda settings, options: told.append(settings))
    file = recorded(tmp_path / "mine.csv")
    assert main(["demo", "--replay", str(file), "--out", str(tmp_path)]) == 0
    assert [(one.load, one.recording) for one in told] == [(Load.RECORDING, str(file))]
    assert "mine.csv: 300 packets of 10.0.0.1 in 10 s" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["demo", "--replay", str(file), "--load", "saturation"])
    assert "not allowed with argument" in capsys.readouterr().err
    file.write_text("no,packets\n")
    other = tmp_path / "gone.pcap"
    for wrong in (file.rename(tmp_path / "wrong.csv"), other):
        assert main(["demo", "--replay", str(wrong), "--out", str(tmp_path)]) == 1
        said = capsys.readouterr()
        assert len(said.err.splitlines()) == 1
        assert wrong.name in said.err
        assert "mode" not in said.out  # nothing had begun
    assert len(told) == 1


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.skipif(not usrsctp.available(), reason="libusrsctp2 is not installed")
def test_the_story_by_relays(tmp_path: Path, traces: Traces) -> None:
    with ended(started(tmp_path, traces, "--no-pages", "--mode", "relay")) as process:
        told = process.communicate(timeout=HANG_SECONDS)[0]
    assert process.returncode == 0, told
    assert "Packets were carried by mode relay" in told
    found = json.loads((tmp_path / "summary.json").read_text())
    assert found["settings"]["mode"] == "relay"
    assert all(one["tokens"] > 0 for one in found["phases"])
    assert found["flow"]["label"] == "llm_split"
    assert found["labels"]["first_right_seconds"] is not None
    assert found["verdict"]["quota_at"] is not None
    assert "Packets were carried by mode relay" in (tmp_path / "report.html").read_text()
    assert traces.left() == []
