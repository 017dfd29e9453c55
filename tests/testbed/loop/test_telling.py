"""What is told is told once, addresses too; a kept run's report; a folder is one run's."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console

from testbed.bed.modes import Mode
from testbed.errors import TestbedFailure
from testbed.loop import telling as module
from testbed.loop.outcome import LoopResult
from testbed.loop.report import write_summary
from testbed.loop.run import Run
from testbed.loop.run_folder import alone
from testbed.loop.settings import LoopSettings
from testbed.loop.telling import LineTeller, LiveTeller, Options, tell
from tests.testbed.loop.test_chronicle import STORY
from tests.testbed.loop.test_loop import result

ADDRESSES = {"the phone's page": "http://127.0.0.1:8501", "metrics": "http://127.0.0.1:8480/metrics"}


def run_so_far() -> Run:
    """What a teller asks of a run."""
    made: Any = SimpleNamespace(
        facts=lambda: STORY, samples=[], cell_quotas=STORY.cell_quotas, flow=None, decisions=[],
        allowed_at=None)
    return cast("Run", made)


def test_a_line_for_each_event_and_no_more() -> None:
    console = Console(file=io.StringIO(), record=True, width=80)
    teller = LineTeller(console)
    with teller:
        teller.say("waiting for the cell")
        for _ in range(3):
            teller.looked(run_so_far(), 40.0)
    text = console.export_text()
    assert text.count("congestion: the crowd comes") == 1
    assert "    10.0 s  congestion: the crowd comes: 24 phones" in text
    assert "waiting for the cell" in text


def test_the_live_view_changes_in_its_place() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=80, height=24)
    with LiveTeller(LoopSettings(), console) as teller:
        teller.say("waiting for the cell")
        teller.up(ADDRESSES)
        teller.looked(run_so_far(), 40.0)
    written = console.file
    assert isinstance(written, io.StringIO)
    assert "waiting for the cell" in written.getvalue()
    assert "the story so far" in written.getvalue()
    assert all(one in written.getvalue() for one in ADDRESSES.values())


class Told:
    """`tell` over programs and a run that are neither: what it said, in what order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path, mode: Mode = Mode.ROOT,
                 ending: Callable[[], None] = lambda: None) -> None:
        """`ending` is what happens while it is kept."""
        self.folder, self._ending, self._ended = folder, ending, False
        self._settings = LoopSettings(mode=mode, doors="/nowhere")
        self.console = Console(file=io.StringIO(), record=True, width=60, force_terminal=False)
        monkeypatch.setenv("XDG_STATE_HOME", str(folder / "state"))
        monkeypatch.setattr(module, "require", lambda settings: None)
        monkeypatch.setattr(module, "Console", lambda highlight: self.console)
        monkeypatch.setattr(module, "Programs", self._programs)
        monkeypatch.setattr(module, "Run", self._run)
        monkeypatch.setattr(module, "show", lambda one, console: console.print("the table"))
        monkeypatch.setattr(module, "write", write_summary)  # to draw takes seconds
        monkeypatch.setattr(module, "KEEP_LOOK_SECONDS", 0.0)

    def tell(self, keep: bool = False, live: bool = False) -> str:
        try:
            tell(self._settings, Options(self.folder / "report", Path("model"), keep, live))
        finally:
            self.text = self.console.export_text()
        return self.text

    @contextmanager
    def _programs(self, settings: LoopSettings, *_: object) -> Iterator[Any]:
        try:
            yield SimpleNamespace(
                addresses=ADDRESSES, settings=settings, check=self._check, ground=SimpleNamespace(
                    end_capture=lambda: None, hint=lambda: "ip netns exec it curl"))
        finally:
            self._ended = True

    def _check(self) -> None:
        assert self.summary()["cell"] is None  # it runs, and says nothing yet
        self._ending()

    def _run(self, programs: object, looked: object) -> Any:
        return SimpleNamespace(
            start=lambda: None, result=self._result, rest=lambda: None,
            phases=lambda: self.console.print("the phases"))

    def _result(self) -> LoopResult:
        return replace(result(), cell={"packets": 7} if self._ended else None)

    def summary(self) -> Any:
        return json.loads((self.folder / "report" / "summary.json").read_text())


@pytest.mark.parametrize("keep", [False, True])
def test_lines_say_each_address_once_before_the_phases(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep: bool) -> None:
    told = Told(monkeypatch, tmp_path, ending=interrupted)
    if keep:
        with pytest.raises(KeyboardInterrupt):
            told.tell(keep=True)
    else:
        told.tell()
    for name, url in ADDRESSES.items():
        assert told.text.count(f"{name}: {url}\n") == 1
        assert told.text.index(url) < told.text.index("the phases")


def test_after_the_view_a_kept_runs_addresses_are_said(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = Told(monkeypatch, tmp_path, ending=interrupted)
    with pytest.raises(KeyboardInterrupt):
        told.tell(keep=True, live=True)
    after = told.text.rpartition("the table")[2]
    assert all(f"{name}: {url}\n" in after for name, url in ADDRESSES.items())
    assert after.endswith("As the phone: ip netns exec it curl\nAll of it stays up until Ctrl-C.\n")


def test_a_view_of_what_is_gone_leaves_no_addresses(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "http" not in Told(monkeypatch, tmp_path).tell(live=True).partition("the table")[2]


def test_a_users_namespaces_are_not_pointed_into(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = Told(monkeypatch, tmp_path, Mode.USER, interrupted)
    with pytest.raises(KeyboardInterrupt):
        told.tell(keep=True)
    assert "stays up until Ctrl-C" in told.text
    assert "As the phone" not in told.text


def interrupted() -> None:
    raise KeyboardInterrupt


def terminated() -> None:
    raise SystemExit(143)


def one_ended() -> None:
    raise TestbedFailure("the program 'edge' ended with status 1.")


@pytest.mark.parametrize(("ending", "error"), [
    (interrupted, KeyboardInterrupt), (terminated, SystemExit), (one_ended, TestbedFailure)])
def test_a_kept_runs_summary_has_what_the_cell_says_at_its_end(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: Callable[[], None],
        error: type[BaseException]) -> None:
    told = Told(monkeypatch, tmp_path, ending=ending)
    with pytest.raises(error):
        told.tell(keep=True)
    found = told.summary()
    assert found["cell"] == {"packets": 7}
    assert {**found, "cell": None} == json.loads(json.dumps(result().document()))
    assert sorted(one.name for one in (tmp_path / "report").iterdir()) == [
        ".running", "summary.json"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "report" / ".running").mkdir(parents=True)
    for folder in (tmp_path / "file", tmp_path / "report", Path("/proc/nothing")):
        with pytest.raises(TestbedFailure, match=f"^{folder}.* cannot be written: ") as caught, \
                alone(folder):
            pass
        assert "--out" in str(caught.value)


def test_a_folder_is_one_runs_until_it_ends(tmp_path: Path) -> None:
    with alone(tmp_path / "report"), pytest.raises(TestbedFailure, match="Another run"), \
            alone(tmp_path / "report"):
        pass
    with alone(tmp_path / "report"):
        pass
