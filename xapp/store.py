"""The xApp's memory: one thread writes what happened to SQLite, in the order in which it came.

    store = Store(Path("xapp.db"), report)      # report is called in the thread that writes
    store.put(record, ticket="3.17")            # never waits; Committed("3.17") comes when on disk

What has a ticket is an intent that nobody acts on before `Committed`. Where the disk is full or the
file locked, intents are refused (`NotCommitted`), `Down` is told once, and all else is kept and
written when there is room again (`Up`). Wall time is only written down, never calculated with.
"""

from __future__ import annotations

import enum
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from xapp import store_schema, store_tables
from xapp.errors import ConfigurationError, StoreError
from xapp.store_checkpoint import MOST_PAGES, Checkpoints
from xapp.store_history import prune
from xapp.store_records import Kind, Record, Sample
from xapp.store_schema import open_writer, told

MOST_QUEUED = 50_000  # records that wait for the disk, some 50 MB: hours of a busy xApp
MOST_BATCH = 512  # records of one transaction, so that an intent never waits for more
PAGE_BYTES = 4096
_BAD_RECORD = (ValueError, TypeError, KeyError, OverflowError)  # of one that is no JSON


@dataclass(frozen=True)
class StoreConfig:
    """How much is kept, and how patiently."""

    most_bytes: int = 4 << 30  # of the file
    retry_seconds: float = 0.5  # between attempts while nothing can be written
    prune_seconds: float = 60.0  # between looks for history that is too old or too much
    fine_seconds: float = 3600.0  # for which every sample of the history is kept
    coarse_seconds: float = 10.0  # of which one sample is kept after that
    history_seconds: float = 7 * 86400.0  # after which none is
    most_samples: int = 2_000_000
    most_events: int = 20_000  # for the console; the audit log keeps all

    def __post_init__(self) -> None:
        if self.most_bytes < 64 * PAGE_BYTES or min(
                self.retry_seconds, self.prune_seconds, self.coarse_seconds) <= 0:
            raise ConfigurationError("A store needs 256 KiB, and times above 0.",
                                     "Leave them out for the defaults.")


@dataclass(frozen=True, slots=True)
class Committed:
    """The record of that ticket is on disk."""

    ticket: str


@dataclass(frozen=True, slots=True)
class NotCommitted:
    """It is not, and never will be."""

    ticket: str
    why: str


@dataclass(frozen=True, slots=True)
class Down:
    """Nothing can be written; what is no intent is kept, and tried again."""

    why: str


