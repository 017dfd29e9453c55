"""Conversations kept on the phone, in SQLite: they survive reloads and restarts.

Times come in; nothing here reads a clock. A disk that cannot be written is one clear error, and
what was stored before stays.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from ue_app.errors import HistoryError
from ue_app.prompt import Role

SCHEMA_VERSION = 1
TITLE_LENGTH = 48  # characters of the first question that name a conversation
BUSY_SECONDS = 5.0  # how long another process may hold the file
_SCHEMA = """
CREATE TABLE conversation (
    id INTEGER PRIMARY KEY AUTOINCREMENT, title TEXT NOT NULL, created REAL NOT NULL);
CREATE TABLE turn (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation INTEGER NOT NULL REFERENCES conversation(id) ON DELETE CASCADE,
    role TEXT NOT NULL, text TEXT NOT NULL, created REAL NOT NULL, figures TEXT NOT NULL);
CREATE INDEX turn_of_conversation ON turn(conversation, id);
"""


@dataclass(frozen=True)
class Conversation:
    """One line of the list of conversations."""

    id: int
    title: str
    created: float  # seconds since the epoch


@dataclass(frozen=True)
class StoredTurn:
    """One utterance, with what it cost where it is an answer."""

    id: int
    role: Role
    text: str
    figures: Mapping[str, Any]


class History:
    """All conversations of one phone."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()  # one connection, used from the page's several threads
        with self._explained("be opened"):
            file.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(file, timeout=BUSY_SECONDS, check_same_thread=False)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA foreign_keys = ON")
            self._prepare()

    def _prepare(self) -> None:
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        if version > SCHEMA_VERSION:
            raise HistoryError(f"{self._file} was written by a newer version of airsplit.",
                               "Update airsplit, or move the file away.")
        if version == 0:
            with self._database:
                self._database.executescript(
                    f"BEGIN; {_SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")

    def conversations(self) -> list[Conversation]:
        """Newest first."""
        with self._explained("be read"):
            rows = self._database.execute(
                "SELECT id, title, created FROM conversation ORDER BY id DESC").fetchall()
        return [Conversation(*row) for row in rows]

    def begin(self, first_question: str, now: float) -> int:
        """A new conversation, named after its first question; returns its id."""
        with self._explained("be written"), self._database:
            cursor = self._database.execute(
                "INSERT INTO conversation (title, created) VALUES (?, ?)",
                (title_of(first_question), now))
        assert cursor.lastrowid is not None  # an INSERT has just happened
        return cursor.lastrowid

    def rename(self, conversation: int, title: str) -> None:
        """Give a conversation another name."""
        with self._explained("be written"), self._database:
            self._database.execute("UPDATE conversation SET title = ? WHERE id = ?",
                                   (title_of(title), conversation))

    def turns(self, conversation: int) -> list[StoredTurn]:
        """A conversation, in order."""
        with self._explained("be read"):
            rows = self._database.execute(
                "SELECT id, role, text, figures FROM turn WHERE conversation = ? ORDER BY id",
                (conversation,)).fetchall()
        return [StoredTurn(number, cast(Role, role), text, json.loads(figures))
                for number, role, text, figures in rows]

    def add(
        self, conversation: int, role: Role, text: str, now: float,
        figures: Mapping[str, Any] | None = None,
    ) -> int:
        """One more utterance; returns its id."""
        with self._explained("be written"), self._database:
            cursor = self._database.execute(
                "INSERT INTO turn (conversation, role, text, created, figures) "
                "VALUES (?, ?, ?, ?, ?)",
                (conversation, role, text, now, json.dumps(dict(figures or {}))))
        assert cursor.lastrowid is not None  # an INSERT has just happened
        return cursor.lastrowid

    def forget_from(self, conversation: int, turn: int) -> None:
        """Remove a turn and what follows it: its answer is to be given anew."""
        with self._explained("be written"), self._database:
            self._database.execute("DELETE FROM turn WHERE conversation = ? AND id >= ?",
                                   (conversation, turn))

    def delete(self, conversation: int) -> None:
        """Remove a conversation and its turns."""
        with self._explained("be written"), self._database:
            self._database.execute("DELETE FROM conversation WHERE id = ?", (conversation,))

    def close(self) -> None:
        self._database.close()

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        with self._lock:
            try:
                yield
            except (sqlite3.Error, OSError) as error:
                raise HistoryError(
                    f"The history {self._file} cannot {what}: {error}.",
                    "Free some space or mend the permissions; what was stored stays.") from error


def title_of(text: str) -> str:
    """The name of a conversation: one line, short enough for a list."""
    title = " ".join(text.split())
    return (title[: TITLE_LENGTH - 1] + "…" if len(title) > TITLE_LENGTH else title) or "…"


def default_file() -> Path:
    """Where the history is kept, by the XDG rules."""
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "airsplit" / "history.sqlite3"
