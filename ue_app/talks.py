"""The conversations as the app shows them: kept in the history, and in memory where that fails.

A disk that is full must not take an answer off the screen: what cannot be stored is held here, in
order, and stored as soon as the history takes it again. It reads no clock.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ue_app.errors import HistoryError
from ue_app.history import Conversation, History, StoredTurn, title_of
from ue_app.prompt import Role, Turn


@dataclass
class _Unsaved:
    """A turn that waits for the history."""

    turn: StoredTurn  # with an id below 0
    now: float


class Talks:
    """Conversations by id; ids below 0 are of those that no disk has yet."""

    def __init__(self, file: Path, open_history: Callable[[Path], History] = History) -> None:
        self._file, self._open_history = file, open_history
        self._history: History | None = None
        self._lock = threading.RLock()
        self._unsaved: dict[int, list[_Unsaved]] = {}  # of each conversation, in order
        self._titles: dict[int, Conversation] = {}  # conversations that no disk has
        self._moved: dict[int, int] = {}  # id in memory -> id it got in the history
        self._next = -1
        self.problem: HistoryError | None = None  # why the last thing was not stored or read

    def conversations(self) -> list[Conversation]:
        """Newest first."""
        with self._lock:
            stored = self._try(lambda history: history.conversations()) or []
            return [*sorted(self._titles.values(), key=lambda one: one.id), *stored]

    def find(self, conversation: int) -> Conversation | None:
        """A conversation by its id, even by the one it had before the disk took it."""
        with self._lock:
            conversation = self._moved.get(conversation, conversation)
            return next((one for one in self.conversations() if one.id == conversation), None)

    def begin(self, first_question: str, now: float) -> int:
        """A new conversation; returns its id."""
        with self._lock:
            number: int | None = self._try(
                lambda history: history.begin(first_question, now))
            if number is None:
                number = self._new_id()
                self._titles[number] = Conversation(number, title_of(first_question), now)
            return number

    def turns(self, conversation: int) -> list[StoredTurn]:
        """A conversation, in order."""
        with self._lock:
            conversation = self._moved.get(conversation, conversation)
            stored = [] if conversation < 0 else self._try(
                lambda history: history.turns(conversation)) or []
            return stored + [one.turn for one in self._unsaved.get(conversation, [])]

    def add(
        self, conversation: int, role: Role, text: str, now: float,
        figures: Mapping[str, Any] | None = None,
    ) -> None:
        """One more utterance, stored at once or when the disk takes it."""
        with self._lock:
            conversation = self._moved.get(conversation, conversation)
            turn = StoredTurn(self._new_id(), role, text, dict(figures or {}))
            self._unsaved.setdefault(conversation, []).append(_Unsaved(turn, now))
            self.store()

    def forget_from(self, conversation: int, turn: int) -> None:
        """Remove a turn and what follows it; raises where the history cannot."""
        with self._lock:
            conversation = self._moved.get(conversation, conversation)
            waiting = self._unsaved.get(conversation, [])
            if turn < 0:
                waiting[:] = [one for one in waiting if one.turn.id > turn]  # older ones
            else:
                self._opened().forget_from(conversation, turn)
                waiting.clear()

    def rename(self, conversation: int, title: str) -> None:
        with self._lock:
            conversation = self._moved.get(conversation, conversation)
            if conversation in self._titles:
                known = self._titles[conversation]
                self._titles[conversation] = Conversation(known.id, title_of(title), known.created)
            else:
                self._opened().rename(conversation, title)

    def delete(self, conversation: int) -> None:
        """Remove a conversation; raises where the history cannot."""
        with self._lock:
            conversation = self._moved.get(conversation, conversation)
            if conversation >= 0:
                self._opened().delete(conversation)
            self._titles.pop(conversation, None)
            self._unsaved.pop(conversation, None)
            self._settle()

    def store(self) -> None:
        """Store what waits, as far as the history takes it."""
        with self._lock:
            for conversation in list(self._unsaved):
                self._store(conversation)

    def close(self) -> None:
        with self._lock:
            self.store()
            if self._history is not None:
                self._history.close()
                self._history = None

    def _store(self, conversation: int) -> None:
        if conversation < 0:
            known = self._titles[conversation]
            number = self._try(lambda history: history.begin(known.title, known.created))
            if number is None:
                return
            del self._titles[conversation]
            self._unsaved[number] = self._unsaved.pop(conversation)
            self._moved[conversation] = conversation = number
        waiting = self._unsaved[conversation]
        while waiting:
            one = waiting[0]
            if self._try(lambda history, one=one: history.add(  # type: ignore[misc]  # default
                    conversation, one.turn.role, one.turn.text, one.now, one.turn.figures)) is None:
                return
            del waiting[0]
        del self._unsaved[conversation]
        self._settle()

    def _try(self, action: Callable[[History], Any]) -> Any:
        """What `action` gives, or None with `problem` set: the one place that goes on without."""
        try:
            result = action(self._opened())
        except HistoryError as error:
            self.problem = error
            return None
        self._settle()
        return result

    def _settle(self) -> None:
        """No problem is left once nothing waits: a reading that works does not make up for it."""
        if not self._unsaved and not self._titles:
            self.problem = None

    def _opened(self) -> History:
        if self._history is None:
            self._history = self._open_history(self._file)
        return self._history

    def _new_id(self) -> int:
        self._next -= 1
        return self._next


def turns_for_model(stored: list[StoredTurn]) -> tuple[Turn, ...]:
    """What the model is asked: a question that was never answered is left out, save the last."""
    following_turns: list[StoredTurn | None] = [*stored[1:], None]
    kept = [turn for turn, following in zip(stored, following_turns, strict=False)
            if turn.role != "user" or following is None or following.role == "assistant"]
    return tuple(Turn(turn.role, turn.text) for turn in kept)
