"""The keeper tells how it stands, and ends in order; its programs are stood in for."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

from testbed.bed import keeper, layout
from testbed.bed.layout import BedOrder, read_news, write_order
from testbed.bed.modes import Mode
from testbed.bed.record import Record
from testbed.errors import TestbedFailure
from testbed.loop.settings import Load, LoopSettings


class _Ground:
    def __init__(self) -> None:
        self.capture_ended = False

    def end_capture(self) -> None:
        self.capture_ended = True

    def hint(self) -> str:
        return "curl http://edge"


class StandIn:
    """In the place of `BedPrograms`; `checks` is what each look at the programs does."""

    made: list[StandIn] = []  # noqa: RUF012  # emptied by each test
    check: Callable[[], None]

    def __init__(self, settings: LoopSettings, folder: Path, model: Path,
                 say: Callable[[str], None], record: Record) -> None:
        self.settings, self.say, self.ended = settings, say, False
        self.parts: dict[str, Any] = {}
        self.ground, self.capture = _Ground(), folder / "edge.pcap"
        self.addresses = {"a page": "http://127.0.0.1:1"}
        self.check = type(self).check
        StandIn.made.append(self)

    def __enter__(self) -> StandIn:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.ended = True

    def start(self) -> None:
        self.say("waiting for the cell")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(keeper, "BedPrograms", StandIn)
    monkeypatch.setattr(keeper, "LOOK_SECONDS", 0.01)
    StandIn.made = []
    before = signal.getsignal(signal.SIGTERM)
    yield tmp_path
    signal.signal(signal.SIGTERM, before)


def ordered(folder: Path, monkeypatch: pytest.MonkeyPatch, mode: Mode = Mode.RELAY) -> int:
    """What the keeper's process returns."""
    write_order(folder, BedOrder(mode, "why", Path("/m"), LoopSettings(
        name=layout.NAME, load=Load.NONE)))
    monkeypatch.setattr(sys, "argv", ["keeper", str(folder)])
    return keeper.main()


def test_it_is_ready_and_ends_when_asked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[layout.News] = []

    def check() -> None:
        news = read_news(folder)
        assert news is not None
        seen.append(news)
        if len(seen) == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(StandIn, "check", staticmethod(check), raising=False)
    assert ordered(folder, monkeypatch) == 0
    programs, = StandIn.made
    assert programs.ended
    assert programs.ground.capture_ended
    assert programs.settings.mode is Mode.RELAY
    assert seen[0].state == layout.READY
    assert seen[0].addresses["the edge, as the phone"] == "curl http://edge"
    news = read_news(folder)
    assert news is not None
    assert news.state == layout.ENDING


def test_a_part_that_ended_is_told_as_the_failure(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def check() -> None:
        raise TestbedFailure("the program 'edge' ended with status 1: no model")

    monkeypatch.setattr(StandIn, "check", staticmethod(check), raising=False)
    assert ordered(folder, monkeypatch) == 1
    news = read_news(folder)
    assert news is not None
    assert news.state == layout.FAILED
    assert "no model" in news.error
    assert StandIn.made[0].ended


def test_an_order_that_is_not_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["keeper", str(folder)])
    with pytest.raises(TestbedFailure, match="is not there"):
        keeper.main()
