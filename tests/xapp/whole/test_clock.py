"""Somebody sets the clock of the machine while the xApp steers: forward, back, by hours and years.

The whole process sees it, SQLite included: a library that is loaded before all others adds to its
wall clock what a file says. Quotas, the audit log and the base station have to agree after each
jump, and what is decided, kept and put back has to go on as if nothing had happened.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.xapp.whole.scene import World, until
from tests.xapp.whole.test_faults import floor_holds, quota_held
from xapp.ric import usrsctp
from xapp.store_read import Reader

HERE = Path(__file__).resolve().parent
COMPILER = shutil.which("cc")
pytestmark = [
    pytest.mark.long, pytest.mark.skipif(COMPILER is None or not usrsctp.available(),
                                         reason="a C compiler or libusrsctp2 is missing")]
HOUR, YEAR = 3600, 365 * 86400
JUMPS = (HOUR, -2 * HOUR, 10 * YEAR, -30 * YEAR)  # seconds, one after the other
NEAR = 600.0  # seconds between what the log says and what the clock shows, on a busy machine
QUICK = """
limits: {hold: 1, most_changes: 30, linger: 1, silent: 10, abandon: 3600}
steering: {actions_per_minute: 120, actions_in_a_row: 20, put_back_seconds: 0.5}
"""
FREE = (0, 100, 0)


@dataclass
class Clock:
    """The xApp's wall clock."""

    file: Path
    ahead: int = 0  # seconds, of this process's

    def jump(self, seconds: int) -> None:
        self.ahead += seconds
        with self.file.open("r+b") as file:
            file.write(struct.pack("=q", self.ahead))

    @property
    def now(self) -> float:
        return time.time() + self.ahead


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    file = tmp_path / "offset"
    file.write_bytes(struct.pack("=q", 0))
    return Clock(file)


@pytest.fixture
def world(tmp_path: Path, clock: Clock) -> Iterator[World]:
    library = tmp_path / "wall_clock.so"
    subprocess.run([str(COMPILER), "-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o",
                    str(library), str(HERE / "wall_clock.c"), "-ldl"], check=True)
    with World(tmp_path, QUICK, environment={
            "LD_PRELOAD": str(library), "WALL_CLOCK_OFFSET": str(clock.file)}) as world:
        node = world.node("oai")
        node.ready()
        until(lambda: world.xapp.get("status")["ues"] == 4, "all UEs")
        yield world


def agree(world: World) -> None:
    node = world.nodes[0]
    until(lambda: quota_held(node, world.xapp.audit()) == node.shares(), "both sides agree")
    floor_holds(node)


def steer(world: World, on: bool) -> None:
    """The split LLM's flow begins or ends, and its slice's share follows."""
    node = world.nodes[0]
    if on:
        world.tap.sees(node.llm_address)
    else:
        world.tap.over()
    until(lambda: (node.shares()["1-000001"] != FREE) == on, f"it is steered: {on}")
    until(lambda: all(one.certain for one in world.xapp.held().values()), "it is certain")
    agree(world)


def test_a_clock_that_jumps_disturbs_neither_steering_nor_the_log(
    world: World, clock: Clock
) -> None:
    on = True
    steer(world, on)
    began = world.xapp.get("status")
    for jump in JUMPS:
        lines = len(world.xapp.audit())
        clock.jump(jump)
        until(lambda: abs(world.xapp.get("status")["now"] - clock.now) < NEAR,
              "it sees the jump")
        agree(world)  # nothing is let go of, or set anew
        on = not on
        steer(world, on)
        new = world.xapp.audit()[lines:]
        assert {"decision", "sent", "answer", "effect"} <= {one["kind"] for one in new}
        assert all(abs(one["time"] - clock.now) < NEAR for one in new[1:])
        assert world.xapp.get("status")["ready"]
    assert world.xapp.get("status")["decisions"] != began["decisions"]
    for code in ("tap_silent", "control_unanswered", "map_failed", "node_lost", "no_reports"):
        assert world.xapp.count(code) == 0, code  # no time was taken for one that passed
    assert world.xapp.end() == 0
    assert world.nodes[0].untouched
    assert not world.xapp.held()
    assert world.xapp.audit()[-1]["kind"] == "run_ended"
    with Reader(world.xapp.store) as reader:
        assert reader.left().clean


@pytest.mark.slow  # two runs of an xApp each
@pytest.mark.parametrize("jump", [-YEAR, YEAR])
def test_an_xapp_that_is_killed_after_a_jump_finds_what_it_left(
    world: World, clock: Clock, jump: int
) -> None:
    steer(world, True)
    clock.jump(jump)
    steer(world, False)
    steer(world, True)
    steered = world.nodes[0].shares()
    world.xapp.kill()
    clock.jump(-jump)
    world.xapp_again()
    world.xapp.has("left_by_last_run")
    until(lambda: world.xapp.get("status")["ready"], "it is ready")
    until(lambda: all(one.certain for one in world.xapp.held().values()), "it is certain")
    until(lambda: world.nodes[0].shares() == steered, "it goes on as before")
    agree(world)
    assert world.xapp.end() == 0
    assert world.nodes[0].untouched
