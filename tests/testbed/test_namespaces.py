"""Who may make namespaces is asked of capabilities, not of a user's number."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from testbed import namespaces
from testbed.errors import NotRoot

ASK = "from testbed import namespaces; print(namespaces.lacking(), namespaces.available())"


@pytest.mark.parametrize(("status", "bits"), [
    ("Name:\tx\nCapInh:\t00ff\nCapEff:\t0000000000201000\nCapBnd:\tffff\n", 1 << 21 | 1 << 12),
    ("CapEff:\t0000000000000000\n", 0), ("Name:\tx\n", 0), ("", 0)])
def test_capabilities_are_read(status: str, bits: int) -> None:
    assert namespaces.effective_capabilities(status) == bits


def test_without_them_the_missing_ones_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(namespaces, "lacking", lambda: ["CAP_NET_ADMIN"])
    assert not namespaces.available()
    with pytest.raises(NotRoot, match="lacks CAP_NET_ADMIN"):
        namespaces.require()


@pytest.mark.skipif(not namespaces.available() or shutil.which("setpriv") is None,
                    reason="no capabilities to give up here")
def test_root_that_gave_them_up_may_not() -> None:
    """By a shell: setpriv itself still has the rights that it gives up when it starts a program."""
    done = subprocess.run(["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-all", "sh", "-c",
                           '"$0" -c "$1"', sys.executable, ASK], capture_output=True, text=True,
                          cwd=Path(namespaces.__file__).parents[1], check=True)
    assert done.stdout == "['CAP_SYS_ADMIN'] False\n"
