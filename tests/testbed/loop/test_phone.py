"""The phone that keeps asking: told of edge, model and split; an edge may not be there, or go away.

Its lines tell an answer that ended from one that broke off, or is stuck.
"""

from __future__ import annotations

import itertools
import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from testbed.loop import phone
from testbed.loop.story import Question, heard
from ue_app.errors import PhoneError


def test_an_edge_that_is_not_there_is_told_and_asked_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[str, Path, int]] = []

    def talk(edge: str, model: Path, split: int, anew: threading.Event,
             numbers: Iterator[int]) -> None:
        asked.append((edge, model, split))
        raise ConnectionAbortedError("nobody is there")

    monkeypatch.setattr(sys, "argv", ["phone", "http://edge", "model", "3"])
    monkeypatch.setattr(phone, "talk", talk)
    monkeypatch.setattr(phone, "_obey", lambda stop, anew: stop.wait(0.2) or stop.set())
    monkeypatch.setattr(phone, "RETRY_SECONDS", 0.02)
    assert phone.main() == 0
    assert set(asked) == {("http://edge", Path("model"), 3)}
    lines = said(capsys)
    assert len(lines) == len(asked) > 1
    assert all(line["error"] == "nobody is there" for line in lines)


def said(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


class Talk:
    """Stands in for a conversation: answers of two pieces, and something happens at one."""

    def __init__(self, at: tuple[int, int], happens: Any) -> None:
        self.answer = SimpleNamespace(ids=[])
        self.cancelled = False
        self._at, self._happens, self._asked = at, happens, -1

    def ask(self, ids: Any, sampling: Any, stream: Any) -> Iterator[str]:
        self._asked += 1
        self.answer = SimpleNamespace(ids=[])
        for piece in range(2):
            self.answer.ids += [7, 8]
            if (self._asked, piece) == self._at:
                self._happens()
            yield "x"

    def cancel(self) -> None:
        self.cancelled = True


def talk_of(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    prompter = SimpleNamespace(encode_turns=lambda turns: [1], stream=lambda ids: None)
    monkeypatch.setattr("ue_app.phone.open_phone", lambda config: SimpleNamespace(
        prompter=prompter, conversation=talk, link=SimpleNamespace(close=lambda: None)))


def test_an_answer_that_ended_has_a_line_of_its_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stop = threading.Event()
    talk = Talk((1, 0), stop.set)
    talk_of(talk, monkeypatch)
    phone.talk("http://edge", Path("model"), 1, stop, itertools.count())
    lines = said(capsys)
    assert [(one["answer"], one["ended"]) for one in lines if "ended" in one] == [
        (0, "whole"), (1, "cancelled")]
    assert talk.cancelled
    tokens, questions = heard(lines, 0.0)
    assert [(one.answer, one.number) for one in tokens] == [
        (0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (1, 1)]
    assert [one.answer for one in questions] == [0, 1]
    assert all(one.ended is not None and one.asked <= one.ended for one in questions)


def test_an_answer_that_broke_off_has_none_and_no_number_comes_twice(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def breaks() -> None:
        raise PhoneError("the edge is gone", "wait for it")

    numbers = itertools.count()
    for at in ((1, 1), (0, 0)):
        talk_of(Talk(at, breaks), monkeypatch)
        with pytest.raises(ConnectionAbortedError, match="the edge is gone"):
            phone.talk("http://edge", Path("model"), 1, threading.Event(), numbers)
    tokens, questions = heard(said(capsys), 0.0)
    assert len({(one.answer, one.number) for one in tokens}) == len(tokens) == 6
    assert [(one.answer, one.ended is None) for one in questions] == [
        (0, False), (1, True), (2, True)]
    assert questions[2] == Question(2, questions[2].asked, None)  # which had no token
