"""Log lines are written by a thread: a console that does not read holds up nobody.

    with logging_aside("info"):
        ...
"""

from __future__ import annotations

import contextlib
import logging
import logging.handlers
import queue
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TextIO

MOST_LINES = 10_000  # that wait for a console


@contextmanager
def logging_aside(level: str, stream: TextIO | None = None) -> Iterator[None]:
    """All lines from `level` on, to `stream`."""
    waiting: queue.Queue[logging.LogRecord] = queue.Queue(MOST_LINES)
    handler = logging.StreamHandler(stream)  # None is stderr
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    listener = logging.handlers.QueueListener(waiting, handler)
    aside = _Aside(waiting)
    root = logging.getLogger()
    with ExitStack() as stack:
        root.addHandler(aside)
        stack.callback(root.removeHandler, aside)
        before = root.level
        root.setLevel(level.upper())
        stack.callback(root.setLevel, before)
        listener.start()
        stack.callback(listener.stop)
        yield


class _Aside(logging.handlers.QueueHandler):
    """Lines beyond what the queue holds are left out: they would be late, and the store has all."""

    def enqueue(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(queue.Full):
            self.queue.put_nowait(record)
