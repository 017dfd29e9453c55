"""The phone that keeps asking: told of edge, model and split; an edge may not be there."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path

import pytest

from testbed.loop import phone


def test_an_edge_that_is_not_there_is_told_and_asked_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[str, Path, int]] = []

    def talk(edge: str, model: Path, split: int, anew: threading.Event, number: int) -> int:
        asked.append((edge, model, split))
        raise ConnectionAbortedError("nobody is there")

    monkeypatch.setattr(sys, "argv", ["phone", "http://edge", "model", "3"])
    monkeypatch.setattr(phone, "talk", talk)
    monkeypatch.setattr(phone, "_obey", lambda stop, anew: stop.wait(0.2) or stop.set())
    monkeypatch.setattr(phone, "RETRY_SECONDS", 0.02)
    assert phone.main() == 0
    assert set(asked) == {("http://edge", Path("model"), 3)}
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == len(asked) > 1
    assert all(line["error"] == "nobody is there" for line in lines)
