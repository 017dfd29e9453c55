"""Every kind of record does to the tables what it should, and is chained."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.xapp.steering_scene import Scene
from tests.xapp.store_records_for_tests import TARGET, action, decision, ended, held
from xapp.store_read import Reader
from xapp.store_records import Kind, Record
from xapp.store_schema import open_writer
from xapp.store_tables import FIRST_HASH, head, line_hash, write

TEXT = st.text(max_size=8)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    found = open_writer(tmp_path / "xapp.db")
    yield found
    found.close()


def put(connection: sqlite3.Connection, *records: Record) -> None:
    last = head(connection)
    for record in records:
        last = write(connection, record, 7.0, last)
    assert last == head(connection)


def state(connection: sqlite3.Connection) -> str:
    return str(connection.execute("SELECT state FROM decisions").fetchone()[0])


def test_a_decision_goes_through_its_states(connection: sqlite3.Connection) -> None:
    body = {"decision": "1.1", "at": 1.0}
    put(connection, decision(), action())
    assert state(connection) == "planned"
    put(connection, Record(Kind.SENT, "1.2", body=body))
    assert state(connection) == "sent"
    put(connection, Record(Kind.ANSWER, "1.2", body={**body, "answer": "none"}))
    assert state(connection) == "sent"
    put(connection, Record(Kind.ANSWER, "1.2", body={**body, "answer": "acknowledged"}))
    assert state(connection) == "acknowledged"
    put(connection, Record(Kind.SENT, "1.2", body={**body, "undo": True}))
    assert state(connection) == "acknowledged"  # an undo is no progress
    put(connection, ended(outcome="rolled_back"),
        Record(Kind.DECISION_ENDED, "1.1", why="no effect", body={"state": "rolled_back"}))
    assert state(connection) == "rolled_back"
    put(connection, Record(Kind.ANSWER, "1.2", body={**body, "answer": "acknowledged"}))
    assert state(connection) == "rolled_back"


def test_a_target_is_what_was_last_said_of_it(connection: sqlite3.Connection) -> None:
    put(connection, held(30).record(), held(50).record())
    rows = connection.execute("SELECT target, body FROM targets").fetchall()
    assert len(rows) == 1
    assert '"minimum":50' in rows[0][1]
    put(connection, Record(Kind.FORGOTTEN, str(TARGET)))
    assert connection.execute("SELECT count(*) FROM targets").fetchone()[0] == 0


def test_policies_and_modes_are_kept_and_removed(connection: sqlite3.Connection) -> None:
    put(connection,
        Record(Kind.POLICY, "20008/a", "operator",
               body={"type_id": 20008, "instance": "a", "policy": {"threshold": 5}}),
        Record(Kind.MODE, "steering", "operator", body={"killed": True, "dry_run": False}))
    assert connection.execute("SELECT body, who FROM policies").fetchall() == [
        ('{"threshold":5}', "operator")]
    assert "true" in connection.execute("SELECT body FROM modes").fetchone()[0]
    put(connection, Record(Kind.POLICY_REMOVED, "20008/a",
                           body={"type_id": 20008, "instance": "a"}))
    assert connection.execute("SELECT count(*) FROM policies").fetchone()[0] == 0


@pytest.mark.parametrize("deaf", [set(), {"ccc"}, {"ccc", "remote", "rc"}])
def test_all_that_steering_remembers_can_be_written_and_read(
        tmp_path: Path, deaf: set[str]) -> None:
    scene = Scene()
    scene.station.deaf = deaf
    scene.decide()
    scene.wait(30)
    scene.decide()
    scene.lose_node()
    scene.restart()
    scene.return_node()
    scene.wait(10)
    scene.decide()
    scene.do(scene.steering.kill("operator", "now.", scene.now))
    scene.do(scene.steering.set_dry_run(True, "operator", scene.now))
    found = open_writer(tmp_path / "all.db")
    put(found, *scene.records)
    found.close()
    with Reader(tmp_path / "all.db") as reader:
        left, kept = reader.left(), scene.kept()
        assert set(left.held) == set(kept.held)
        assert (left.actions, left.decisions, left.killed) == (
            kept.actions, kept.decisions, kept.killed)
        assert reader.verify() is None


@given(line=st.tuples(st.integers(1, 9), st.floats(0, 1e9), TEXT, TEXT, TEXT, TEXT, TEXT),
       other=st.tuples(st.integers(1, 9), st.floats(0, 1e9), TEXT, TEXT, TEXT, TEXT, TEXT))
def test_a_hash_is_of_the_whole_line(
        line: tuple[int, float, str, str, str, str, str],
        other: tuple[int, float, str, str, str, str, str]) -> None:
    assert (line_hash(FIRST_HASH, *line) == line_hash(FIRST_HASH, *other)) == (
        repr(line) == repr(other))
    assert line_hash("", *line) != line_hash(FIRST_HASH, *line)
