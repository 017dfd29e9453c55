"""How a store's file is made, brought up to date and refused."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

import pytest

from xapp.errors import StoreError
from xapp.store_schema import MIGRATIONS, open_reader, open_writer, told


def test_a_new_file_is_the_owners_alone_and_of_the_newest_version(tmp_path: Path) -> None:
    path = tmp_path / "xapp.db"
    connection = open_writer(path)
    assert connection.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS)
    assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert connection.execute("PRAGMA synchronous").fetchone()[0] == 1  # NORMAL
    connection.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_older_file_is_brought_up_to_date_and_keeps_what_it_has(tmp_path: Path) -> None:
    path = tmp_path / "xapp.db"
    connection = open_writer(path)
    connection.execute("INSERT INTO runs(started) VALUES(1.0)")
    connection.close()
    later = (*MIGRATIONS, "ALTER TABLE runs ADD COLUMN host TEXT NOT NULL DEFAULT '';")
    connection = open_writer(path, migrations=later)
    assert connection.execute("SELECT number, started, host FROM runs").fetchall() == [(1, 1.0, "")]
    connection.close()
    with pytest.raises(StoreError, match="of version 2"):
        open_writer(path)
    with pytest.raises(StoreError, match="Update airsplit"):
        open_reader(path)


def test_a_step_that_fails_leaves_the_version_before(tmp_path: Path) -> None:
    path = tmp_path / "xapp.db"
    open_writer(path).close()
    with pytest.raises(StoreError):
        open_writer(path, migrations=(*MIGRATIONS, "CREATE TABLE more(a); CREATE TABLE runs(a);"))
    connection = open_writer(path)
    names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    connection.close()
    assert "more" not in names


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE mine(a)")
    other.commit()
    other.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="another program"):
        open_writer(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(("code", "words"), [
    (sqlite3.SQLITE_FULL, "Make room"), (sqlite3.SQLITE_IOERR | 3 << 8, "Make room"),
    (sqlite3.SQLITE_BUSY, "another process"), (sqlite3.SQLITE_NOTADB, "damaged"),
    (sqlite3.SQLITE_READONLY, "Look at the file")])
def test_each_kind_of_trouble_has_its_remedy(code: int, words: str) -> None:
    error = sqlite3.OperationalError("what SQLite says")
    error.sqlite_errorcode = code
    assert words in str(told(Path("xapp.db"), error))
