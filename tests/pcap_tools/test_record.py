"""Recordings: files that are whole when they have their name, a log to line machines up, limits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pcap_tools.bpf import compile_filter
from pcap_tools.errors import FilterError, OutputError, UsageError
from pcap_tools.read import open_captures
from pcap_tools.record import Clocks, RecordConfig, Recorded, host_filter, record
from pcap_tools.records import Counters, Records, Warning
from pcap_tools.write import PcapWriter
from tests.pcap_tools import frames


class Source:
    """Runs of frames, between which half a second passes; an unclosed one goes on."""

    def __init__(self, runs: list[Records], drops: int = 0) -> None:
        self.counters, self.warnings = Counters(dropped=0), list[Warning]()
        self.now, self._runs, self._drops, self.closed = 100.0, runs, drops, False

    def __iter__(self) -> Iterator[Records]:
        for records in self._runs:
            if self.closed:
                return
            self.now += 0.5
            assert self.counters.dropped is not None
            self.counters.dropped += self._drops
            yield records

    def close(self) -> None:
        self.closed = True

    def clocks(self) -> Clocks:
        return Clocks(lambda: self.now + 1.7e9, lambda: self.now)


def open_writer(path: Path) -> PcapWriter:
    return PcapWriter(path, 1)


def run(source: Source, out: Path, free: int = 10**12, **options: Any) -> Recorded:
    return record(source, out, open_writer, RecordConfig(**options), source.clocks(),
                  {"interface": "far"}, free=lambda _: free)


def runs(count: int = 6, each: int = 10) -> list[Records]:
    return [frames.records_of(frames.mixed(each)) for _ in range(count)]


def read(path: Path | str) -> list[bytes]:
    return [frame for records in open_captures([path]) for frame in frames.frames_of(records)]


def lines(done: Recorded) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(done.log).read_text().splitlines()]


def test_a_recording_is_a_capture_and_a_log_of_its_seconds(tmp_path: Path) -> None:
    out = tmp_path / "run.pcap"
    done = run(Source(runs(), drops=2), out)
    assert read(out) == frames.mixed(10) * 6
    assert (done.packets, done.dropped, done.problem) == (60, 12, None)
    assert done.files == [str(out)]
    log = lines(done)
    assert [line["event"] for line in log] == (
        ["start", "second", "second", "second", "file", "second", "stop"])
    assert log[0]["interface"] == "far"
    assert all(line["wall"] - line["monotonic"] == pytest.approx(1.7e9) for line in log)
    seconds = [line for line in log if line["event"] == "second"]
    assert sum(line["packets"] for line in seconds) == log[-1]["packets"] == 60
    assert sum(line["bytes"] for line in seconds) == log[-1]["bytes"] == done.bytes
    assert sum(line["dropped"] for line in seconds) == log[-1]["dropped"] == 12
    assert not list(tmp_path.glob("*.part"))


def test_the_capture_has_its_name_only_once_it_is_whole(tmp_path: Path) -> None:
    out = tmp_path / "run.pcap"
    seen = []

    class Looking(Source):
        def __iter__(self) -> Iterator[Records]:
            for records in super().__iter__():
                seen.append((out.exists(), Path(f"{out}.part").exists()))
                yield records

    run(Looking(runs()), out)
    assert seen == [(False, True)] * 6
    assert out.exists()


def test_what_came_before_an_error_is_kept_under_its_name(tmp_path: Path) -> None:
    class Failing(Source):
        def __iter__(self) -> Iterator[Records]:
            yield from super().__iter__()
            raise KeyboardInterrupt

    out = tmp_path / "run.pcap"
    with pytest.raises(KeyboardInterrupt):
        run(Failing(runs(2)), out)
    assert len(read(out)) == 20
    assert json.loads(out.with_suffix(".timing.jsonl").read_text().splitlines()[-1])[
        "event"] == "stop"


def test_files_follow_each_other_by_size(tmp_path: Path) -> None:
    size = sum(map(len, frames.mixed(10)))
    done = run(Source(runs()), tmp_path / "day.pcap", rotate_bytes=2 * size)
    assert [Path(name).name for name in done.files] == [
        f"day-000{number}.pcap" for number in (1, 2, 3, 4)]
    assert [frame for name in done.files for frame in read(name)] == frames.mixed(10) * 6
    assert [line["name"] for line in lines(done) if line["event"] == "file"] == [
        Path(name).name for name in done.files]


def test_a_number_of_packets_is_kept_to(tmp_path: Path) -> None:
    source = Source(runs())
    done = run(source, tmp_path / "few.pcap", most_packets=25)
    assert len(read(tmp_path / "few.pcap")) == done.packets == 25
    assert source.closed
    assert done.ended_by == "the number of packets"


def test_a_disk_that_fills_up_ends_it_with_what_there_is(tmp_path: Path) -> None:
    room = iter([10**12, 10**12, 5])
    source = Source(runs())
    done = record(source, tmp_path / "full.pcap", open_writer, RecordConfig(keep_free=100),
                  source.clocks(), {}, free=lambda _: next(room))
    assert source.closed
    assert done.ended_by == "a full disk"
    assert done.problem is not None
    assert len(read(tmp_path / "full.pcap")) == done.packets == 40


def test_a_full_disk_is_told_before_anything_begins(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="Only 5 bytes are free"):
        run(Source(runs()), tmp_path / "run.pcap", free=5)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        run(Source(runs()), tmp_path / "absent" / "run.pcap")


@pytest.mark.parametrize("options", [{"rotate_bytes": 0}, {"most_packets": 0}])
def test_limits_that_leave_no_room_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        RecordConfig(**options)


@pytest.mark.parametrize(("hosts", "ports", "rest", "expected"), [
    ([], [], "", ""),
    (["10.0.0.1"], [], "", "host 10.0.0.1"),
    ([], ["80", "8000-8010"], "", "port 80 or portrange 8000-8010"),
    (["::1"], ["80"], "tcp", "(host ::1) and (port 80) and (tcp)"),
    ([], [], "udp", "udp"),
])
def test_hosts_and_ports_become_a_filter(
        hosts: list[str], ports: list[str], rest: str, expected: str) -> None:
    made = host_filter(hosts, ports, rest)
    assert made == expected
    assert compile_filter(made, 1, 65535, own=True)


def test_a_host_cannot_smuggle_a_filter_in() -> None:
    with pytest.raises(FilterError):
        compile_filter(host_filter(["10.0.0.1) or (tcp"], ["80"]) + ")", 1, 65535, own=True)
