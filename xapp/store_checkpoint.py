"""Moves what was written from the store's log (WAL) into its file, beside the one who writes.

SQLite would do it within a commit every thousand pages, for as long as the disk needs to sync: some
milliseconds in which an intent waits. A passive checkpoint holds up no writer. Once all is moved,
the log begins anew with the next thing written, which waits for its sync: `after` has the writer
write something at once, so that this is seldom an intent. What cannot be moved now is moved the
next time; the writer does it by itself where the log has grown too long.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

from xapp.store_schema import BUSY_MS

SECONDS = 60.0  # between two
MOST_PAGES = 16_384  # of 4 KiB in the log; beyond that the writer checkpoints by itself


class Checkpoints:
    """A thread that does it, from its making to `close`."""

    def __init__(self, path: Path, after: Callable[[], None], seconds: float = SECONDS) -> None:
        self._path, self._after, self._seconds = path, after, seconds
        self._written, self._ending = threading.Event(), threading.Event()
        self.done = 0  # checkpoints that moved something, or failed
        self.why = ""  # the last one failed, where it did
        self._thread = threading.Thread(target=self._run, name="xapp-checkpoints", daemon=True)
        self._thread.start()

    def written(self) -> None:
        """There is something to move."""
        self._written.set()

    def close(self, timeout: float = 10.0) -> None:
        self._ending.set()
        self._written.set()
        self._thread.join(timeout)

    def _run(self) -> None:
        while True:
            self._written.wait()
            if self._ending.wait(self._seconds):
                return
            self._written.clear()
            self.why = _checkpoint(self._path)
            self.done += 1
            self._after()


def _checkpoint(path: Path) -> str:
    """Why it failed; empty: it did not."""
    try:
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True,
                                     timeout=BUSY_MS / 1000, isolation_level=None)
        try:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        finally:
            connection.close()
    except sqlite3.Error as error:  # the writer meets the same, and tells it
        return str(error)
    return ""