@dataclass(frozen=True, slots=True)
class Up:
    """All that was kept is written."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """More came than can be kept, or one record could not be written at all."""

    what: str
    count: int


Report = Committed | NotCommitted | Down | Up | Dropped


@dataclass(frozen=True, slots=True)
class _Item:
    what: Record | Sample
    ticket: str | None
    time: float


class _Touch(enum.Enum):
    """In the queue: have the log begin anew."""

    NOW = enum.auto()


_TOUCH = _Touch.NOW


class Store:
    """The one who writes."""

    def __init__(self, path: Path, report: Callable[[Report], None],
                 config: StoreConfig | None = None, wall: Callable[[], float] = time.time) -> None:
        self.path, self.config = path, config or StoreConfig()
        self._report, self._wall = report, wall
        self._claim = _claim(path)
        try:
            self._connection = open_writer(path, self.config.most_bytes // PAGE_BYTES)
        except StoreError:
            self._claim.release()
            raise
        self._queue: queue.SimpleQueue[_Item | _Touch | None] = queue.SimpleQueue()
        self._lock, self._queued = threading.Lock(), 0
        self._ending = threading.Event()
        self._down = False
        self._pruned = time.monotonic()
        try:
            self.run = self._begin_run()
            self._head = store_tables.head(self._connection)
            self._connection.execute(f"PRAGMA wal_autocheckpoint={MOST_PAGES}")
        except (sqlite3.Error, StoreError) as error:
            self._connection.close()
            self._claim.release()
            raise told(path, error) if isinstance(error, sqlite3.Error) else error from error
        self._checkpoints = Checkpoints(path, lambda: self._queue.put(_TOUCH))
        self._thread = threading.Thread(target=self._write_all, name="xapp-store", daemon=True)
        self._thread.start()

    def put(self, what: Record | Sample, ticket: str | None = None) -> bool:
        """Have it written; False where too much waits already, and it is not."""
        most = MOST_QUEUED // 2 if isinstance(what, Sample) else MOST_QUEUED
        with self._lock:
            if self._queued >= most or self._ending.is_set():
                return False
            self._queued += 1
        self._queue.put(_Item(what, ticket, self._wall()))
        return True

    @property
    def waiting(self) -> int:
        """What is not on disk yet."""
        return self._queued

    @property
    def thread(self) -> int:
        """Of the one who writes, by its native id: on its commits others wait."""
        assert self._thread.native_id is not None  # it was started
        return self._thread.native_id

    def close(self, clean: bool = True, timeout: float = 10.0) -> None:
        """Write what waits, and end. `clean`: the run ended as it should."""
        if clean:
            self.put(Record(Kind.RUN_ENDED, str(self.run)))
        self._ending.set()
        self._queue.put(None)
        self._thread.join(timeout)
        if self._thread.is_alive():
            raise StoreError(f"{self.path} did not take the last {self.waiting} records in "
                             f"{timeout:g} s.", "Look at its disk.")

    # In the thread that writes.

    def _write_all(self) -> None:
        waiting: list[_Item] = []
        last = False
        while not (last and not waiting):
            last = self._gather(waiting) or last
            done = self._write(waiting)
            del waiting[:done]
            with self._lock:
                self._queued -= done
            if waiting and not done:
                waiting = self._refuse_intents(waiting)
                if last:
                    self._report(Dropped("records at the end, as nothing can be written",
                                         len(waiting)))
                    break
                self._ending.wait(self.config.retry_seconds)
            elif time.monotonic() - self._pruned > self.config.prune_seconds:
                self._prune()
        self._checkpoints.close()
        self._connection.close()
        self._claim.release()

    def _gather(self, waiting: list[_Item]) -> bool:
        """Wait for something to write, and take more that is there; True at the end."""
        try:
            block = not waiting
            while len(waiting) < MOST_BATCH or self._down:
                item = self._queue.get(block=block, timeout=self.config.prune_seconds)
                if item is None:
                    return True
                if isinstance(item, _Touch):
                    self._begin_log()
                    continue
                waiting.append(item)
                block = False
        except queue.Empty:
            pass
        return False

    def _write(self, waiting: list[_Item]) -> int:
        """How many were written."""
        batch = waiting[:MOST_BATCH]
        if not batch:
            return 0
        try:
            self._transaction(batch)
        except (sqlite3.Error, *_BAD_RECORD) as error:
            return self._failed(batch, error)
        if self._down and len(waiting) == len(batch):
            self._down = False
            self._report(Up())
        for item in batch:
            if item.ticket is not None:
                self._report(Committed(item.ticket))
        return len(batch)

    def _transaction(self, batch: list[_Item]) -> None:
        connection, last = self._connection, self._head
        connection.execute("BEGIN IMMEDIATE")
        try:
            for item in batch:
                if isinstance(item.what, Sample):
                    store_tables.write_sample(connection, item.what, item.time)
                else:
                    last = store_tables.write(connection, item.what, item.time, last)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        self._head = last
        self._checkpoints.written()

    def _begin_log(self) -> None:
        """Write what was there already, so that the log begins anew now: see `Checkpoints`."""
        try:
            version = self._connection.execute("PRAGMA user_version").fetchone()[0]
            self._connection.execute(f"PRAGMA user_version={version}")
        except sqlite3.Error:
            self._checkpoints.written()  # the next record meets the same, and tells it

    def _failed(self, batch: list[_Item], error: Exception) -> int:
        """What is to be done about it; how many are done with."""
        if isinstance(error, sqlite3.DatabaseError) and (
                isinstance(error, sqlite3.OperationalError) or store_schema.is_damage(error)):
            if not self._down:
                self._down = True
                self._report(Down(str(told(self.path, error))))
            return 0
        # The file is well, so a record is not: it must not stop all others.
        if len(batch) > 1:
            return self._write(batch[:1])
        self._report(Dropped(f"a record of {batch[0].what.kind} ({error})", 1))
        if batch[0].ticket is not None:
            self._report(NotCommitted(batch[0].ticket, str(error)))
        return 1

    def _refuse_intents(self, waiting: list[_Item]) -> list[_Item]:
        """Nobody is to act on what cannot be kept."""
        if not self._down:
            return waiting
        kept = []
        for item in waiting:
            if item.ticket is None:
                kept.append(item)
            else:
                self._report(NotCommitted(item.ticket, "the store cannot be written"))
        with self._lock:
            self._queued -= len(waiting) - len(kept)
        return kept

    def _prune(self) -> None:
        self._pruned = time.monotonic()
        try:
            prune(self._connection, self._wall(), self.config.fine_seconds,
                  self.config.coarse_seconds, self.config.history_seconds,
                  self.config.most_samples, self.config.most_events)
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            self._report(Dropped(f"pruning of the history ({error})", 0))

    def _begin_run(self) -> int:
        connection, now = self._connection, self._wall()
        connection.execute("BEGIN IMMEDIATE")
        number = int(connection.execute(
            "INSERT INTO runs(started) VALUES(?)", (now,)).lastrowid or 0)
        store_tables.write(connection, Record(Kind.RUN_STARTED, str(number)), now,
                           store_tables.head(connection))
        connection.execute("COMMIT")
        return number


def _claim(path: Path) -> FileLock:
    """The right to write to a store; it ends with the process, however that ends."""
    if not path.parent.is_dir():
        raise StoreError(f"There is no folder {path.parent}.", "Make it, or name another.")
    lock = FileLock(f"{path}.lock", timeout=0, thread_local=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise StoreError(f"{path} is in use by another xApp.",
                         "End that one, or name another file.") from error
    except OSError as error:
        raise StoreError(f"Cannot lock {path}: {error}.",
                         "Name a file in a folder that can be written to.") from error
    return lock
