"""A held server ends when nobody is there any more, however they went."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from testbed.cli import main
from testbed.errors import TestbedFailure
from testbed.modes import hold as module
from testbed.modes.hold import address_of, hold, with_address
from testbed.modes.modes_command import ADDRESS

HANG = 30.0  # seconds; a server that is not ended must not hang the run
# Says that it is there, and ends with its standard input.
SERVER = ("import os, sys; open(sys.argv[1], 'w').write(str(os.getpid())); "
          "sys.stdin.buffer.read(); sys.exit(7)")


@pytest.fixture
def pipe() -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    read, write = os.pipe()
    with os.fdopen(read, "rb") as source, os.fdopen(write, "wb", 0) as end:
        yield source, end


@pytest.fixture(autouse=True)
def held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROGRAM", (sys.executable, "-c", SERVER))


def started(path: Path) -> int:
    """The server's process, once it runs."""
    deadline = time.monotonic() + HANG
    while time.monotonic() < deadline:
        if path.exists() and path.read_text():
            return int(path.read_text())
        time.sleep(0.01)
    raise AssertionError("it never started")


@pytest.mark.parametrize("how", ["end", "silence", "signal"])
def test_it_ends_its_server(tmp_path: Path, pipe: tuple[IO[bytes], IO[bytes]], how: str) -> None:
    source, end = pipe
    ended, found = threading.Event(), []
    silence = 0.2 if how == "silence" else HANG
    thread = threading.Thread(target=lambda: found.append(
        hold([str(tmp_path / "it")], silence, source, ended)))
    thread.start()
    if how != "silence":
        process = started(tmp_path / "it")
        end.write(b"\n")
        if how == "end":
            end.close()
        else:
            ended.set()
        thread.join(HANG)
        assert not Path(f"/proc/{process}").exists()
    thread.join(HANG)
    assert not thread.is_alive()
    assert found[0] in (7, -15)  # by its standard input's end, or by SIGTERM right after


def test_a_server_that_ends_by_itself_says_how(pipe: tuple[IO[bytes], IO[bytes]],
                                               monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROGRAM", (sys.executable, "-c", "import sys; sys.exit(3)"))
    assert hold([], HANG, pipe[0], threading.Event()) == 3


def test_the_address_that_ssh_reached() -> None:
    told = {"SSH_CONNECTION": "192.0.2.1 50000 192.0.2.7 22"}
    assert address_of(told) == "192.0.2.7"
    assert with_address(["--host", ADDRESS, "--port", "0"], told) == [
        "--host", "192.0.2.7", "--port", "0"]
    assert with_address(["--host", "::1"], {}) == ["--host", "::1"]
    with pytest.raises(TestbedFailure, match="SSH_CONNECTION"):
        with_address(["--host", ADDRESS], {})


def test_the_command_says_what_it_needs(capsys: pytest.CaptureFixture[str],
                                        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    assert main(["modes", "hold", "--silence", "5", "--", "edge", "--host", ADDRESS]) == 1
    assert "not started by ssh" in capsys.readouterr().err
