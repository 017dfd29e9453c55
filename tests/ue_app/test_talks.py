"""Conversations outlive a disk that fails: kept in memory, in order, stored once it works again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ue_app.errors import HistoryError
from ue_app.history import History, StoredTurn
from ue_app.prompt import Turn
from ue_app.talks import Talks, turns_for_model


class FailingHistory(History):
    """A history whose disk is full when told so."""

    full = False

    def _check(self) -> None:
        if FailingHistory.full:
            raise HistoryError("The disk is full.", "Free some space.")

    def begin(self, first_question: str, now: float) -> int:
        self._check()
        return super().begin(first_question, now)

    def add(self, *arguments: Any, **named: Any) -> int:
        self._check()
        return super().add(*arguments, **named)

    def forget_from(self, conversation: int, turn: int) -> None:
        self._check()
        super().forget_from(conversation, turn)

    def delete(self, conversation: int) -> None:
        self._check()
        super().delete(conversation)


@pytest.fixture
def talks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Talks:
    monkeypatch.setattr(FailingHistory, "full", False)
    return Talks(tmp_path / "history.sqlite3", FailingHistory)


def texts(talks: Talks, conversation: int) -> list[str]:
    return [turn.text for turn in talks.turns(conversation)]


def test_turns_are_stored_and_found_by_another_program(talks: Talks, tmp_path: Path) -> None:
    number = talks.begin("who are you?", 1.0)
    talks.add(number, "user", "who are you?", 1.0)
    talks.add(number, "assistant", "a king", 2.0, {"tokens": 2})
    other = Talks(tmp_path / "history.sqlite3")
    assert texts(other, number) == ["who are you?", "a king"]
    assert other.turns(number)[1].figures == {"tokens": 2}
    assert talks.problem is None


def test_a_full_disk_loses_nothing_on_screen_and_stores_it_later(
    talks: Talks, tmp_path: Path
) -> None:
    number = talks.begin("first", 1.0)
    talks.add(number, "user", "first", 1.0)
    FailingHistory.full = True
    talks.add(number, "assistant", "answer", 2.0)
    assert texts(talks, number) == ["first", "answer"]
    FailingHistory.full = True
    talks.add(number, "user", "second", 3.0)
    assert texts(talks, number) == ["first", "answer", "second"]
    assert texts(Talks(tmp_path / "history.sqlite3"), number) == ["first"]
    FailingHistory.full = False
    talks.add(number, "assistant", "again", 4.0)
    assert talks.problem is None
    assert texts(Talks(tmp_path / "history.sqlite3"), number) == [
        "first", "answer", "second", "again"]
    assert texts(talks, number) == ["first", "answer", "second", "again"]


def test_the_problem_is_there_while_something_waits(talks: Talks) -> None:
    number = talks.begin("first", 1.0)
    FailingHistory.full = True
    talks.add(number, "user", "first", 1.0)
    talks.turns(number)  # which works, and must not hide that something waits
    talks.conversations()
    assert talks.problem is not None
    assert talks.problem.remedy == "Free some space."
    FailingHistory.full = False
    talks.store()
    assert talks.problem is None


def test_a_conversation_begun_on_a_full_disk_keeps_its_name_and_moves_later(talks: Talks) -> None:
    FailingHistory.full = True
    number = talks.begin("begun in need", 1.0)
    assert number < 0
    talks.add(number, "user", "begun in need", 1.0)
    talks.rename(number, "renamed")
    assert [one.title for one in talks.conversations()] == ["renamed"]
    FailingHistory.full = False
    talks.add(number, "assistant", "stored", 2.0)
    assert [(one.id > 0, one.title) for one in talks.conversations()] == [(True, "renamed")]
    found = talks.find(number)  # a browser still has the old address
    assert found is not None
    assert found.id > 0
    assert texts(talks, number) == texts(talks, found.id) == ["begun in need", "stored"]


def test_a_history_that_cannot_be_opened_still_lets_people_talk(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    talks = Talks(tmp_path / "file" / "history.sqlite3")
    number = talks.begin("hello", 1.0)
    talks.add(number, "user", "hello", 1.0)
    assert texts(talks, number) == ["hello"]
    assert talks.problem is not None
    talks.close()


def test_an_answer_is_forgotten_wherever_it_is(talks: Talks) -> None:
    number = talks.begin("q", 1.0)
    talks.add(number, "user", "q", 1.0)
    talks.add(number, "assistant", "stored", 2.0)
    talks.forget_from(number, talks.turns(number)[-1].id)
    assert texts(talks, number) == ["q"]
    FailingHistory.full = True
    talks.add(number, "assistant", "waiting", 3.0)
    talks.forget_from(number, talks.turns(number)[-1].id)
    assert texts(talks, number) == ["q"]
    with pytest.raises(HistoryError):
        talks.forget_from(number, talks.turns(number)[0].id)
    assert texts(talks, number) == ["q"]


def test_a_conversation_is_deleted_wherever_it_is(talks: Talks) -> None:
    kept = talks.begin("kept", 1.0)
    FailingHistory.full = True
    with pytest.raises(HistoryError):
        talks.delete(kept)
    unsaved = talks.begin("unsaved", 1.0)
    talks.add(unsaved, "user", "unsaved", 1.0)
    talks.delete(unsaved)
    assert [one.title for one in talks.conversations()] == ["kept"]
    FailingHistory.full = False
    talks.delete(kept)
    assert talks.conversations() == []
    assert talks.find(kept) is None


def test_closing_stores_what_waits(talks: Talks, tmp_path: Path) -> None:
    FailingHistory.full = True
    number = talks.begin("late", 1.0)
    talks.add(number, "user", "late", 1.0)
    FailingHistory.full = False
    talks.close()
    assert [one.title for one in Talks(tmp_path / "history.sqlite3").conversations()] == ["late"]


def test_the_model_sees_no_question_that_was_never_answered() -> None:
    stored = [StoredTurn(1, "user", "one", {}), StoredTurn(2, "user", "two", {}),
              StoredTurn(3, "assistant", "answer", {}), StoredTurn(4, "user", "three", {})]
    assert turns_for_model(stored) == (
        Turn("user", "two"), Turn("assistant", "answer"), Turn("user", "three"))
    assert turns_for_model(stored[:1]) == (Turn("user", "one"),)
    assert turns_for_model([]) == ()
