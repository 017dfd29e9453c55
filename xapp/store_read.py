"""Reading the xApp's memory, beside the one who writes: for API, console, audit and the next run.

Every reader has a connection of its own that cannot write. Rows come as plain mappings, bodies
decoded; times are seconds since 1970.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from xapp.store_records import Held, Left, read_held
from xapp.store_schema import open_reader, told
from xapp.store_tables import FIRST_HASH, line_hash

MOST_ROWS = 10_000  # of one answer
Row = Mapping[str, Any]
AUDIT_COLUMNS = ("number", "time", "kind", "who", "subject", "why", "body", "hash")


@dataclass(frozen=True, slots=True)
class Broken:
    """Where the audit log is not what was written."""

    number: int  # of the first line that does not fit
    problem: str


class Reader:
    """One connection; use it in one thread at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection = open_reader(path)

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def left(self, before_run: int | None = None) -> Left:
        """For the next run; `before_run` is its own number."""
        held = tuple(read_held(row["body"]) for row in self._rows(
            "SELECT body FROM targets ORDER BY target"))
        actions = tuple(str(row["id"]) for row in self._rows(
            "SELECT id FROM actions WHERE outcome IS NULL ORDER BY time"))
        decisions = tuple(str(row["id"]) for row in self._rows(
            "SELECT id FROM decisions WHERE ended IS NULL ORDER BY number"))
        modes = self._rows("SELECT body FROM modes WHERE name='steering'")
        runs = self._rows("SELECT ended FROM runs WHERE number < ? ORDER BY number DESC LIMIT 1",
                          1 << 62 if before_run is None else before_run)
        return Left(held, actions, decisions, bool(modes and modes[0]["body"]["killed"]),
                    not runs or runs[0]["ended"] is not None)

    def held(self) -> tuple[Held, ...]:
        return self.left().held

    def decisions(self, count: int, before: int | None = None) -> list[Row]:
        """The last `count`, newest first."""
        return self._newest("decisions", count, before)

    def decision(self, number: int) -> Row | None:
        rows = self._rows("SELECT * FROM decisions WHERE number=?", number)
        return rows[0] if rows else None

    def steps(self, decision: str) -> list[Row]:
        """All that happened to a decision's actions, in order; with the actuator of each."""
        return self._rows(
            "SELECT steps.*, actions.actuator FROM steps JOIN actions ON actions.id=steps.action "
            "WHERE steps.decision=? ORDER BY steps.number LIMIT ?", decision, MOST_ROWS)

    def actions(self, decision: str) -> list[Row]:
        return self._rows("SELECT * FROM actions WHERE decision=? ORDER BY time LIMIT ?",
                          decision, MOST_ROWS)

    def events(self, count: int, before: int | None = None) -> list[Row]:
        return self._newest("events", count, before)

    def policies(self) -> list[Row]:
        return self._rows("SELECT * FROM policies ORDER BY type_id, instance")

    def samples(self, kind: str, since: float, subject: str | None = None,
                most: int = 100_000) -> list[Row]:
        """Of one subject or all of a kind, oldest first; the newest where there are too many."""
        where, values = "kind=? AND time>=?", list[Any]((kind, since))
        if subject is not None:
            where, values = f"{where} AND subject=?", [*values, subject]
        rows = self._rows(f"SELECT subject, time, figures FROM samples WHERE {where} "
                          "ORDER BY time DESC LIMIT ?", *values, most)
        return rows[::-1]

    def audit(self, after: int = 0, since: float | None = None,
              until: float | None = None) -> Iterator[Row]:
        """Lines of the audit log, oldest first; read piece by piece."""
        while True:
            rows = self._rows("SELECT * FROM audit WHERE number > ? ORDER BY number LIMIT 1000",
                              after)
            for row in rows:
                if (since is None or row["time"] >= since) and (
                        until is None or row["time"] < until):
                    yield row
            if not rows:
                return
            after = rows[-1]["number"]

    def head(self) -> tuple[int, str]:
        """Number and hash of the last line: who notes them sees it if the end is cut off."""
        rows = self._rows("SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1")
        return (rows[0]["number"], rows[0]["hash"]) if rows else (0, FIRST_HASH)

    def verify(self, known: tuple[int, str] | None = None) -> Broken | None:
        """Whether the audit log is as it was written; `known` is a head noted earlier."""
        number, before = 0, FIRST_HASH
        cursor = self._execute("SELECT * FROM audit ORDER BY number")
        for found in cursor:
            number += 1
            if found[0] != number:
                return Broken(number, f"line {number} is missing")
            digest = line_hash(before, *found[:7])
            if digest != found[7]:
                return Broken(number, f"line {number} is not what was written")
            if known is not None and number == known[0] and digest != known[1]:
                return Broken(number, f"line {number} has another hash than was noted")
            before = digest
        if known is not None and number < known[0]:
            return Broken(number + 1, f"the log ends at line {number}; line {known[0]} was there")
        return None

    def _newest(self, table: str, count: int, before: int | None) -> list[Row]:
        return self._rows(f"SELECT * FROM {table} WHERE number < ? ORDER BY number DESC LIMIT ?",
                          1 << 62 if before is None else before, min(count, MOST_ROWS))

    def _rows(self, statement: str, *values: Any) -> list[Row]:
        cursor = self._execute(statement, *values)
        names = [column[0] for column in cursor.description]
        return [{name: json.loads(value) if name in ("body", "figures") else value
                 for name, value in zip(names, row, strict=True)} for row in cursor]

    def _execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        try:
            return self._connection.execute(statement, values)
        except sqlite3.Error as error:
            raise told(self.path, error) from error
