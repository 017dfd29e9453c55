"""In a user namespace: its own network, ports as outside, doors that lead in, all on record."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from testbed.bed.modes import Choice, Mode
from testbed.bed.record import Made, Record, running
from testbed.loop import ordinary as module
from testbed.loop.ordinary import OPTION, Outside, standing
from testbed.loop.ports import with_free_ports
from testbed.loop.settings import LoopSettings
from testbed.ran.plane import user_namespace
from tests.testbed.bed.ordinary import ROOT, can_be, ordinary
from tests.testbed.loop.killed import left_by_a_killed_run

# In there: live there, serve one answer behind the door to the page, and say what the ports are.
PROGRAM = f"""
import socket, sys
from testbed.loop.ordinary import at_home
from testbed.loop.settings import LoopSettings
settings = at_home(LoopSettings(page=True), sys.argv[sys.argv.index({OPTION!r}) + 1])
with socket.create_server(("127.0.0.1", settings.page_port)):
    names = sorted(name for _, name in socket.if_nameindex())
open(sys.argv[1], "w").write(f"{{settings.page_port}} {{settings.doors}} {{settings.mode}} "
                               f"{{names}}")
sys.exit(7)
"""


@pytest.mark.skipif(user_namespace.why_not() is not None, reason="no user namespaces here")
def test_what_runs_in_there_knows_its_ports_and_ends_with_its_status(tmp_path: Path) -> None:
    settings = with_free_ports(LoopSettings(page=True), lambda text: None)
    out = tmp_path / "out"
    with Outside(settings) as outside:
        assert outside.run([sys.executable, "-c", PROGRAM, str(out)]) == 7
    port, doors, mode, names = out.read_text().split(" ", 3)
    assert mode == "user"
    assert int(port) == settings.page_port
    assert names == "['lo']"
    assert not Path(doors).exists()


# In there: a page, and the door's inner end, until it is asked for its end.
PAGE = f"""
import http.server, subprocess, sys
from testbed.loop.ordinary import at_home
from testbed.loop.settings import LoopSettings
settings = at_home(LoopSettings(page=True), sys.argv[sys.argv.index({OPTION!r}) + 1])
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        asked.append(self.path)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"from inside")
    def log_message(self, *_):
        pass
port, asked = settings.page_port, []
with (http.server.HTTPServer(("127.0.0.1", port), Page) as server,
      subprocess.Popen([sys.executable, "-m", "testbed.loop.door",
                        f"unix:{{settings.doors}}/{{port}}", f"tcp:{{port}}"],
                       stdin=subprocess.PIPE)):
    while "/end" not in asked:
        server.handle_request()
"""
# Outside, as an ordinary user: the doors, and a reader who asks until the page answers.
READER = """
import contextlib, http.client, os, sys, threading, time, urllib.request
from testbed.loop.ordinary import Outside
from testbed.loop.ports import with_free_ports
from testbed.loop.settings import LoopSettings
settings = with_free_ports(LoopSettings(page=True), lambda text: None)
address = f"http://127.0.0.1:{settings.page_port}"
def read():
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(address, timeout=30) as page:
                print(os.geteuid(), page.read().decode(), flush=True)
            with contextlib.suppress(OSError, http.client.HTTPException):
                urllib.request.urlopen(address + "/end", timeout=30).close()
            return
        except (OSError, http.client.HTTPException):
            time.sleep(0.05)
reader = threading.Thread(target=read, daemon=True)
with Outside(settings) as outside:
    reader.start()
    status = outside.run([sys.executable, "-c", sys.argv[1]])
    reader.join(30)
sys.exit(status)
"""


@pytest.mark.skipif(not can_be(), reason="privileges cannot be given up here")
def test_an_ordinary_users_page_in_there_is_reached_from_outside() -> None:
    tried = [sys.executable, "-c", "import sys; from testbed.ran.plane import user_namespace; "
             "sys.exit(user_namespace.why_not())"]
    if subprocess.run(ordinary(tried), cwd=ROOT, capture_output=True).returncode:
        pytest.skip("no user namespaces for ordinary users here")
    done = subprocess.run(ordinary([sys.executable, "-c", READER, PAGE]), cwd=ROOT,
                          capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    user, _, page = done.stdout.splitlines()[-1].partition(" ")
    assert int(user) != 0
    assert page == "from inside"


def test_what_is_outside_is_on_record_and_a_killed_ones_is_taken_away(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found: list[Made | None] = []

    def run(outside: Outside, words: list[str]) -> int:
        found.append(running("airsplit-loop-outside"))
        with Record.open("airsplit-loop"):  # as what runs in there does
            return 7

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(module, "detect", lambda forced: Choice(Mode.USER, "not root"))
    monkeypatch.setattr(module, "make_ready", lambda say: None)
    monkeypatch.setattr(Outside, "run", run)
    old = left_by_a_killed_run("airsplit-loop-outside", tmp_path / "airsplit-old")
    assert standing(LoopSettings(page=True), None, None)[1] == 7
    assert not old.exists()
    assert f"a run that was killed had left folder {old}: removed" in capsys.readouterr().out
    made, = found
    assert made is not None
    assert len(made.processes) == 3  # a door for each port that a browser wants
    assert not any(Path(one).exists() for one in made.folders)
    assert not any(one.alive() for one in made.processes)
    assert running("airsplit-loop-outside") is None
