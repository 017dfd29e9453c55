"""The file in which the xApp's memory is kept: its tables, their versions, how it is opened.

SQLite in WAL mode with synchronous=NORMAL: what was committed survives a kill -9 of the process;
a power cut may take the last moments, and never damages the file. The audit log is append-only
(triggers refuse anything else) and chained by hashes. It does not know what is written when.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from xapp.errors import StoreError

APPLICATION = 0x61697278  # "airx": this file is an xApp's, and no other program's
BUSY_MS = 250  # that a writer waits for another process's lock
MOST_WAL_BYTES = 16 * 1024 * 1024  # that the log beside the file keeps after a checkpoint

# What every version adds. Version n is reached by the first n scripts; a script is never changed.
MIGRATIONS: tuple[str, ...] = ("""
CREATE TABLE runs(number INTEGER PRIMARY KEY, started REAL NOT NULL, ended REAL);
CREATE TABLE audit(
    number INTEGER PRIMARY KEY, time REAL NOT NULL, kind TEXT NOT NULL, who TEXT NOT NULL,
    subject TEXT NOT NULL, why TEXT NOT NULL, body TEXT NOT NULL, hash TEXT NOT NULL);
CREATE TRIGGER audit_keeps BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_stays BEFORE DELETE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TABLE decisions(
    number INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, time REAL NOT NULL, cell TEXT NOT NULL,
    policy TEXT NOT NULL, reason TEXT NOT NULL, body TEXT NOT NULL, state TEXT NOT NULL,
    ended REAL, detail TEXT NOT NULL DEFAULT '');
CREATE INDEX decisions_cell ON decisions(cell, number);
CREATE INDEX decisions_open ON decisions(number) WHERE ended IS NULL;
CREATE TABLE actions(
    id TEXT PRIMARY KEY, decision TEXT, cell TEXT NOT NULL, actuator TEXT NOT NULL,
    time REAL NOT NULL, body TEXT NOT NULL, outcome TEXT, ended REAL,
    why TEXT NOT NULL DEFAULT '');
CREATE INDEX actions_decision ON actions(decision);
CREATE INDEX actions_open ON actions(outcome) WHERE outcome IS NULL;
CREATE TABLE steps(
    number INTEGER PRIMARY KEY, action TEXT NOT NULL, decision TEXT, time REAL NOT NULL,
    kind TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX steps_action ON steps(action);
CREATE INDEX steps_decision ON steps(decision);
CREATE TABLE targets(target TEXT PRIMARY KEY, cell TEXT NOT NULL, body TEXT NOT NULL,
    time REAL NOT NULL);
CREATE TABLE policies(type_id INTEGER NOT NULL, instance TEXT NOT NULL, body TEXT NOT NULL,
    time REAL NOT NULL, who TEXT NOT NULL, PRIMARY KEY(type_id, instance));
CREATE TABLE modes(name TEXT PRIMARY KEY, body TEXT NOT NULL, time REAL NOT NULL);
CREATE TABLE events(
    number INTEGER PRIMARY KEY, time REAL NOT NULL, level TEXT NOT NULL, code TEXT NOT NULL,
    sentence TEXT NOT NULL, subject TEXT NOT NULL);
CREATE TABLE samples(
    kind TEXT NOT NULL, subject TEXT NOT NULL, time REAL NOT NULL, figures TEXT NOT NULL);
CREATE INDEX samples_subject ON samples(kind, subject, time);
CREATE INDEX samples_time ON samples(time);
""",)


def open_writer(path: Path, most_pages: int | None = None,
                migrations: tuple[str, ...] = MIGRATIONS) -> sqlite3.Connection:
    """The one connection that writes; made, brought up to date and checked."""
    try:
        if not path.exists():  # the file says what is done to a network, and by whom
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"Cannot open {path}: {error}.",
                         "Name a file in a folder that can be written to.") from error
    try:
        connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")
        _check(connection, path)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute(f"PRAGMA journal_size_limit={MOST_WAL_BYTES}")
        connection.execute("PRAGMA foreign_keys=ON")
        if most_pages is not None:
            connection.execute(f"PRAGMA max_page_count={most_pages}")
        migrate(connection, path, migrations)
    except sqlite3.Error as error:
        connection.close()
        raise told(path, error) from error
    except StoreError:
        connection.close()
        raise
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write."""
    if not path.exists():
        raise StoreError(f"There is no {path}.", "Name the file that an xApp was given as its "
                         "`store`: xapp.db, where nothing was.")
    if path.is_dir():
        raise StoreError(f"{path} is a folder.",
                         f"Name the xApp's store in it, such as {path / 'xapp.db'}.")
    try:
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True,
                                     isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise told(path, error) from error
    try:
        connection.execute("PRAGMA query_only=ON")
        connection.execute("PRAGMA busy_timeout=2000")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION:
            raise _not_ours(path)
        if version > len(MIGRATIONS):
            raise _newer(path, version)
    except sqlite3.Error as error:
        connection.close()
        raise told(path, error) from error
    except StoreError:
        connection.close()
        raise
    return connection


def migrate(connection: sqlite3.Connection, path: Path, migrations: tuple[str, ...]) -> None:
    """Bring the tables up to date, each version in a transaction of its own."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(migrations):
        raise _newer(path, version)
    for number, script in enumerate(migrations[version:], version + 1):
        connection.executescript(
            f"BEGIN IMMEDIATE; {script} PRAGMA user_version={number}; "
            f"PRAGMA application_id={APPLICATION}; COMMIT;")


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """StoreError where the file is another program's, or damaged."""
    objects = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if objects and connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION:
        raise _not_ours(path)
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise _damaged(path, " ".join(str(found).split()))


def told(path: Path, error: sqlite3.Error) -> StoreError:
    """What SQLite's error means to an operator."""
    primary = _primary(error)
    if is_damage(error):
        return _damaged(path, str(error))
    if primary in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        return StoreError(f"{path} cannot grow: {error}.", "Make room on its disk.")
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreError(f"{path} is locked by another process.",
                          "End the other xApp or tool that writes to it.")
    return StoreError(f"{path} cannot be used: {error}.", "Look at the file and its folder.")


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file is no longer what SQLite wrote."""
    return _primary(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _primary(error: sqlite3.Error) -> int | None:
    """SQLite's own code, without its refinements; None for errors of Python's module."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _damaged(path: Path, what: str) -> StoreError:
    return StoreError(f"{path} is damaged: {what}.",
                      "Move it away (with its -wal and -shm files); the xApp begins a new one.")


def _not_ours(path: Path) -> StoreError:
    return StoreError(f"{path} is a database of another program.", "Name another file.")


def _newer(path: Path, version: int) -> StoreError:
    return StoreError(f"{path} is of version {version}, and this software knows "
                      f"{len(MIGRATIONS)}.", "Update airsplit, or name another file.")
