"""The clock, and places that are lent and given back."""

from __future__ import annotations

import time

from testbed.ran.plane.counting import drop, is_lost, next_place, now_ns, release, sleep_until
from testbed.ran.plane.headers import UP
from testbed.ran.plane.memory import PLACES, Count, Mark, make


def test_the_clock_is_pythons() -> None:
    plane = make(1400, 1_000_000, 10, 1)
    before = time.monotonic_ns()
    assert before <= now_ns(plane) <= time.monotonic_ns()


def test_sleeping_ends_at_its_time_and_not_at_all_when_stopped() -> None:
    plane = make(1400, 1_000_000, 10, 1)
    due = time.monotonic_ns() + 3_000_000
    assert sleep_until(plane, due) >= due
    plane.marks[Mark.STOP] = 1
    assert sleep_until(plane, due + 3_600 * 10**9) < due + 60 * 10**9


def test_a_place_that_was_given_back_is_the_next() -> None:
    plane = make(1400, 1_000_000, 10, 1, places=3)
    assert next_place(plane) == 0
    plane.marks[Mark.FREE] = 0
    assert next_place(plane) == PLACES  # the one that nobody owns
    release(plane, 2)
    assert next_place(plane) == 2


def test_a_drop_is_counted_for_its_bearer_if_there_is_one() -> None:
    plane = make(1400, 1_000_000, 10, 1)
    drop(plane, UP, Count.OVERSIZE, -1, 1500)
    drop(plane, UP, Count.OVERSIZE, 3, 1500)
    assert plane.counts[UP, Count.OVERSIZE] == 2
    assert plane.octets[UP, Count.OVERSIZE] == 3000
    assert plane.of_bearer.sum() == plane.of_bearer[3, UP, 2] == 1


def test_losses_are_as_many_as_asked_for_and_the_same_each_time() -> None:
    def losses(seed: int, share: float) -> list[bool]:
        plane = make(1400, 1_000_000, 10, seed)
        plane.backhaul[UP, 0] = round(share * (1 << 31))
        return [is_lost(plane, UP) for _ in range(4000)]

    assert not any(losses(1, 0.0))
    assert all(losses(1, 1.0))
    assert abs(sum(losses(1, 0.1)) - 400) < 80
    assert losses(1, 0.1) == losses(1, 0.1) != losses(2, 0.1)
