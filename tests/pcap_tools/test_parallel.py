"""Tables of many captures: the same however many processes make them."""

from __future__ import annotations

import multiprocessing
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from pcap_tools import parallel
from pcap_tools.errors import CaptureError, UsageError
from pcap_tools.flow_engine import FlowEngine
from pcap_tools.flows import FlowConfig, Sampled
from pcap_tools.packets import Status
from pcap_tools.parallel import ParallelTables, Wanted
from pcap_tools.read import open_captures
from tests.benchmarks import traffic
from tests.pcap_tools.captures import save

FLOWS_ONLY = Wanted(FlowConfig(samples=False))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three captures, one of them damaged."""
    made = tmp_path_factory.mktemp("captures")
    for number in range(3):
        traffic.write(traffic.Mix(2000, 100, seed=number), made / f"{number}.pcap")
    with (made / "1.pcap").open("ab") as file:
        file.write(b"\xff" * 100)
    return made


def assert_same(one: Any, other: Any) -> None:
    """Equal, and undefined in the same places."""
    assert one.dtype == other.dtype
    for name in one.dtype.names:
        np.testing.assert_array_equal(one[name], other[name])


def all_rows(tables: ParallelTables) -> Any:
    return np.concatenate(list(tables))


def test_any_number_of_processes_gives_the_same(folder: Path) -> None:
    one, two = (ParallelTables([folder], FLOWS_ONLY, jobs) for jobs in (1, 2))
    rows = all_rows(one)
    assert_same(all_rows(two), rows)
    for tables in (one, two):
        assert tables.counters.packets == 6000
        assert tables.packets[Status.FLOW] == 6000
        assert tables.flows == len(rows) == 300
        assert tables.counters.skipped_bytes == 100
        assert [Path(warning.source).name for warning in tables.warnings] == ["1.pcap"]
        assert tables.position == tables.total
    assert rows["packets_up"].sum() + rows["packets_down"].sum() == 6000
    assert sorted(rows["flow"]) == list(range(300))


def test_each_capture_gives_what_it_gives_alone(folder: Path) -> None:
    rows = all_rows(ParallelTables([folder], FLOWS_ONLY))
    engine = FlowEngine(FLOWS_ONLY.config)
    for records in open_captures([folder / "1.pcap"]):
        engine.feed(records)
    engine.finish()
    alone = engine.flows()
    alone["flow"] += 100
    assert_same(rows[100:200], alone)


def test_samples_at_some_moments(folder: Path) -> None:
    moments = Sampled.PACKETS_5, Sampled.WHOLE
    rows = all_rows(ParallelTables([folder], Wanted(FlowConfig(), True, moments)))
    assert set(rows["kind"]) == set(moments)
    assert (rows["kind"] == Sampled.WHOLE).sum() == 300
    everything = all_rows(ParallelTables([folder], Wanted(FlowConfig(), True)))
    assert_same(everything[np.isin(everything["kind"], moments)], rows)


def test_large_tables_wait_on_disk(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(folder / "0.pcap")
    expected = np.concatenate(list(parallel.table_of(path, FLOWS_ONLY).tables()))
    monkeypatch.setattr(parallel, "WAITING", 10)
    monkeypatch.setattr(parallel, "GROUP", 7)
    part = parallel.table_of(path, FLOWS_ONLY, str(tmp_path))
    assert [len(rows) for rows in part.rows] == [0]
    assert len(list(tmp_path.iterdir())) == 1
    rows = list(part.tables())
    assert max(map(len, rows)) == 7
    assert_same(np.concatenate(rows), expected)
    assert list(tmp_path.iterdir()) == []


def test_a_bad_file_is_warned_of_and_only_bad_ones_are_an_error(
    folder: Path, tmp_path: Path
) -> None:
    bad = save(tmp_path, "bad.pcap", b"text")
    tables = ParallelTables([bad, folder], FLOWS_ONLY, 2)
    assert len(all_rows(tables)) == 300
    assert "bad.pcap is no capture" in tables.warnings[0].problem
    with pytest.raises(CaptureError, match=r"bad\.pcap is no capture"):
        list(ParallelTables([bad], FLOWS_ONLY))
    with pytest.raises(CaptureError, match="None of the 2 files"):
        list(ParallelTables([bad, bad], FLOWS_ONLY, 2))


def test_what_cannot_work_is_refused_in_words(folder: Path) -> None:
    with pytest.raises(UsageError, match="Standard input"):
        ParallelTables(["-"], FLOWS_ONLY, 2)
    with pytest.raises(UsageError, match="0 processes"):
        ParallelTables([folder], FLOWS_ONLY, 0)


def test_closing_ends_it_early(folder: Path) -> None:
    tables = ParallelTables([folder], FLOWS_ONLY, 2)
    next(iter(tables))
    tables.close()
    assert multiprocessing.active_children() == []
    assert list(tables) == []


def test_ray_runs_the_same_function(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in with Ray's interface; the real one is not needed for it."""
    started: list[str] = []

    class Remote:
        def __init__(self, function: Any) -> None:
            self._function = function

        def remote(self, path: str, *arguments: Any) -> Any:
            started.append(path)
            return self._function(path, *arguments)

    ray: Any = ModuleType("ray")
    ray.is_initialized, ray.remote, ray.get = (lambda: False), Remote, (lambda made: made)
    ray.init = lambda log_to_driver: None
    monkeypatch.setitem(sys.modules, "ray", ray)
    tables = ParallelTables([folder], FLOWS_ONLY, 2, ray=True)
    assert_same(all_rows(tables), all_rows(ParallelTables([folder], FLOWS_ONLY)))
    assert len(started) == 3
    assert tables.position == tables.total


def test_without_ray_there_is_a_word(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match="Ray is not installed"):
        ParallelTables([folder], FLOWS_ONLY, 2, ray=True)
