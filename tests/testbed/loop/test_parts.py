"""Programs that run: ready, ended in order, or failed with what they said last."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from testbed.errors import TestbedFailure
from testbed.loop.parts import (
    Part,
    answers,
    in_namespace,
    running,
    stop_all,
    undisturbed,
    wait_until,
    written_to,
)


def test_a_part_ends_with_its_block(tmp_path: Path) -> None:
    code = "print('here', flush=True); import time; time.sleep(100)"
    output = tmp_path / "out"
    with running(Part("it", [sys.executable, "-c", code], tmp_path / "log",
                      keep_output=output)) as part:
        wait_until(lambda: "here" in output.read_text(), [part], 20, "its word")
        part.check()
    assert part.process.returncode is not None


def test_a_part_that_fails_says_what_it_said(tmp_path: Path) -> None:
    with running(Part("it", [sys.executable, "-c", "raise SystemExit('no such thing')"],
                      tmp_path / "log")) as part, \
            pytest.raises(TestbedFailure, match="no such thing"):
        wait_until(lambda: False, [part], 20, "anything")


def test_one_that_ends_on_a_full_disk_is_not_asked_why(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = SimpleNamespace(total=1000, used=1000, free=0)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: full)
    with running(Part("it", [sys.executable, "-c", "raise SystemExit(1)"],
                      tmp_path / "log")) as part, \
            pytest.raises(TestbedFailure, match=r"nothing\. The disk is full: make room"):
        wait_until(lambda: False, [part], 20, "anything")


def test_a_folder_that_cannot_be_written_is_told_and_other_troubles_are_not(
        tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TestbedFailure, match=r"/file cannot be written: .*--out"), \
            written_to(tmp_path / "file"):
        (tmp_path / "file").mkdir()
    with pytest.raises(TestbedFailure, match="cannot be written: No space left"), \
            written_to(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(FileNotFoundError), written_to(tmp_path):
        (tmp_path / "no" / "such").mkdir()


def test_what_does_not_come_is_named(tmp_path: Path) -> None:
    with pytest.raises(TestbedFailure, match="the moon"):
        wait_until(lambda: False, [], 0.1, "the moon")
    assert not answers("http://127.0.0.1:9/nothing")
    assert in_namespace("x", ["ls"]) == ["ip", "netns", "exec", "x", "ls"]


ECHO = """import sys
for line in sys.stdin: print(line.strip(), flush=True)
print('over', flush=True)"""


def test_orders_come_on_the_input_and_its_end_ends_it(tmp_path: Path) -> None:
    output = tmp_path / "out"
    part = Part("it", [sys.executable, "-c", ECHO], tmp_path / "log", None, output)
    part.order("begin")
    wait_until(lambda: "begin" in output.read_text(), [part], 20, "its word")
    stop_all([[part], []])
    assert part.process.returncode == 0
    assert output.read_text() == "begin\nover\n"


def test_one_that_ended_takes_no_orders(tmp_path: Path) -> None:
    part = Part("it", [sys.executable, "-c", "raise SystemExit('gone')"], tmp_path / "log")
    part.process.wait(20)
    with pytest.raises(TestbedFailure, match="gone"):
        part.order("begin")
    part.stop()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_does_not_disturb_what_ends(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with undisturbed():
        os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before


def test_one_that_does_not_end_is_killed_and_its_log_says_so(tmp_path: Path) -> None:
    part = Part("a deaf one", [sys.executable, "-c", "import signal, time\n"
                               "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
                               "print('deaf', flush=True)\ntime.sleep(600)"],
                tmp_path / "log", end_seconds=0.2)
    wait_until(lambda: "deaf" in part.tail(), [part], 20, "its word")
    part.stop()
    assert part.process.returncode == -9
    assert "was asked to end, and killed 0.2 s later" in part.tail()


def test_a_part_comes_before_others_as_its_parent_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its niceness is said for its session's group as well, where the kernel makes such groups."""
    if not Path("/proc/self/autogroup").exists():
        pytest.skip("no groups by session here")
    monkeypatch.setattr(os, "getpriority", lambda which, who: 7)
    part = Part("sleeper", ["sleep", "60"], tmp_path / "log")
    try:
        found = Path(f"/proc/{part.process.pid}/autogroup").read_text()
        assert found.split()[-1] == "7"
    finally:
        part.stop()
