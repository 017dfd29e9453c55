"""The same without root: a user plane inside a user namespace."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from testbed import namespaces
from testbed.errors import NotRoot
from testbed.ran.plane import user_namespace

PROGRAM = """
import re
from testbed.ran.plane.config import TunnelConfig, simple_plane
from testbed.ran.plane.user_plane import UserPlane
from tests.testbed.ran.plane.sockets import echo
with UserPlane(simple_plane(2, "airsplit-test-user", TunnelConfig())) as plane:
    echo(plane, "ue1", "10.46.0.2", "10.46.0.1")
    echo(plane, "ue2", "fd45:0:0:2::1", "fd45::1")
    plane.detach("ue2")
    plane.attach("ue2", {0: ("10.45.0.9", None)})
    echo(plane, "ue2", "10.45.0.9", "10.45.0.1")
    print(plane.statistics().scheduling)
"""


def test_everything_works_in_a_user_namespace_but_priority() -> None:
    reason = user_namespace.why_not()
    if reason is not None:
        pytest.skip(f"no user namespaces: {reason}")
    done = subprocess.run(user_namespace.inside([sys.executable, "-c", PROGRAM]),
                          capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(("ordinary: SCHED_FIFO needs", "SCHED_FIFO"))
    assert "airsplit-test-user" not in namespaces.command("ip", "netns", "list")


def test_where_nothing_can_be_made_the_reason_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(namespaces, "available", lambda: False)
    monkeypatch.setattr(shutil, "which", lambda program: None)
    with pytest.raises(NotRoot, match="`unshare` is not installed"):
        user_namespace.means()
    monkeypatch.setattr(user_namespace, "why_not", lambda: None)
    assert user_namespace.means() == "user namespace"
    monkeypatch.setattr(namespaces, "available", lambda: True)
    assert user_namespace.means() == "root"
