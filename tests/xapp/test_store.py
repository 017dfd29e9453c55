"""The store as the xApp uses it: order, tickets, full disks, locks, damage, and who may write."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.xapp.store_records_for_tests import (
    Listener,
    action,
    decision,
    decision_ended,
    ended,
    held,
)
from xapp.errors import ConfigurationError, StoreError
from xapp.events import Code, warning
from xapp.store import (
    Committed,
    Down,
    Dropped,
    NotCommitted,
    Report,
    Store,
    StoreConfig,
    Up,
)
from xapp.store_read import Reader
from xapp.store_records import Kind, Record, Sample, event_record

FAST = StoreConfig(retry_seconds=0.02)


@pytest.fixture
def heard() -> Listener:
    return Listener()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = shutil.which("mount") and os.geteuid() == 0 and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)],
        capture_output=True, check=False).returncode == 0
    if not made:
        pytest.skip("a file system of its own needs root and CAP_SYS_ADMIN")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(path: Path) -> None:
    """Take all the room there is."""
    room = os.statvfs(path.parent)
    with pytest.raises(OSError, match="No space"):
        path.write_bytes(bytes((room.f_bavail + 1) * room.f_frsize))
    assert os.statvfs(path.parent).f_bavail == 0


def test_what_was_put_is_there_in_its_order_and_tickets_are_told(
        tmp_path: Path, heard: Listener) -> None:
    path = tmp_path / "xapp.db"
    store = Store(path, heard)
    store.put(decision())
    store.put(action(), ticket="1.2")
    assert heard.wait_for(lambda one: isinstance(one, Committed)) == Committed("1.2")
    with Reader(path) as reader:  # beside the one who writes
        assert reader.left().actions == ("1.2",)
    store.put(ended())
    store.put(decision_ended())
    store.put(held().record())
    store.put(event_record(warning(Code.NO_EFFECT, "Nothing came of it.", "cell")))
    store.put(Sample("cell", "a/b", {"down_kbps": 1.5, "up_kbps": None}))
    store.close()
    with Reader(path) as reader:
        kinds = [row["kind"] for row in reader.audit()]
        assert kinds == ["run_started", "decision", "action", "action_ended", "decision_ended",
                         "target", "event", "run_ended"]
        assert reader.decisions(10)[0]["state"] == "confirmed"
        assert reader.held() == (held(),)
        assert reader.events(10)[0]["code"] == "no_effect"
        assert reader.samples("cell", 0.0)[0]["figures"] == {"down_kbps": 1.5, "up_kbps": None}
        assert reader.left().clean
        assert reader.verify() is None
    assert heard.of(Dropped) == heard.of(Down) == []


def test_runs_are_counted_and_one_that_was_cut_off_is_known(
        tmp_path: Path, heard: Listener) -> None:
    path = tmp_path / "xapp.db"
    first = Store(path, heard)
    first.put(decision())
    first.put(action())
    first.put(held(certain=False).record())
    first.close(clean=False)
    second = Store(path, heard)
    assert (first.run, second.run) == (1, 2)
    with Reader(path) as reader:
        left = reader.left(second.run)
    assert not left.clean
    assert (left.actions, left.decisions) == (("1.2",), ("1.1",))
    assert left.held == (held(certain=False),)
    second.close()


def test_a_full_disk_refuses_intents_keeps_the_rest_and_recovers(
        small_disk: Path, heard: Listener) -> None:
    store = Store(small_disk / "xapp.db", heard, FAST)
    ballast = small_disk / "ballast"
    fill(ballast)
    store.put(decision())
    store.put(held(55).record())
    store.put(action(padding=100_000), ticket="1.2")
    heard.wait_for(lambda one: isinstance(one, Down))
    heard.wait_for(lambda one: one == NotCommitted("1.2", "the store cannot be written"))
    store.put(action("1.3"), ticket="1.3")
    heard.wait_for(lambda one: isinstance(one, NotCommitted) and one.ticket == "1.3")
    store.put(ended("1.2", "withdrawn"))
    ballast.unlink()
    heard.wait_for(lambda one: isinstance(one, Up))
    store.put(action("1.4"), ticket="1.4")
    heard.wait_for(lambda one: one == Committed("1.4"))
    store.close()
    assert len(heard.of(Down)) == 1  # told once, not with every attempt
    assert "Make room" in heard.of(Down)[0].why
    with Reader(small_disk / "xapp.db") as reader:
        assert reader.held() == (held(55),)  # nothing else was lost
        assert reader.left().actions == ("1.4",)
        assert reader.verify() is None


def test_a_store_at_its_own_limit_says_so(tmp_path: Path, heard: Listener) -> None:
    store = Store(tmp_path / "xapp.db", heard, StoreConfig(most_bytes=64 * 4096,
                                                           retry_seconds=0.02))
    store.put(action(padding=400_000), ticket="1.2")
    heard.wait_for(lambda one: isinstance(one, Down))
    heard.wait_for(lambda one: isinstance(one, NotCommitted))
    store.put(action("1.3"), ticket="1.3")  # which fits
    heard.wait_for(lambda one: one == Committed("1.3"))
    store.close()


def test_a_lock_of_another_process_is_waited_for(tmp_path: Path, heard: Listener) -> None:
    path = tmp_path / "xapp.db"
    store = Store(path, heard, FAST)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    store.put(decision())
    store.put(action(), ticket="1.2")
    heard.wait_for(lambda one: isinstance(one, NotCommitted))
    assert "locked" in heard.of(Down)[0].why
    other.execute("ROLLBACK")
    other.close()
    heard.wait_for(lambda one: isinstance(one, Up))
    store.close()
    with Reader(path) as reader:
        assert [row["kind"] for row in reader.audit()] == ["run_started", "decision", "run_ended"]


def test_two_xapps_do_not_write_to_one_store(tmp_path: Path, heard: Listener) -> None:
    store = Store(tmp_path / "xapp.db", heard)
    with pytest.raises(StoreError, match="in use by another xApp"):
        Store(tmp_path / "xapp.db", heard)
    store.close()
    Store(tmp_path / "xapp.db", heard).close()


def test_damage_is_told_at_start_with_what_to_do(tmp_path: Path, heard: Listener) -> None:
    path = tmp_path / "xapp.db"
    store = Store(path, heard)
    for number in range(200):
        store.put(action(f"1.{number}", padding=500))
    store.close()
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(os.urandom(65536))
    with pytest.raises(StoreError, match=r"damaged.*Move it away"):
        Store(path, heard)
    path.write_bytes(b"this is no database, but it is long enough to be looked at " * 50)
    with pytest.raises(StoreError, match="damaged"):
        Store(path, heard)


def test_damage_while_it_runs_stops_intents(tmp_path: Path, heard: Listener) -> None:
    path = tmp_path / "xapp.db"
    store = Store(path, heard, FAST)
    store.put(action("1.1"), ticket="1.1")
    heard.wait_for(lambda one: one == Committed("1.1"))
    stranger = sqlite3.connect(path, isolation_level=None)
    stranger.execute("DROP TABLE actions")
    stranger.close()
    store.put(action("1.2"), ticket="1.2")
    heard.wait_for(lambda one: isinstance(one, NotCommitted))
    assert heard.of(Down)
    store.put(action("1.3"))
    store.close()
    assert heard.of(Dropped)  # what could not be written is told


@pytest.mark.parametrize("where", ["no/such/folder/xapp.db", "folder"])
def test_a_place_that_cannot_be_is_told(tmp_path: Path, heard: Listener, where: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError):
        Store(tmp_path / where, heard)


def test_one_record_that_is_no_json_does_not_stop_others(tmp_path: Path, heard: Listener) -> None:
    store = Store(tmp_path / "xapp.db", heard)
    store.put(Record(Kind.EFFECT, "1.1", body={"seen": float("nan"), "decision": None}))
    store.put(Record(Kind.ACTION, "1.2", body={"cell": object()}), ticket="1.2")
    store.put(action("1.3"), ticket="1.3")
    heard.wait_for(lambda one: one == Committed("1.3"))
    store.close()
    assert [one.ticket for one in heard.of(NotCommitted)] == ["1.2"]
    assert len(heard.of(Dropped)) == 2
    assert heard.of(Down) == []


def test_history_gives_way_before_records_where_too_much_waits(
        tmp_path: Path, heard: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xapp.store.MOST_QUEUED", 10)
    gate = threading.Event()

    def report(one: Report) -> None:
        gate.wait()
        heard(one)

    store = Store(tmp_path / "xapp.db", report)
    store.put(action("1.0"), ticket="1.0")  # whose report holds the thread up
    while store.waiting and not store.put(decision("1.0")):
        pass
    taken = [store.put(Sample("cell", "a/b", {})) for _ in range(10)]
    assert 0 < taken.count(True) <= 5
    records = [store.put(decision(f"2.{number}")) for number in range(20)]
    assert 5 <= records.count(True) <= 10
    assert False in records
    gate.set()
    store.close()


def test_wall_time_is_only_written_down(tmp_path: Path, heard: Listener) -> None:
    times = iter([1000.0, 5.0, 9e9, 2.0, 3.0])
    store = Store(tmp_path / "xapp.db", heard, wall=lambda: next(times))
    for name in ("1.1", "1.2"):
        store.put(action(name), ticket=name)
        heard.wait_for(lambda one, name=name: one == Committed(name))  # type: ignore[misc]
    store.close()
    with Reader(tmp_path / "xapp.db") as reader:
        assert [row["number"] for row in reader.audit()] == [1, 2, 3, 4]
        assert [row["time"] for row in reader.audit()] == [1000.0, 5.0, 9e9, 2.0]
        assert reader.verify() is None


def test_limits_that_cannot_be_are_refused() -> None:
    with pytest.raises(ConfigurationError):
        StoreConfig(most_bytes=1000)
