"""The testbed in the background as people use it, whole: up, looked at, killed, taken down.

Each has a network and a /run for itself, so that nobody else's testbed is in its way.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed import namespaces
from testbed.bed import layout, updown
from testbed.bed.layout import BedOrder
from testbed.bed.modes import Mode
from testbed.bed.record import AlreadyRunning, Record, read
from testbed.errors import TestbedFailure
from testbed.loop.parts import AIRSPLIT
from testbed.loop.ports import HOST, with_free_ports
from testbed.ran.plane import user_namespace
from tests.end_to_end.place import Place
from tests.leftovers import processes_about
from xapp.ric import usrsctp

HANG_SECONDS = 300.0
ASK = "import sys, urllib.request as ask; print(ask.urlopen(sys.argv[1], timeout=30).status)"
whole = [
    pytest.mark.alone,
    pytest.mark.skipif(not namespaces.available(), reason="no network namespaces here"),
    pytest.mark.skipif(not usrsctp.available(), reason="libusrsctp2 is not installed")]


class Bed:
    """`airsplit testbed` in a place of its own."""

    def __init__(self, place: Place, root: Path) -> None:
        self.place, self.root = place, root

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.place.words([*AIRSPLIT, "testbed", *words]), text=True, timeout=HANG_SECONDS,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            env={**os.environ, "XDG_STATE_HOME": str(self.root)})

    def kill(self) -> None:
        """Its keeper, without a chance to end anything."""
        made = read(self.root / "airsplit" / layout.NAME)
        assert made is not None
        assert made.owner is not None
        os.kill(made.owner.pid, signal.SIGKILL)

    def answers(self, port: int) -> bool:
        return self.place.run(sys.executable, "-c", ASK, f"http://{HOST}:{port}") == "200\n"

    def left(self) -> list[str]:
        return [*self.place.left(), *processes_about(str(self.root))]


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    with Place() as place:
        made = Bed(place, tmp_path)
        yield made
        made("down")


class TestWhole:
    """Real ones."""

    pytestmark = whole

    def test_up_looked_at_and_down(self, bed: Bed) -> None:
        told = bed("up", "--mode", "root", "--crowd", "2")
        assert told.returncode == 0, told.stdout
        assert "waiting for the cell" in told.stdout
        found = json.loads(bed("status", "--json").stdout)
        assert found["ready"] is True
        assert found["mode"] == "root"
        assert {"cell", "xapp", "edge", "tap", "crowd", "page", "console"} <= set(found["parts"])
        assert all(bed.answers(found["ports"][name]) for name in
                   ("the phone's page", "the operator's console"))
        assert "edge: airsplit edge: " in bed("logs", "edge").stdout
        again = bed("up")
        assert again.returncode == 1
        assert "runs already, as process" in again.stdout
        assert "airsplit testbed down" in again.stdout
        told = bed("down")
        assert (told.returncode, told.stdout) == (0, "All of it has ended.\n")
        assert bed("status").returncode == 3
        assert bed.left() == []

    @pytest.mark.slow
    @pytest.mark.skipif(user_namespace.why_not() is not None, reason="no user namespaces here")
    def test_in_a_user_namespace_and_its_keeper_is_killed(self, bed: Bed) -> None:
        told = bed("up", "--mode", "user")
        assert told.returncode == 0, told.stdout
        found = json.loads(bed("status", "--json").stdout)
        assert (found["ready"], found["mode"]) == (True, "user")
        assert all(bed.answers(port) for name, port in found["ports"].items()
                   if name != "the xApp's API")
        bed.kill()
        told = bed("status")
        assert told.returncode == 3
        assert "a run that was killed" in told.stdout
        assert bed.left() == []


    @pytest.mark.slow
    def test_by_relays_there_is_no_namespace(self, bed: Bed) -> None:
        told = bed("up", "--mode", "relay", "--crowd", "2")
        assert told.returncode == 0, told.stdout
        found = json.loads(bed("status", "--json").stdout)
        assert (found["ready"], found["mode"]) == (True, "relay")
        assert "ends" in found["parts"]
        assert bed.place.run("ip", "netns", "list") == ""
        assert bed.answers(found["ports"]["the phone's page"])
        edge = found["addresses"]["the edge, as the phone"].removeprefix("curl ")
        assert bed.place.run(sys.executable, "-c", ASK, edge) == "200\n"
        assert bed("down").stdout == "All of it has ended.\n"
        assert bed.left() == []


def order(mode: Mode = Mode.ROOT) -> BedOrder:
    settings = with_free_ports(layout.default_settings(), lambda text: None)
    return BedOrder(mode, "why", Path("/no/model"), settings)


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "airsplit"


def test_a_taken_port_is_told_and_nothing_starts(state: Path) -> None:
    wanted = order()
    with (socket.create_server((HOST, wanted.settings.api_port)),
          pytest.raises(TestbedFailure, match=f"{wanted.settings.api_port}.*{os.getpid()}")):
        updown.up(wanted, print)
    assert not layout.folder_of().exists()


def test_without_room_nothing_starts(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(updown, "ROOM", 1 << 60)
    with pytest.raises(TestbedFailure, match=r"has no room.*XDG_STATE_HOME"):
        updown.up(order(), print)
    assert list(layout.folder_of().iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with pytest.raises(TestbedFailure, match=r"cannot be written to.*XDG_STATE_HOME"):
        updown.up(order(), print)


def test_twice_names_the_one_that_runs(state: Path) -> None:
    with Record.open(layout.NAME) as made:
        made.about(mode="user")
        with pytest.raises(AlreadyRunning, match=rf"process {os.getpid()} \(mode user\)"):
            updown.up(order(), print)


def test_two_that_start_at_once(state: Path) -> None:
    with (updown._alone(), pytest.raises(AlreadyRunning, match="is starting it")):
        updown.up(order(), print)


def test_a_keeper_that_dies_at_once_is_told_of(
        state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(TestbedFailure, match="keeper ended: it said nothing"):
        updown.up(order(), print)


def test_down_where_nothing_runs(state: Path) -> None:
    assert updown.down(print) is False


def test_down_ends_a_keeper_that_is_not_ours(state: Path) -> None:
    script = ("import signal, threading\nfrom testbed.bed.record import Record\n"
              "signal.signal(signal.SIGTERM, lambda *_: exit(0))\n"
              f"with Record.open({layout.NAME!r}):\n"
              "    print('up', flush=True)\n    threading.Event().wait(600)\n")
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as keeper:
        assert keeper.stdout is not None
        assert keeper.stdout.readline() == b"up\n"
        assert updown.down(print) is True
        assert keeper.wait(10) == 0
    with contextlib.suppress(FileNotFoundError):
        assert read(state / layout.NAME) is None
