"""Conversations survive, in order, and damage or a full disk is one clear error."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from ue_app.errors import HistoryError
from ue_app.history import TITLE_LENGTH, History, default_file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "history.sqlite3"


def test_a_conversation_survives_a_restart(file: Path) -> None:
    history = History(file)
    conversation = history.begin("who are\nyou?", 10.0)
    history.add(conversation, "user", "who are\nyou?", 10.0)
    history.add(conversation, "assistant", "a king ünd €", 11.0, {"tokens": 3, "x": None})
    history.close()
    again = History(file)
    assert [(one.title, one.created) for one in again.conversations()] == [("who are you?", 10.0)]
    turns = again.turns(conversation)
    assert [(turn.role, turn.text) for turn in turns] == [
        ("user", "who are\nyou?"), ("assistant", "a king ünd €")]
    assert turns[1].figures == {"tokens": 3, "x": None}


def test_several_conversations_newest_first(file: Path) -> None:
    history = History(file)
    first, second = history.begin("one", 1.0), history.begin("two", 2.0)
    history.add(first, "user", "one", 1.0)
    history.add(second, "user", "two", 2.0)
    assert [one.id for one in history.conversations()] == [second, first]
    assert [turn.text for turn in history.turns(first)] == ["one"]


def test_a_title_is_short_and_never_empty(file: Path) -> None:
    history = History(file)
    history.begin("word " * 100, 1.0)
    history.begin("  \n ", 2.0)
    titles = [one.title for one in history.conversations()]
    assert titles[0] == "…"
    assert len(titles[1]) == TITLE_LENGTH


def test_an_answer_can_be_forgotten(file: Path) -> None:
    history = History(file)
    conversation, other = history.begin("one", 1.0), history.begin("two", 1.0)
    for text in ("a", "b", "c"):
        history.add(conversation, "user", text, 1.0)
    history.add(other, "user", "d", 1.0)
    history.forget_from(conversation, history.turns(conversation)[1].id)
    assert [turn.text for turn in history.turns(conversation)] == ["a"]
    assert [turn.text for turn in history.turns(other)] == ["d"]


def test_deleting_takes_the_turns_along(file: Path) -> None:
    history = History(file)
    conversation = history.begin("one", 1.0)
    history.add(conversation, "user", "one", 1.0)
    history.delete(conversation)
    assert history.conversations() == []
    assert history.turns(conversation) == []


def test_threads_share_it(file: Path) -> None:
    history = History(file)
    conversation = history.begin("one", 1.0)
    threads = [threading.Thread(target=history.add, args=(conversation, "user", str(index), 1.0))
               for index in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(int(turn.text) for turn in history.turns(conversation)) == list(range(20))


def test_a_file_that_is_no_database(file: Path) -> None:
    file.parent.mkdir()
    file.write_bytes(b"not a database, but long enough to be read as one" * 100)
    with pytest.raises(HistoryError, match=r"history\.sqlite3"):
        History(file)


def test_a_newer_file_is_left_alone(file: Path) -> None:
    History(file).close()
    with sqlite3.connect(file) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(HistoryError, match="newer version"):
        History(file)


def test_a_full_disk_loses_nothing(file: Path) -> None:
    history = History(file)
    conversation = history.begin("one", 1.0)
    history.add(conversation, "user", "kept", 1.0)
    # The database's own limit on pages fails as a full disk does (SQLITE_FULL).
    history._database.execute("PRAGMA max_page_count = 1")
    with pytest.raises(HistoryError, match="Free some space"):
        history.add(conversation, "user", "x" * 1_000_000, 2.0)
    assert [turn.text for turn in history.turns(conversation)] == ["kept"]


def test_the_default_place_follows_xdg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_file() == tmp_path / "airsplit" / "history.sqlite3"
