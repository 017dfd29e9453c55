"""What each record does to the tables, and the chain of hashes that the audit log is.

A line's hash is over the line and the hash before it: a line that was changed, taken out or put in
breaks the chain there. That the end was cut off shows only to one who noted the last hash, which
every export gives. Runs inside a transaction of the caller's.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Mapping
from typing import Any

from xapp.store_records import Kind, Record, Sample

FIRST_HASH = hashlib.sha256(b"airsplit xapp audit").hexdigest()
_dump = json.JSONEncoder(separators=(",", ":"), sort_keys=True, allow_nan=False).encode


def line_hash(before: str, number: int, time: float, kind: str, who: str, subject: str, why: str,
              body: str) -> str:
    line = _dump([before, number, time, kind, who, subject, why, body])
    return hashlib.sha256(line.encode()).hexdigest()


def head(connection: sqlite3.Connection) -> tuple[int, str]:
    """Number and hash of the last line."""
    found = connection.execute(
        "SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1").fetchone()
    return (0, FIRST_HASH) if found is None else (int(found[0]), str(found[1]))


def write(connection: sqlite3.Connection, record: Record, time: float,
          last: tuple[int, str]) -> tuple[int, str]:
    """Append to the audit log, and do what follows from it; the new head."""
    body = _dump(dict(record.body))
    number = last[0] + 1
    digest = line_hash(last[1], number, time, record.kind.value, record.who, record.subject,
                       record.why, body)
    connection.execute("INSERT INTO audit VALUES(?,?,?,?,?,?,?,?)", (
        number, time, record.kind.value, record.who, record.subject, record.why, body, digest))
    effect = _EFFECTS.get(record.kind)
    if effect is not None:
        effect(connection, record, time, body)
    return number, digest


def write_sample(connection: sqlite3.Connection, sample: Sample, time: float) -> None:
    connection.execute("INSERT INTO samples VALUES(?,?,?,?)", (
        sample.kind, sample.subject, time, _dump(dict(sample.figures))))


def _decision(connection: sqlite3.Connection, record: Record, time: float, body: str) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO decisions(id, time, cell, policy, reason, body, state) "
        "VALUES(?,?,?,?,?,?,'planned')",
        (record.subject, time, _text(record.body, "cell"), record.who, record.why, body))


def _decision_ended(connection: sqlite3.Connection, record: Record, time: float,
                    body: str) -> None:
    connection.execute("UPDATE decisions SET state=?, ended=?, detail=? WHERE id=?", (
        _text(record.body, "state"), time, record.why, record.subject))


def _action(connection: sqlite3.Connection, record: Record, time: float, body: str) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO actions(id, decision, cell, actuator, time, body) "
        "VALUES(?,?,?,?,?,?)", (record.subject, record.body.get("decision"),
                                _text(record.body, "cell"), record.who, time, body))
    _step(connection, record, time, body)


def _action_ended(connection: sqlite3.Connection, record: Record, time: float,
                  body: str) -> None:
    connection.execute("UPDATE actions SET outcome=?, ended=?, why=? WHERE id=?", (
        _text(record.body, "outcome"), time, record.why, record.subject))
    _step(connection, record, time, body)


_STATES = {Kind.SENT: "sent", Kind.ANSWER: "acknowledged"}


def _step(connection: sqlite3.Connection, record: Record, time: float, body: str) -> None:
    decision = record.body.get("decision")
    connection.execute("INSERT INTO steps(action, decision, time, kind, body) VALUES(?,?,?,?,?)",
                       (record.subject, decision, time, record.kind.value, body))
    state = _STATES.get(record.kind)
    answered = record.kind is not Kind.ANSWER or record.body.get("answer") == "acknowledged"
    if state is not None and decision is not None and answered and not record.body.get("undo"):
        connection.execute("UPDATE decisions SET state=? WHERE id=? AND ended IS NULL",
                           (state, decision))


def _target(connection: sqlite3.Connection, record: Record, time: float, body: str) -> None:
    target = record.body["target"]
    connection.execute("INSERT OR REPLACE INTO targets VALUES(?,?,?,?)", (
        record.subject, f"{target['node']}/{target['cell']}", body, time))


def _forgotten(connection: sqlite3.Connection, record: Record, time: float, body: str) -> None:
    connection.execute("DELETE FROM targets WHERE target=?", (record.subject,))


def _policy(connection: sqlite3.Connection, record: Record, time: float, body: str) -> None:
    connection.execute("INSERT OR REPLACE INTO policies VALUES(?,?,?,?,?)", (
        record.body["type_id"], record.body["instance"], _dump(record.body["policy"]), time,
        record.who))


def _policy_removed(connection: sqlite3.Connection, record: Record, time: float,
                    body: str) -> None:
    connection.execute("DELETE FROM policies WHERE type_id=? AND instance=?", (
        record.body["type_id"], record.body["instance"]))


def _mode(connection: sqlite3.Connection, record: Record, time: float, body: str) -> None:
    connection.execute("INSERT OR REPLACE INTO modes VALUES(?,?,?)", (record.subject, body, time))


def _event(connection: sqlite3.Connection, record: Record, time: float, body: str) -> None:
    connection.execute("INSERT INTO events(time, level, code, sentence, subject) VALUES(?,?,?,?,?)",
                       (time, *(_text(record.body, name)
                                for name in ("level", "code", "sentence", "subject"))))


def _run_ended(connection: sqlite3.Connection, record: Record, time: float, body: str) -> None:
    connection.execute("UPDATE runs SET ended=? WHERE number=?", (time, int(record.subject)))


def _text(body: Mapping[str, Any], name: str) -> str:
    return str(body[name])


_EFFECTS: Mapping[Kind, Callable[[sqlite3.Connection, Record, float, str], None]] = {
    Kind.DECISION: _decision, Kind.DECISION_ENDED: _decision_ended, Kind.ACTION: _action,
    Kind.SENT: _step, Kind.ANSWER: _step, Kind.EFFECT: _step, Kind.UNDO: _step,
    Kind.ACTION_ENDED: _action_ended, Kind.TARGET: _target, Kind.FORGOTTEN: _forgotten,
    Kind.POLICY: _policy, Kind.POLICY_REMOVED: _policy_removed, Kind.MODE: _mode,
    Kind.EVENT: _event, Kind.RUN_ENDED: _run_ended,
}
