"""`airsplit xapp audit`: printed for people, as JSON and CSV, and verified."""

from __future__ import annotations

import argparse
import csv
import io
import json
import sqlite3
from pathlib import Path

import pytest

from tests.xapp.store_records_for_tests import Listener, action, decision, decision_ended, ended
from xapp import audit_command
from xapp.errors import ConfigurationError, StoreError
from xapp.events import Code, error
from xapp.store import Store
from xapp.store_records import Kind, Record, event_record


@pytest.fixture
def path(tmp_path: Path) -> Path:
    times = iter(range(1_772_323_200, 1_772_400_000, 60))  # from 2026-03-01, a minute each
    store = Store(tmp_path / "xapp.db", Listener(), wall=lambda: float(next(times)))
    for record in (decision(), action(), ended(), decision_ended(),
                   event_record(error(Code.FLOOR, "=HYPERLINK(1)", "cell"))):
        store.put(record)
    store.close()
    return tmp_path / "xapp.db"


def run(*arguments: object) -> int:
    parser = argparse.ArgumentParser()
    audit_command.configure(parser)
    parsed = parser.parse_args([str(one) for one in arguments])
    return int(parsed.run(parsed))


def test_for_people_each_line_says_when_who_what_and_why(
        path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(path) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 7
    assert "proportional" in lines[1]
    assert "flows need it." in lines[1]
    assert lines[3].endswith("action ended 1.2: confirmed - seen")


def test_json_is_one_object_a_line_and_kinds_are_chosen(
        path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(path, "--json", "--kind", "decision", "action_ended") == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["kind"] for row in rows] == ["decision", "action_ended"]
    assert rows[0]["body"]["do"] == "set_quotas"
    assert rows[0]["time"].startswith("2026-03-01T00:0")


def test_csv_has_a_header_and_nothing_that_a_spreadsheet_runs(
        path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(path, "--csv") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(rows) == 7
    assert rows[5]["why"] == "'=HYPERLINK(1)"


def test_times_bound_what_is_shown(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(path, "--json", "--since", "2026-03-01T00:02", "--until", "2026-03-01T00:04") == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_it_verifies_and_finds_a_change(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(path, "--verify") == 0
    head = capsys.readouterr().out.split()[-1]
    assert run(path, "--verify", "--head", head) == 0
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("DROP TRIGGER audit_keeps")
    connection.execute("UPDATE audit SET why='because' WHERE number=2")
    connection.close()
    assert run(path, "--verify") == 1
    assert "line 2 is not what was written" in capsys.readouterr().err


def test_what_cannot_be_is_told(path: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such kind"):
        run(path, "--kind", "nonsense")
    with pytest.raises(ConfigurationError, match="--verify"):
        run(path, "--head", f"1:{'0' * 64}")
    with pytest.raises(StoreError, match=r"no .*none\.db") as none:
        run(tmp_path / "none.db")
    assert "--store" not in none.value.remedy  # which this command does not have
    with pytest.raises(StoreError, match="is a folder") as folder:
        run(tmp_path)
    assert "xapp.db" in folder.value.remedy
    with pytest.raises(SystemExit):
        run(path, "--since", "yesterday")


def test_each_kind_of_record_has_a_line() -> None:
    for kind in Kind:
        record = Record(kind, "subject")
        line = audit_command.line({"number": 1, "time": 0.0, "kind": record.kind.value, "who": "x",
                                   "subject": "subject", "why": "", "body": {}})
        assert "subject" in line
