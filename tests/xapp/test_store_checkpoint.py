"""The store's log is moved into its file beside the writer, who never waits for it."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from xapp.store import Committed, Report, Store
from xapp.store_checkpoint import Checkpoints
from xapp.store_records import Kind, Record

MOST_PUTS = 3000  # on a machine where the other thread does not come to run
WAIT = 30.0


def until(done: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(int(WAIT / 0.01)):
        if done():
            return
        pause.wait(0.01)
    raise AssertionError("it never came")


def writer(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA wal_autocheckpoint=0")
    connection.execute("CREATE TABLE things(name)")
    return connection



def test_what_was_written_is_moved_while_a_transaction_is_open(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    connection = writer(path)
    before = path.stat().st_size
    checkpoints = Checkpoints(path, lambda: None, 0.01)
    try:
        connection.executemany("INSERT INTO things VALUES(?)", [("x" * 4000,)] * 50)
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO things VALUES('y')")
        checkpoints.written()
        until(lambda: path.stat().st_size > before + 100_000)
        connection.execute("COMMIT")
        assert checkpoints.why == ""
    finally:
        checkpoints.close()
        connection.close()


def test_nothing_is_done_where_nothing_was_written(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    writer(path).close()
    checkpoints = Checkpoints(path, lambda: None, 0.0)
    checkpoints.written()
    until(lambda: checkpoints.done == 1)
    threading.Event().wait(0.05)
    assert checkpoints.done == 1
    checkpoints.close()


def test_one_that_fails_is_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(b"this is no database" * 100)
    checkpoints = Checkpoints(path, lambda: None, 0.0)
    checkpoints.written()
    until(lambda: checkpoints.done == 1)
    assert "not a database" in checkpoints.why
    path.unlink()
    writer(path).close()
    checkpoints.written()
    until(lambda: checkpoints.done == 2)
    assert checkpoints.why == ""
    checkpoints.close()


def test_it_ends_at_once_however_long_it_was_to_wait(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "store.db", lambda: None, 3600.0)
    checkpoints.written()
    checkpoints.close(WAIT)
    assert "xapp-checkpoints" not in [thread.name for thread in threading.enumerate()]


def test_the_writer_begins_the_log_anew_so_that_it_stays_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Checkpoints.__init__, "__defaults__", (0.0,))
    heard: list[Report] = []
    store = Store(tmp_path / "xapp.db", heard.append)
    try:
        log, sizes = tmp_path / "xapp.db-wal", [0]
        # Six pages and more each: the log grows, until it begins anew with the next that comes.
        for number in range(MOST_PUTS):
            store.put(Record(Kind.POLICY, "20981/a", "anna", "put", {
                "type_id": 20981, "instance": "a", "policy": {"x": "y" * 20_000}}), f"{number}")
            until(lambda: len(heard) > number)  # noqa: B023  # it is over before the next
            sizes.append(log.stat().st_size)
            if sizes[-1] <= sizes[-2]:
                break
        else:
            pytest.fail(f"the log grew to {sizes[-1]} bytes")
        assert heard == [Committed(f"{one}") for one in range(number + 1)]
    finally:
        store.close()
