"""What is decided while the disk is full: nothing of it is sent before it can be kept.

The xApp's process may write no file beyond a size, as where its disk is full; the same calls fail
at the same places. What the base station says of its cell is asked for all the while.
"""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.xapp.whole.scene import World, until
from tests.xapp.whole.test_faults import quota_held
from xapp.ric import usrsctp

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not usrsctp.available(), reason="libusrsctp2 is not installed")]
QUICK = """
limits: {hold: 1, most_changes: 30, linger: 60, silent: 30, abandon: 3600}
steering: {actions_per_minute: 120, actions_in_a_row: 20, put_back_seconds: 0.5}
"""
FULL = 128 << 10  # bytes beyond which no file can be written
REPORTS = 25  # of all slices: some seconds, in each of which it looks at everything


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path, QUICK) as world:
        node = world.node("oai")
        node.ready()
        until(lambda: world.xapp.get("status")["ues"] == 4, "all UEs")
        yield world


@contextmanager
def full_disk(world: World) -> Iterator[None]:
    pid, wal = world.xapp.process.pid, Path(f"{world.xapp.store}-wal")
    until(lambda: wal.stat().st_size > 2 * FULL, "a log that is longer than what is left")
    limits = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (FULL, limits[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)


def reported(world: World) -> None:
    """Wait until so many more reports were looked at."""
    before = world.xapp.metric("indications_total")
    until(lambda: world.xapp.metric("indications_total") >= before + REPORTS, "reports")


def codes(world: World) -> list[str]:
    """Of the audit log: kinds of lines, and codes of events."""
    return [one["body"]["code"] if one["kind"] == "event" else one["kind"]
            for one in world.xapp.audit()]


def test_a_new_decision_is_not_sent_until_it_can_be_kept(world: World) -> None:
    node = world.nodes[0]
    with full_disk(world):
        until(lambda: "kept" in str(world.xapp.get("status")["reasons"]), "it says so")
        lines = len(world.xapp.audit())
        world.tap.sees(node.llm_address)  # whose slice needs a share now
        until(lambda: world.xapp.get("status")["flows"].get("llm_split"), "the flow is known")
        reported(world)
        assert node.untouched
        assert len(world.xapp.audit()) == lines
        assert "Nothing new is sent to any node" in world.xapp.text
    until(lambda: world.xapp.get("status")["ready"], "it is ready again")
    until(lambda: not node.untouched, "what was decided is done")
    until(lambda: world.xapp.decisions(node.name, "confirmed", "unproven"), "it is kept")
    until(lambda: quota_held(node, world.xapp.audit()) == node.shares(), "both sides agree")
    # In the order in which it was: decided while nothing could be kept, sent when it could.
    found = codes(world)
    order = [found.index(one) for one in ("store_down", "decision", "store_up", "action", "sent")]
    assert order == sorted(order)
    assert world.xapp.count("store_dropped") == 0
