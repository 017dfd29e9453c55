"""The demo as people start it who are unlucky: twice, where ports are taken, on a full disk.

Each has a network and a /run for itself, so that nobody else's demo is in its way.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from testbed import namespaces
from testbed.loop.parts import AIRSPLIT
from testbed.loop.ports import HOST, PORTS, needed
from testbed.loop.settings import LoopSettings
from tests.end_to_end.bed import PATIENCE
from tests.end_to_end.place import Place
from tests.leftovers import processes_about
from xapp.ric import usrsctp

pytestmark = [
    pytest.mark.skipif(not namespaces.available(), reason="no network namespaces here"),
    pytest.mark.skipif(not usrsctp.available(), reason="libusrsctp2 is not installed")]
TERMINATED = 128 + signal.SIGTERM
# Takes every port that a loop wants until its input ends.
TAKER = """
import json, socket, sys
held = []
for kind, port in json.loads(sys.argv[1]):
    held.append(socket.socket(socket.AF_INET, kind))
    held[-1].bind((sys.argv[2], port))
    if kind == socket.SOCK_STREAM:
        held[-1].listen()
print("taken", flush=True)
sys.stdin.read()
"""
ASK = "import sys, urllib.request as ask; print(ask.urlopen(sys.argv[1], timeout=30).status)"


class Demo:
    """`airsplit demo` in a place of its own."""

    def __init__(self, place: Place, folder: Path, log: Path) -> None:
        self.folder, self.log = folder, log
        self.process = place.start(
            [*AIRSPLIT, "demo", "--quick", "--no-pages", "--out", str(folder)], log,
            XDG_STATE_HOME=str(log.parent / "state"), PYTHONUNBUFFERED="1")

    @property
    def told(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def says(self, words: str) -> None:
        until(lambda: words in self.told or self.process.poll() is not None, words)
        assert words in self.told, self.told

    def ends(self) -> int:
        return self.process.wait(PATIENCE)


@contextmanager
def demo(place: Place, folder: Path, log: Path) -> Iterator[Demo]:
    """Whatever happens, it does not outlive the test."""
    made = Demo(place, folder, log)
    try:
        yield made
    finally:
        if made.process.poll() is None:
            made.process.terminate()
        made.ends()


def until(ready: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not ready():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def nothing_is_left(place: Place, folder: Path) -> None:
    """No process, no namespace, no device; of the record only the lock that the next one takes."""
    until(lambda: not processes_about(str(folder)), "the end of all processes")
    assert place.left() == []
    assert [one.name for one in (folder / "state").rglob("*") if one.is_file()] == ["lock"]


@pytest.fixture
def place() -> Iterator[Place]:
    with Place() as made:
        yield made


def test_taken_ports_are_named_and_a_second_start_is_refused(place: Place, tmp_path: Path) -> None:
    with taken_ports(place) as taker, demo(place, tmp_path / "one", tmp_path / "one.log") as first:
        first.says(" s  baseline: ")
        for name in needed(LoopSettings()):
            port, (what, _) = getattr(LoopSettings(), name), PORTS[name]
            assert f"port {port} for {what} is taken by process {taker.pid}" in first.told
        api = first.told.split("the xApp's API is taken by ")[1].split("; ")[1].split()[0]
        assert place.run(sys.executable, "-c", ASK,
                         f"http://{HOST}:{api}/api/v1/status").strip() == "200"
        for folder, problem in (
                # `nsenter` becomes what it runs, so this is the demo's own number.
                ("two", f"runs already, as process {first.process.pid}. End it: "),
                ("one", f"Another run writes to {tmp_path / 'one'}.")):
            with demo(place, tmp_path / folder, tmp_path / "second.log") as second:
                assert second.ends() == 1
                assert problem in second.told
                assert "Traceback" not in second.told
        assert first.process.poll() is None
        first.process.terminate()
        assert first.ends() == TERMINATED, first.told
    nothing_is_left(place, tmp_path)


@contextmanager
def taken_ports(place: Place) -> Iterator[subprocess.Popen[str]]:
    wanted = [(int(kind), getattr(LoopSettings(), name)) for name, (_, kind) in PORTS.items()]
    with subprocess.Popen(place.words([sys.executable, "-c", TAKER, json.dumps(wanted), HOST]),
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as taker:
        assert taker.stdout is not None
        assert taker.stdout.readline() == "taken\n"
        yield taker


# What a full disk hits first: the demo's own files, its capture.
@pytest.mark.parametrize(("size", "problem"), [
    ("4k", "/report cannot be written: No space left on device. Make room there"),
    ("500k", "bytes are free in ")])
def test_a_full_disk_is_told_in_one_line(place: Place, tmp_path: Path, size: str, problem: str
                                         ) -> None:
    folder = tmp_path / "report"
    folder.mkdir()
    place.run("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))
    with demo(place, folder, tmp_path / "log") as run:
        assert run.ends() == 1
    assert problem in run.told
    assert "Traceback" not in run.told
    nothing_is_left(place, tmp_path)


@pytest.mark.slow
def test_a_disk_that_fills_up_while_it_runs(place: Place, tmp_path: Path) -> None:
    folder = tmp_path / "report"
    folder.mkdir()
    place.run("mount", "-t", "tmpfs", "-o", "size=300m", "tmpfs", str(folder))
    with demo(place, folder, tmp_path / "log") as run:
        run.says(" s  baseline: ")
        subprocess.run(place.words(["dd", "if=/dev/zero", f"of={folder}/full", "bs=1M"]),
                       stderr=subprocess.DEVNULL, timeout=60)
        assert run.ends() == 1
    assert "The disk is full: make room where " in run.told
    assert "Traceback" not in run.told
    nothing_is_left(place, tmp_path)
