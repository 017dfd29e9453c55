"""`airsplit ran`: its check, its errors, a simulated run, and a RIC that steers it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from testbed.cli import main
from tests.testbed.ran.loopback import Ric, until
from tests.xapp.ric.scene import HANG_SECONDS, ROOT

EXAMPLE = ROOT / "docs" / "examples" / "cell.yaml"


def _ran(*options: str) -> int:
    return main(["ran", "--config", str(EXAMPLE), *options])


def test_check_shows_all_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert _ran("--check", "--seed", "7", "--ric", "192.0.2.7") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["seed"] == 7
    assert document["e2"]["ric"] == "192.0.2.7"
    assert document["mac"]["scheduler"] == "proportional-fair"
    assert document["ues"][1]["count"] == 5


@pytest.mark.parametrize(("options", "said"), [
    (["--simulated"], "Give --seconds"),
    (["--seconds", "-1"], "--seconds -1 is no time"),
    (["--simulated", "--seconds", "1e6", "--json", "/nowhere/x.json"], "no such folder"),
    (["--simulated", "--seconds", "1e6", "--json", "/"], "/ cannot be written: it is a folder"),
    (["--backend", "htb", "--control", "/nowhere/door", "--tell", "{kind: outage}"],
     "Backend htb takes no events"),
    (["--control", "/nowhere/door", "--tell", "{kind: outage}"], "htb takes no events")])
def test_errors_say_what_to_do(options: list[str], said: str,
                               capsys: pytest.CaptureFixture[str]) -> None:
    assert _ran(*options) == 1
    assert said in capsys.readouterr().err


def test_a_file_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "cell.yaml"
    path.write_text("cells: [{nci: 1}]\nues: [{channel: {kind: rain}}]\n")
    assert main(["ran", "--config", str(path), "--check"]) == 1
    assert "ues[0].channel.kind" in capsys.readouterr().err


def test_a_simulated_run_sums_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "run.json"
    assert _ran("--simulated", "--seconds", "3", "--json", str(path)) == 0
    found = json.loads(path.read_text())
    assert found["seconds"] == pytest.approx(3.0)
    assert found["account"]["delivered"]["down"] > 1000
    assert found["late_us"] == {}
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("3.0 s of the cell's time")
    assert len(lines) == 3


def test_a_summary_that_nobody_may_write_is_told_before_the_run(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[Path] = []

    def refused(path: Path, _: int) -> bool:  # root may write anywhere
        asked.append(path)
        return False

    monkeypatch.setattr("testbed.ran.ran_command.os.access", refused)
    there, new = tmp_path / "there.json", tmp_path / "new.json"
    there.write_text("kept")
    for path in (there, new):
        assert _ran("--simulated", "--seconds", "1e6", "--json", str(path)) == 1
        assert f"{path} cannot be written: you have no permission" in capsys.readouterr().err
    assert asked == [there, tmp_path]
    assert there.read_text() == "kept"
    assert not new.exists()


def test_a_summary_that_cannot_be_written_in_the_end_is_on_stdout(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "results"
    folder.mkdir()

    def run(*_: object) -> dict[str, float]:
        folder.rmdir()
        return {"seconds": 3.0}

    monkeypatch.setattr("testbed.ran.ran_command._run", run)
    assert _ran("--simulated", "--seconds", "3", "--json", str(folder / "run.json")) == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"seconds": 3.0}
    assert "run.json cannot be written: No such file" in captured.err
    assert "The summary is on stdout" in captured.err


def test_a_running_cell_is_told_by_the_command(tmp_path: Path,
                                               capsys: pytest.CaptureFixture[str]) -> None:
    door, run = tmp_path / "door", tmp_path / "run.json"
    told: list[int] = []

    def talk() -> None:
        deadline = time.monotonic() + HANG_SECONDS
        try:
            while not door.exists() and time.monotonic() < deadline:
                time.sleep(0.01)
            for event in ("{kind: leave, ue: phone}", "{kind: rain}"):
                told.append(_ran("--control", str(door), "--tell", event))
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=talk)
    thread.start()
    assert _ran("--simulated", "--seconds", "100000", "--control", str(door), "--json",
                str(run)) == 0
    thread.join()
    assert told == [0, 1]
    assert [one["what"] for one in json.loads(run.read_text())["events"]] == ["phone is gone"]
    captured = capsys.readouterr()
    assert "phone is gone" in captured.out
    assert "'rain' is none" in captured.err
    assert not door.exists()


def test_ended_while_it_starts_it_takes_back_what_it_made(monkeypatch: pytest.MonkeyPatch) -> None:
    undone: list[str] = []

    @contextmanager
    def starting(*_: object) -> Iterator[None]:
        try:
            signal.raise_signal(signal.SIGTERM)
            yield
        finally:
            undone.append("namespaces")

    monkeypatch.setattr("testbed.ran.ran_cell.opened", starting)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit, match="143"):
        _ran("--seconds", "1")
    assert undone == ["namespaces"]
    assert signal.getsignal(signal.SIGTERM) is before


def test_json_on_stdout_is_alone_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert _ran("--simulated", "--seconds", "0.5", "--json", "-") == 0
    assert json.loads(capsys.readouterr().out)["seconds"] == pytest.approx(0.5)


def test_a_ric_sees_a_simulated_cell_and_a_signal_ends_it(tmp_path: Path) -> None:
    async def scene() -> str:
        ric = Ric("srsran", {"00066c000": 106})
        address = await ric.listen("tcp://127.0.0.1:0")
        started = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "testbed.cli", "ran", "--config", str(EXAMPLE), "--simulated",
            "--ric", str(address), "--json", "-", cwd=ROOT, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL)
        try:
            await until(lambda: len(ric.observations().ues) >= 6)
            started.send_signal(signal.SIGTERM)
            output, _ = await started.communicate()
            assert started.returncode == 0
            return output.decode()
        finally:
            if started.returncode is None:
                started.kill()
                await started.wait()
            await ric.termination.close()

    found = json.loads(asyncio.run(asyncio.wait_for(scene(), HANG_SECONDS)))
    assert found["account"]["taken"] > 0
    assert found["times_real_time"] == pytest.approx(1.0, abs=0.2)
