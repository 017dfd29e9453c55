"""What a run wrote down is removed after its death, and never while it lives."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed import namespaces
from testbed.bed import record
from testbed.bed.layout import INSIDE, NAME
from testbed.bed.record import AlreadyRunning, Process, Record, clean_leftovers
from testbed.errors import TestbedFailure

SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]
OWNER = """
import subprocess, sys, time
from pathlib import Path
from testbed.bed.record import Record
with Record.open("bed", Path(sys.argv[1])) as record:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    record.process(child.pid)
    folder = Path(sys.argv[1]) / "airsplit-sockets"
    folder.mkdir()
    record.folder(folder)
    print(child.pid, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(SLEEPER, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def test_a_run_leaves_no_record(tmp_path: Path) -> None:
    with Record.open("bed", tmp_path) as made:
        made.about(mode="root")
        assert record.running("bed", tmp_path) == made.made
    assert record.running("bed", tmp_path) is None
    assert clean_leftovers("bed", tmp_path) is None
    assert [one.name for one in (tmp_path / "bed").iterdir()] == ["lock"]


@pytest.mark.parametrize(("name", "end"), [
    (NAME, "airsplit testbed down; or look at it: airsplit testbed status."),
    # `down` is the testbed's in the background: of a demo it knows nothing.
    ("airsplit-demo", "press Ctrl-C there, or kill {}."),
    (INSIDE, "press Ctrl-C there, or kill {}.")])
def test_twice_names_the_one_that_runs_and_how_to_end_it(
        tmp_path: Path, name: str, end: str) -> None:
    with (Record.open(name, tmp_path), pytest.raises(AlreadyRunning) as caught,
          Record.open(name, tmp_path)):
        pass
    assert str(caught.value) == (f"The testbed {name!r} runs already, as process {os.getpid()}. "
                                 f"End it: {end.format(os.getpid())}")


def test_where_its_number_is_not_known_there_is_a_remedy(tmp_path: Path) -> None:
    with Record.open("airsplit-demo", tmp_path):
        (tmp_path / "airsplit-demo" / "record.json").unlink()
        with pytest.raises(AlreadyRunning, match=r"already\. End it: press Ctrl-C there\."), \
                Record.open("airsplit-demo", tmp_path):
            pass


def test_what_lives_is_left_alone(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    with Record.open("bed", tmp_path) as made:
        made.process(sleeper.pid)
        assert clean_leftovers("bed", tmp_path) is None
        assert sleeper.poll() is None


def test_a_killed_owner_is_cleaned_up_after(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER, str(tmp_path)],
                          stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        child = record.process_of(int(owner.stdout.readline()))
        assert child is not None
        owner.send_signal(signal.SIGKILL)
    assert child.alive()
    told = clean_leftovers("bed", tmp_path)
    assert told is not None
    assert f"process {owner.pid}" in told
    assert "1 processes" in told
    assert "airsplit-sockets" in told
    assert not child.alive()
    assert not (tmp_path / "airsplit-sockets").exists()
    with Record.open("bed", tmp_path):
        pass


@pytest.mark.skipif(not namespaces.available(), reason="no network namespaces here")
def test_namespaces_are_removed_and_what_runs_in_them_ends(tmp_path: Path) -> None:
    name = f"airsplit-rec{os.getpid()}"
    namespaces.add(name)
    with subprocess.Popen(["ip", "netns", "exec", name, *SLEEPER],
                          stdout=subprocess.PIPE) as inside:
        try:
            assert inside.stdout is not None
            assert inside.stdout.readline() == b"up\n"
            _leave(tmp_path, namespaces=[name, f"{name}-gone"])
            told = clean_leftovers("bed", tmp_path)
            assert told == f"a run that was killed had left namespaces {name}: removed"
            assert not (Path("/run/netns") / name).exists()
            assert inside.wait(60) == -signal.SIGKILL
        finally:
            namespaces.remove(name)
            inside.kill()


def test_a_number_that_is_anothers_by_now_is_not_killed(
        tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    found = record.process_of(sleeper.pid)
    assert found is not None
    _leave(tmp_path, processes=[{"pid": found.pid, "started": found.started + 1}])
    assert clean_leftovers("bed", tmp_path) is not None
    assert sleeper.poll() is None


def test_what_another_boot_left_is_not_killed(
        tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    found = record.process_of(sleeper.pid)
    assert found is not None
    _leave(tmp_path, boot="another", processes=[{"pid": found.pid, "started": found.started}])
    assert clean_leftovers("bed", tmp_path) is not None
    assert sleeper.poll() is None


@pytest.mark.parametrize("said", [
    {"namespaces": ["somebodys"]}, {"namespaces": ["airsplit/../x"]}, {"folders": ["/etc"]},
    {"processes": [{"pid": 1, "started": 1}]}, {"processes": [{}]}, {"processes": 3}])
def test_a_damaged_record_removes_nothing(tmp_path: Path, said: dict[str, object]) -> None:
    _leave(tmp_path, **said)
    with pytest.raises(TestbedFailure, match=r"record\.json cannot be read"):
        clean_leftovers("bed", tmp_path)


def test_names_that_are_not_ours_are_not_written(tmp_path: Path) -> None:
    with Record.open("bed", tmp_path) as made, pytest.raises(ValueError, match="not ours"):
        made.namespace("eth0")


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (pytest.raises(TestbedFailure, match="cannot be written to") as caught,
          Record.open("bed", tmp_path / "file")):
        pass
    assert "XDG_STATE_HOME" in str(caught.value)


def test_records_are_the_users_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert record.place_of("bed") == tmp_path / "airsplit" / "bed"


def test_a_process_that_is_gone_is_not_alive() -> None:
    done = subprocess.Popen(["true"])
    done.wait()
    assert record.process_of(done.pid) is None
    assert not Process(done.pid, 5).alive()


def _leave(root: Path, **said: object) -> None:
    place = root / "bed"
    place.mkdir()
    document = {"boot": record.boot_id(), "owner": None, "processes": [], "namespaces": [],
                "folders": [], "about": {}} | said
    (place / "record.json").write_text(json.dumps(document))
