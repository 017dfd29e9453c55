"""Log lines are written by a thread: a console that does not read holds up nobody.

    with logging_aside("info"):
        ...
"""

from __future__ import annotations

import contextlib
import logging
import logging.handlers
import queue
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TextIO

MOST_LINES = 10_000  # that wait for a console
END_SECONDS = 5.0  # for a console that does not read, at the end


@contextmanager
def logging_aside(level: str, stream: TextIO | None = None) -> Iterator[None]:
    """All lines from `level` on, to `stream`."""
    waiting: queue.Queue[logging.LogRecord | None] = queue.Queue(MOST_LINES)
    handler = logging.StreamHandler(stream)  # None is stderr
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    writer = threading.Thread(target=_write, args=(waiting, handler), name="xapp-log",
                              daemon=True)
    aside = _Aside(waiting)
    root = logging.getLogger()
    with ExitStack() as stack:
        root.addHandler(aside)
        stack.callback(root.removeHandler, aside)
        before = root.level
        root.setLevel(level.upper())
        stack.callback(root.setLevel, before)
        writer.start()
        stack.callback(_end, waiting, writer)
        yield


def _write(waiting: queue.Queue[logging.LogRecord | None], handler: logging.Handler) -> None:
    while (record := waiting.get()) is not None:
        handler.handle(record)


def _end(waiting: queue.Queue[logging.LogRecord | None], writer: threading.Thread) -> None:
    """All that waits is written first, unless the console still does not read."""
    with contextlib.suppress(queue.Full):
        waiting.put(None, timeout=END_SECONDS)
    writer.join(END_SECONDS)


class _Aside(logging.handlers.QueueHandler):
    """Lines beyond what the queue holds are left out: they would be late, and the store has all."""

    def enqueue(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(queue.Full):
            self.queue.put_nowait(record)
