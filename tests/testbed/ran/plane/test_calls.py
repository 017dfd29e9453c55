"""Calls of the C library give what Python's own do, compiled and plain."""

from __future__ import annotations

import os
import subprocess
import sys

from testbed.ran.plane.counting import now_ns
from testbed.ran.plane.memory import make

PROGRAM = """
import socket, time
from tests.testbed.ran.plane.scene import CORE, packet, received, scene, ue_address
with scene(tunnel=True) as one:
    one.core.send(packet(CORE, ue_address(1)))
    one.ues[0].send(packet(ue_address(0), CORE))
    one.slot()
    one.slot()
    assert received(one.ues[1]) == [packet(CORE, ue_address(1))]
    assert received(one.core) == [packet(ue_address(0), CORE)]
"""


def test_the_loop_does_the_same_without_being_compiled() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True,
                          env={**os.environ, "AIRSPLIT_UNCOMPILED": "1"}, timeout=120)
    assert done.returncode == 0, done.stderr


def test_the_clock_goes_forward() -> None:
    plane = make(1400, 1_000_000, 10, 1)
    assert now_ns(plane) <= now_ns(plane)
