"""Reading beside the one who writes, and an audit log that shows if it was changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.xapp.store_records_for_tests import (
    Listener,
    action,
    decision,
    decision_ended,
    ended,
)
from xapp.errors import StoreError
from xapp.store import Store
from xapp.store_read import Reader
from xapp.store_records import Kind, Record, Sample


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store with three decisions."""
    found = tmp_path / "xapp.db"
    store = Store(found, Listener())
    for number in range(3):
        store.put(decision(f"1.{number}"))
        store.put(action(f"2.{number}", f"1.{number}"))
        store.put(Record(Kind.SENT, f"2.{number}", body={"decision": f"1.{number}", "at": 1.5}))
        store.put(ended(f"2.{number}", of=f"1.{number}"))
        store.put(decision_ended(f"1.{number}"))
    store.close()
    return found


def change(path: Path, *statements: str) -> None:
    """As one would who has the file and knows SQL."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("DROP TRIGGER audit_keeps")
    connection.execute("DROP TRIGGER audit_stays")
    for statement in statements:
        connection.execute(statement)
    connection.close()


def test_decisions_come_newest_first_and_page_by_page(path: Path) -> None:
    with Reader(path) as reader:
        assert [row["id"] for row in reader.decisions(2)] == ["1.2", "1.1"]
        assert [row["id"] for row in reader.decisions(5, before=2)] == ["1.0"]
        number = reader.decisions(1)[0]["number"]
        found = reader.decision(number)
        assert found is not None
        assert found["id"] == "1.2"
        assert reader.decision(99) is None
        steps = reader.steps("1.2")
        assert [step["kind"] for step in steps] == ["action", "sent", "action_ended"]
        assert {step["actuator"] for step in steps} == {"rc_slice_quota"}
        assert reader.actions("1.2")[0]["outcome"] == "confirmed"


def test_the_audit_log_refuses_changes(path: Path) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute("UPDATE audit SET why='nothing' WHERE number=3")
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute("DELETE FROM audit WHERE number=3")
    connection.close()


@pytest.mark.parametrize(("statements", "number"), [
    (["UPDATE audit SET why='nothing' WHERE number=3"], 3),
    (["UPDATE audit SET time=time+1 WHERE number=5"], 5),
    (["UPDATE audit SET body='{}' WHERE number=4"], 4),
    (["DELETE FROM audit WHERE number=7"], 7),
    (["UPDATE audit SET hash='00' WHERE number=6"], 6),
    (["DELETE FROM audit WHERE number=2",
      "UPDATE audit SET number=number-1 WHERE number>2"], 2)])
def test_a_log_that_was_changed_all_the_same_shows_it(
        path: Path, statements: list[str], number: int) -> None:
    change(path, *statements)
    with Reader(path) as reader:
        broken = reader.verify()
    assert broken is not None
    assert broken.number == number


def test_an_end_that_was_cut_off_shows_to_one_who_noted_it(path: Path) -> None:
    with Reader(path) as reader:
        head = reader.head()
        assert reader.verify(head) is None
        assert reader.verify((head[0], "0" * 64)) is not None
    change(path, f"DELETE FROM audit WHERE number={head[0]}")
    with Reader(path) as reader:
        assert reader.verify() is None
        broken = reader.verify(head)
    assert broken is not None
    assert "ends at line" in broken.problem


def test_a_reader_cannot_write(path: Path) -> None:
    with Reader(path) as reader, pytest.raises(StoreError):
        reader._execute("DELETE FROM decisions")


def test_a_file_that_is_not_there_or_is_anothers_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="There is no"):
        Reader(tmp_path / "none.db")
    other = tmp_path / "other.db"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE t(a)")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match="another program"):
        Reader(other)
    garbage = tmp_path / "garbage.db"
    garbage.write_bytes(b"garbage" * 1000)
    with pytest.raises(StoreError, match="damaged"):
        Reader(garbage)


def test_samples_are_of_one_subject_or_all_and_the_newest_where_they_are_many(
        tmp_path: Path) -> None:
    times: Callable[[], float] = iter(range(1000)).__next__
    store = Store(tmp_path / "xapp.db", Listener(), wall=times)
    for number in range(10):
        store.put(Sample("cell", f"a/{number % 2}", {"down_kbps": float(number)}))
    store.close()
    with Reader(tmp_path / "xapp.db") as reader:
        one = [row["figures"]["down_kbps"] for row in reader.samples("cell", 0.0, "a/1")]
        assert one == [1.0, 3.0, 5.0, 7.0, 9.0]
        newest = [row["figures"]["down_kbps"] for row in reader.samples("cell", 0.0, most=3)]
        assert newest == [7.0, 8.0, 9.0]
        assert reader.samples("ue", 0.0) == []
