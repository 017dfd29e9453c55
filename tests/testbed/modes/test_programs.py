"""Programs are waited for until they say where they listen, no longer than they may, and ended."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from testbed.errors import TestbedFailure
from testbed.modes.programs import Server, program

LISTENS = "import sys; print('x: on http://127.0.0.1:81', flush=True); sys.stdin.read()"
IGNORES = ("import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
           "print('x: on [::1]:81', flush=True); time.sleep(60)")


def why(status: int | None, said: str) -> TestbedFailure:
    return TestbedFailure(f"{status}: {said}")


def words(script: str) -> list[str]:
    return [sys.executable, "-c", script]


def test_until_the_end() -> None:
    with program(words(LISTENS), why) as started:
        assert started.running
        assert started.server == Server("127.0.0.1", 81, started.process.pid)
        assert started.server.url == "http://127.0.0.1:81"
    assert not started.running
    assert started.process.returncode == 0  # by the end of its standard input


def test_far_away_its_process_is_not_the_servers() -> None:
    with program(words(LISTENS), why, here=False) as started:
        assert started.server.process is None


@pytest.mark.parametrize(("script", "said"), [
    ("import sys; sys.exit('no such model')", "1: no such model"), ("print('hello')", "0: "),
    ("import time; print('soon', flush=True); time.sleep(60)", "None: ")])
def test_what_does_not_start(script: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = 20.0
    if "sleep" in script:
        seconds = 0.5
        monkeypatch.setattr("testbed.modes.programs.STOP_SECONDS", 0.2)
    with pytest.raises(TestbedFailure) as caught, program(words(script), why, seconds=seconds):
        pass
    assert caught.value.problem == said


def test_what_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("testbed.modes.programs.STOP_SECONDS", 0.2)
    with program(words(IGNORES), why) as started:
        assert started.server.host == "::1"
        assert started.server.url == "http://[::1]:81"
    assert started.process.returncode == -9
    assert not Path(f"/proc/{started.process.pid}").exists()
