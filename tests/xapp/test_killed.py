"""The xApp is killed with -9 between decision and answer; the next one makes all agree again."""

from __future__ import annotations

import json
import os
import random
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

from tests.xapp.steering_scene import LLM, NODE, REST, Station
from xapp.actuators.base import E2Control
from xapp.actuators.targets import SliceTarget
from xapp.e2.profiles import PROFILES
from xapp.steering_guard import below_floor
from xapp.store_read import Reader

ROOT = Path(__file__).resolve().parents[2]
DEATHS = 8
FLOORS = {REST: 10, LLM: 5}  # that what it wishes for keeps
HANG_SECONDS = 60.0


class Mortal:
    """An xApp in a process of its own, and the base station that it steers."""

    def __init__(self, path: Path, station: Station, mode: str) -> None:
        self.station = station
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.xapp.mortal_xapp", str(path), mode], cwd=ROOT,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.into: IO[bytes] = self.process.stdin
        self.out: IO[bytes] = self.process.stdout
        self._read = b""

    def lines(self, seconds: float) -> list[str]:
        """What it says within that time."""
        if select.select([self.out], [], [], seconds)[0]:
            self._read += os.read(self.out.fileno(), 1 << 20)
        *whole, self._read = self._read.split(b"\n")
        return [line.decode() for line in whole]

    def report(self) -> None:
        shares = " ".join(str(share) for share in self.station.shares().values())
        self.into.write(f"shares {shares}\n".encode())

    def obey(self, line: str) -> None:
        call, words = line.split()[1:]
        oid, header, message = json.loads(words)
        self.station.obey(E2Control(NODE, "du", oid, 0, bytes.fromhex(header),
                                    bytes.fromhex(message), ()))
        self.into.write(f"ack {call}\n".encode())

    def end(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.into.close()
        self.out.close()


def test_killed_at_any_moment_all_agree_again(tmp_path: Path) -> None:
    path, station = tmp_path / "xapp.db", Station(PROFILES["spec"])
    chance = random.Random(7)
    orders = 0
    for _ in range(DEATHS):
        mortal = Mortal(path, station, "wishes")
        orders += live(mortal, chance)
        mortal.end()
        assert below_floor(station.slices, FLOORS) is None
    assert orders > DEATHS  # it was killed in the middle of something
    mortal = Mortal(path, station, "rest")
    until_quiet(mortal)
    mortal.end()
    with Reader(path) as reader:
        held = reader.held()
        assert reader.verify() is None
        left = reader.left()
    assert held
    assert left.actions == left.decisions == ()
    assert all(one.certain or one.resting for one in held)
    for one in held:
        assert isinstance(one.target, SliceTarget)
        assert station.slices[one.target.snssai] == one.confirmed
    assert below_floor(station.slices, FLOORS) is None


def live(mortal: Mortal, chance: random.Random) -> int:
    """Answer some orders, and stop at one, obeyed or not, or soon after; how many there were."""
    orders, last = 0, chance.randint(1, 6)
    deadline = time.monotonic() + HANG_SECONDS
    while time.monotonic() < deadline:
        mortal.report()
        for line in mortal.lines(0.02):
            if line.startswith("send"):
                orders += 1
                if orders == last and chance.random() < 0.5:
                    return orders  # it never came there
                mortal.obey(line)
                if orders == last:
                    time.sleep(chance.random() * 0.003)  # into its writing of the answer
                    return orders
    raise AssertionError("it gave too few orders")


def until_quiet(mortal: Mortal) -> None:
    deadline = time.monotonic() + HANG_SECONDS
    quiet = 0
    while quiet < 3:
        assert time.monotonic() < deadline
        mortal.report()
        for line in mortal.lines(0.05):
            if line.startswith("send"):
                mortal.obey(line)
            quiet = quiet + 1 if line == "quiet" else 0
