"""Garbage is looked for when nothing waits, and at the end Python's own way is as it was."""

from __future__ import annotations

import gc
import weakref

from xapp.sweeping import EVERY, WHOLE_EVERY, YOUNG, sweeping


class Ring:
    """Refers to itself."""

    def __init__(self) -> None:
        self.own = self


def test_what_refers_to_itself_goes_in_an_idle_moment_and_not_before() -> None:
    with sweeping() as sweep:
        sweep.idle(0.0)
        gone = weakref.ref(Ring())
        sweep.idle(EVERY / 2)
        assert gone() is not None
        sweep.idle(EVERY)
        assert gone() is None


def test_what_outlived_a_look_goes_with_the_next_at_all() -> None:
    with sweeping() as sweep:
        sweep.idle(0.0)
        ring = Ring()
        sweep.idle(EVERY)
        gone = weakref.ref(ring)
        del ring
        sweep.idle(2 * EVERY)
        assert gone() is not None
        sweep.idle(WHOLE_EVERY)
        assert gone() is None


def test_pythons_own_way_is_put_back() -> None:
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    with sweeping():
        assert gc.get_threshold()[0] == YOUNG
        assert gc.get_freeze_count() > frozen
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0
