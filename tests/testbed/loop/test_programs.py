"""The programs' names, files and ends; what they do together is the whole loop's test."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from pcap_tools.record import LOG_SUFFIX
from testbed import namespaces
from testbed.bed.modes import Mode
from testbed.bed.record import Record
from testbed.errors import TestbedFailure
from testbed.loop import programs as module
from testbed.loop.parts import wait_until
from testbed.loop.programs import FILES, ORDER, Programs
from testbed.loop.run_folder import MARK
from testbed.loop.settings import Arm, Load, LoopSettings

KEPT = {"xapp.token", "page"}  # from one run in a folder to the next
# Each way in which a run may differ in what it starts and writes.
KINDS = [LoopSettings(page=page, mode=mode, load=load, arm=arm, doors=doors)
         for page, doors in ((False, None), (True, None), (True, "/tmp/doors"))
         for mode in (Mode.ROOT, Mode.RELAY) for load in (Load.PHONES, Load.NONE)
         for arm in Arm]


def programs(folder: Path, settings: LoopSettings | None = None,
             record: Record | None = None) -> Programs:
    return Programs(settings or LoopSettings(), folder, Path("model"), lambda text: None, record)


def test_what_is_added_is_ended_and_its_sockets_go(tmp_path: Path) -> None:
    with programs(tmp_path) as made:
        part = made.add("relay", [sys.executable, "-c", "import sys; print('{\"a\": 1}', "
                                  "flush=True); print('{', end='', flush=True); sys.stdin.read()"],
                        "labels.jsonl", by_input=True)
        wait_until(lambda: list(made.lines("labels.jsonl")) == [{"a": 1}], [part], 20, "a line")
        sockets = Path(made._socket("tap").removeprefix("ipc://")).parent
        assert sockets.is_dir()
        made.check()
    assert part.process.returncode is not None
    assert not sockets.exists()


def test_no_program_is_forgotten_at_the_end(tmp_path: Path) -> None:
    """Each that the source starts has its place in the order of ending."""
    from testbed.loop import grounds

    source = "".join(Path(str(one.__file__)).read_text(encoding="utf-8")
                     for one in (module, grounds))
    started = set(re.findall(r'\.(?:add|add_module|_door)\(\s*"([a-z-]+)"', source))
    assert started == {name for group in ORDER for name in group}


class Started:
    """In the place of a part: nothing runs, but its files are made."""

    commands: list[str]

    def __init__(self, name: str, command: list[str], log: Path, ending: object,
                 keep_output: Path | None, end_seconds: float) -> None:
        self.log, self.process = log, SimpleNamespace(pid=1)
        log.touch()
        if keep_output is not None:
            keep_output.write_text(json.dumps({"doors": {"phone": 1, "page": 2}}) + "\n")
        self.commands.extend(map(str, command))

    def ask_to_end(self) -> None:
        """It does not run."""

    def wait(self) -> None:
        """As that."""


@pytest.fixture
def unstarted(monkeypatch: pytest.MonkeyPatch) -> None:
    """`start` goes to its end without any program, and without waiting for one."""
    monkeypatch.setattr(Started, "commands", [], raising=False)
    monkeypatch.setattr(module, "Part", Started)
    monkeypatch.setattr(Programs, "wait", lambda *_: None)
    monkeypatch.setattr(namespaces, "command", lambda *_: None)
    monkeypatch.setattr(module.Programs, "close", lambda made: made._sockets.rmdir())


@pytest.mark.usefixtures("unstarted")
@pytest.mark.parametrize("number", range(len(KINDS)))
def test_every_file_of_a_run_is_known_to_the_next(tmp_path: Path, number: int) -> None:
    with programs(tmp_path, KINDS[number]) as made:
        made.start()
        written = {one.name for one in tmp_path.iterdir()}
        assert {"cell.yaml", "crowd.yaml", "xapp.yaml", "cell.log", "tokens.jsonl"} <= written
        assert written <= FILES | {MARK}
        # Files that they are told to write, in their command lines and in their own files.
        told = {Path(one).relative_to(tmp_path).name for one in (
            *Started.commands, *(text for file in tmp_path.glob("*.yaml")
                                 for text in texts(yaml.safe_load(file.read_text()))))
            if one.startswith(f"{tmp_path}/")}
        assert {"ran.json", "xapp.db"} <= told
        assert told <= FILES | KEPT
        made.start()  # and so it takes them away


def texts(document: object) -> Iterator[str]:
    """All that it says."""
    if isinstance(document, dict):
        document = list(document.values())
    if isinstance(document, list):
        for one in document:
            yield from texts(one)
    elif isinstance(document, str):
        yield document


@pytest.mark.usefixtures("unstarted")
def test_a_start_leaves_what_is_not_its_own(tmp_path: Path) -> None:
    mine = [tmp_path / name for name in ("mine.yaml", "thesis.json", "measured.pcap", "x.log")]
    for one in mine:
        one.write_text(one.name)
    for _ in range(2):
        with programs(tmp_path) as made:
            made.start()
    assert all(one.read_text() == one.name for one in mine)


@pytest.mark.usefixtures("unstarted")
def test_a_start_does_not_write_over_somebodys_file(tmp_path: Path) -> None:
    (tmp_path / "cell.yaml").write_text("mine")
    with programs(tmp_path) as made, pytest.raises(TestbedFailure, match=r"cell\.yaml is there"):
        made.start()
    assert (tmp_path / "cell.yaml").read_text() == "mine"


def test_a_file_that_no_later_run_would_know_is_not_written(tmp_path: Path) -> None:
    with programs(tmp_path) as made:
        for write in (lambda: made.write("new.yaml", {}), lambda: made.add("new", ["true"]),
                      lambda: made.add("tap", ["true"], "new.jsonl")):
            with pytest.raises(AssertionError, match="is not in FILES"):
                write()
        assert list(tmp_path.iterdir()) == []


def test_what_a_recording_makes_beside_its_capture_is_known(tmp_path: Path) -> None:
    with programs(tmp_path) as made:
        capture = made.capture
        assert {capture.name, f"{capture.name}.part", capture.with_suffix(LOG_SUFFIX).name} <= FILES


def test_a_report_writes_files_that_are_known() -> None:
    """By its source: to draw one takes seconds."""
    from testbed.loop import report

    source = Path(str(report.__file__)).read_text(encoding="utf-8")
    written = set(re.findall(r'folder / "([^"]+)"', source))
    assert {"summary.json", "loop.png", "report.html"} <= written <= FILES


def test_what_is_made_is_on_record(tmp_path: Path) -> None:
    with Record.open("airsplit-it", tmp_path / "state") as record:
        with programs(tmp_path, LoopSettings(name="airsplit-it", crowd=2), record) as made:
            part = made.add("relay", [sys.executable, "-c", "input()"], by_input=True)
            assert record.made.processes[0].pid == part.process.pid
        assert set(record.made.namespaces) == {
            "airsplit-it-n6", "airsplit-it-phone", "airsplit-it-crowd1", "airsplit-it-crowd2"}


def test_labels_are_never_moved_to_themselves(tmp_path: Path) -> None:
    for seed in range(20):
        made = programs(tmp_path, LoopSettings(arm=Arm.SHUFFLED_LABELS, seed=seed))
        assert 0 < made._rotate < 10
        made.close()


def test_pages_have_addresses_where_there_are_pages(tmp_path: Path) -> None:
    for page in (True, False):
        with programs(tmp_path, LoopSettings(page=page)) as made:
            assert ("the phone's page" in made.addresses) == page
            assert made.addresses["metrics"].endswith(":8480/metrics")
