"""`airsplit testbed loop` ends in order; what it runs is stood in for."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any, NoReturn

import pytest

from testbed.bed import modes
from testbed.cli import main
from testbed.loop import ordinary, run
from testbed.loop.settings import LoopSettings


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
