"""The demo as people start it who are unlucky: twice, where ports are taken, on a full disk.

Each has a network and a /run for itself, so that nobody else's demo is in its way.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from testbed import namespaces
from testbed.loop.ports import HOST, PORTS, needed
from testbed.loop.settings import LoopSettings
from tests.end_to_end.demo import TERMINATED, demo, nothing_is_left
from tests.end_to_end.place import Place
from xapp.ric import usrsctp

pytestmark = [
    pytest.mark.skipif(not namespaces.available(), reason="no network namespaces here"),
    pytest.mark.skipif(not usrsctp.available(), reason="libusrsctp2 is not installed")]
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
                ("two", f"runs already, as process {first.process.pid}. End it: press Ctrl-C "
                        f"there, or kill {first.process.pid}."),
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
    pytest.param("500k", "bytes are free in ", marks=pytest.mark.slow)])
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
