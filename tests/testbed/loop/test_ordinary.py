"""In a user namespace: its own network, ports as outside, and doors that lead in."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from testbed.loop.ordinary import OPTION, Outside
from testbed.loop.ports import with_free_ports
from testbed.loop.settings import LoopSettings
from testbed.ran.plane import user_namespace

# In there: live there, serve one answer behind the door to the page, and say what the ports are.
PROGRAM = f"""
import socket, sys
from testbed.loop.ordinary import at_home
from testbed.loop.settings import LoopSettings
settings = at_home(LoopSettings(page=True), sys.argv[sys.argv.index({OPTION!r}) + 1])
with socket.create_server(("127.0.0.1", settings.page_port)):
    names = sorted(name for _, name in socket.if_nameindex())
open(sys.argv[1], "w").write(f"{{settings.page_port}} {{settings.doors}} {{names}}")
sys.exit(7)
"""


@pytest.mark.skipif(user_namespace.why_not() is not None, reason="no user namespaces here")
def test_what_runs_in_there_knows_its_ports_and_ends_with_its_status(tmp_path: Path) -> None:
    settings = with_free_ports(LoopSettings(page=True), lambda text: None)
    out = tmp_path / "out"
    with Outside(settings) as outside:
        assert outside.run([sys.executable, "-c", PROGRAM, str(out)]) == 7
    port, doors, names = out.read_text().split(" ", 2)
    assert int(port) == settings.page_port
    assert names == "['lo']"
    assert not Path(doors).exists()
