"""History grows thin with age and stays within its bounds; the audit log does not."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from xapp.store_history import prune
from xapp.store_records import Kind, Record, Sample
from xapp.store_schema import open_writer
from xapp.store_tables import head, write, write_sample

NOW = 100_000.0


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    found = open_writer(tmp_path / "xapp.db")
    yield found
    found.close()


def count(connection: sqlite3.Connection, table: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def test_samples_grow_thin_then_old(connection: sqlite3.Connection) -> None:
    for age in (20_000, 5_000, 1_500, 100):  # seconds before now; 60 samples from each moment
        for second in range(60):
            for subject in ("a", "b"):
                write_sample(connection, Sample("cell", subject, {}), NOW - age + second)
    prune(connection, NOW, fine=1000, coarse=10, keep=10_000, most_samples=10**6, most_events=10)
    ages = [NOW - row[0] for row in connection.execute("SELECT time FROM samples")]
    assert max(ages) <= 10_000
    assert sum(1400 < age <= 1500 for age in ages) == 12  # one in ten seconds of each subject
    assert sum(age <= 100 for age in ages) == 120  # all


def test_the_oldest_samples_and_events_go_where_there_are_too_many(
        connection: sqlite3.Connection) -> None:
    last = head(connection)
    for number in range(100):
        write_sample(connection, Sample("ue", "a", {}), NOW + number)
        last = write(connection, Record(Kind.EVENT, "", body={
            "level": "info", "code": "held", "sentence": str(number), "subject": ""}), NOW, last)
    prune(connection, NOW + 100, 1000, 10, 10_000, most_samples=30, most_events=20)
    assert count(connection, "samples") == 30
    assert count(connection, "events") == 20
    assert count(connection, "audit") == 100
    assert connection.execute("SELECT min(sentence + 0) FROM events").fetchone()[0] == 80
