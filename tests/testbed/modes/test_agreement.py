"""Whose counts there are, and at which byte they no longer agree."""

from __future__ import annotations

from dataclasses import replace

import pytest

from testbed.modes.agreement import counts_of
from testbed.modes.capture import Captured
from testbed.modes.figures import Far, Measured, Turn

COUNTED = Measured([], 0.5, 1200, 130)
SOCKETS, SEEN = Far(1200, 130), Captured(1200, 130)


@pytest.mark.parametrize(("far", "captured", "agree", "who"), [
    (SOCKETS, SEEN, True, "both sides and capture"),
    (SOCKETS, None, None, "both sides"),
    (SOCKETS, Captured(None, None), None, "both sides"),  # frames were lost
    (Far(), SEEN, None, "client and capture"), (Far(), None, None, "client"),
    (Far(1199, 130), None, False, "both sides"), (Far(1200, 131), None, False, "both sides"),
    (Far(1199, 130), SEEN, False, "both sides and capture"),
    (SOCKETS, Captured(1200, 131), False, "both sides and capture"),
    (Far(), Captured(1199, 130), False, "client and capture")])
def test_a_yes_needs_both_sides_and_a_capture(
    far: Far, captured: Captured | None, agree: bool | None, who: str
) -> None:
    found = counts_of(replace(COUNTED, far=far, captured=captured))
    assert (found["bytes_agree"], found["counted_by"]) == (agree, who)


def test_each_count_is_there_to_be_read() -> None:
    """Whole numbers, where an edge's metrics have a point."""
    found = counts_of(replace(COUNTED, far=Far(1199.0, 129.0), captured=Captured(1198, 128)))
    assert [repr(found[name]) for name in (
        "server_up", "server_down", "captured_up", "captured_down")] == ["1199", "129", "1198",
                                                                        "128"]


def test_where_nothing_is_sent_nobody_counts() -> None:
    assert set(counts_of(Measured([], 0.5, None, None)).values()) == {None}


@pytest.mark.parametrize(("connections", "up", "down", "agree"), [
    (1, 0, 0, True), (1, 0, 3, True), (1, 0, 4, True), (1, 0, -4, True),  # its name has 2 digits
    (1, 0, 5, False), (1, 0, -5, False), (1, 1, 0, False), (1, -1, 0, False), (1, 7, 3, False),
    (3, 0, 12, True), (3, 0, 13, False), (8, 0, 38, False)])  # a token's frame
def test_the_answer_to_a_ping_may_be_under_way_and_nothing_else(
    connections: int, up: int, down: int, agree: bool
) -> None:
    """One of each connection, of an edge: the modes' server knows no pings."""
    turns = [Turn(which, 0, (5,), ()) for which in range(connections)]
    far = Far(1200 + up, 130 + down, pinged=True)
    measured = replace(COUNTED, turns=turns, far=far, captured=SEEN)
    assert counts_of(measured)["bytes_agree"] is agree
    unpinged = replace(measured, far=replace(far, pinged=False))
    assert counts_of(unpinged)["bytes_agree"] is (up == down == 0)


def test_a_long_trials_pings_have_longer_names() -> None:
    turns, far = [Turn(0, 0, (5,), ())], Far(1200, 135, pinged=True)
    for seconds, agree in ((30.0, False), (60.0, True)):
        assert counts_of(replace(COUNTED, turns=turns, seconds=seconds, far=far, captured=SEEN)
                         )["bytes_agree"] is agree
