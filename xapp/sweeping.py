"""Looks for garbage while nothing waits, instead of in the middle of what has to be in time.

    with sweeping() as sweep:      # what is there by now lives as long as the xApp
        sweep.idle(now)            # where the loop has nothing to do right now

Nearly all that the xApp makes goes as soon as it is not used any more; only what refers to itself
has to be looked for. Python does so when enough was made, which is while a report is taken in: that
takes up to some milliseconds. Should nothing ever be idle, it still does, much later. It does not
know what is waited for.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

EVERY = 1.0  # seconds between looks at what is new
WHOLE_EVERY = 60.0  # seconds between looks at all that was made since the start
# Objects more than were let go of, from which Python looks by itself: several times what the
# reports of 4096 UEs are made of, some 100 MB.
YOUNG = 200_000


class Sweep:
    """When it was looked last."""

    def __init__(self) -> None:
        self._last = self._whole = float("-inf")

    def idle(self, now: float) -> None:
        """Look, where it is time to."""
        if now - self._last < EVERY:
            return
        self._last = now
        if now - self._whole < WHOLE_EVERY:
            gc.collect(0)  # what outlives it is looked at with all
        else:
            self._whole = now
            gc.collect()


@contextmanager
def sweeping() -> Iterator[Sweep]:
    """What is there, with all modules, is no garbage: to look at it takes a tenth of a second."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, *before[1:])
    try:
        yield Sweep()
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
