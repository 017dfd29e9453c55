"""SIGTERM ends a command as Ctrl-C does: in order, once, with a status that says by what.

    with ending_in_order():
        ...    # in here SIGTERM is SystemExit(143), so that what was made is taken away

It knows nothing of what there is to end.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn


@contextmanager
def ending_in_order() -> Iterator[None]:
    """Whatever was done on SIGTERM before is done again after the block."""
    if threading.current_thread() is not threading.main_thread():  # Python allows no handler there
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminated)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminated(number: int, frame: FrameType | None) -> NoReturn:
    signal.signal(number, signal.SIG_IGN)  # once is enough: a second one would break the end off
    raise SystemExit(128 + number)
