"""`airsplit testbed loop` takes its load and ends in order; what it runs is stood in for."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any, NoReturn

import pytest

from testbed.bed import modes
from testbed.cli import main
from testbed.loop import ordinary, run
from testbed.loop.settings import Load, LoopSettings
from tests.testbed.loop.recordings import recorded


def test_sigterm_ends_the_loop_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[LoopSettings] = []

    def runs(settings: LoopSettings, *others: Any) -> NoReturn:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            pytest.fail("it goes on")
        finally:
            ended.append(settings)

    monkeypatch.setattr(modes, "obstacle", lambda mode: None)
    monkeypatch.setattr(ordinary, "make_ready", lambda say: None)
    monkeypatch.setattr(run, "run_loop", runs)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as caught:
        main(["testbed", "loop", "--out", str(tmp_path)])
    assert caught.value.code == 143
    assert [one.name for one in ended] == ["airsplit-loop"]
    assert signal.getsignal(signal.SIGTERM) is before


class Ran(Exception):
    """The loop would run with these settings."""


@pytest.mark.parametrize(("words", "load"), [
    ([], Load.SATURATION), (["--load", "none"], Load.NONE), (["--load", "phones"], Load.PHONES),
    (["--load", "recording", "--recording", "mine.csv"], Load.RECORDING)])
def test_the_load_is_as_it_is_said(words: list[str], load: Load, tmp_path: Path,
                                   monkeypatch: pytest.MonkeyPatch) -> None:
    def runs(settings: LoopSettings, *others: Any) -> NoReturn:
        raise Ran(settings)

    recorded(tmp_path / "mine.csv")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(modes, "obstacle", lambda mode: None)
    monkeypatch.setattr(ordinary, "make_ready", lambda say: None)
    monkeypatch.setattr(run, "run_loop", runs)
    with pytest.raises(Ran) as caught:
        main(["testbed", "loop", *words])
    settings, = caught.value.args
    assert (settings.load, settings.recording) == (load, words[-1] if len(words) > 2 else None)


@pytest.mark.parametrize(("words", "said"), [
    (["--load", "recording"], "does not say which"), (["--recording", "a.csv"], "without `load"),
    (["--load", "recording", "--recording", "gone.csv"], "gone.csv cannot be read")])
def test_a_load_that_cannot_be_is_said_before_anything_starts(
        words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["testbed", "loop", *words]) == 1
    told = capsys.readouterr()
    assert said in told.err
    assert len(told.err.splitlines()) == 1
    assert told.out == ""
