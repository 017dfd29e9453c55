"""Files, folders and streams as a reader takes them; formats and damage have tests of their own."""

from __future__ import annotations

import gzip
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pcap_tools.errors import CaptureError
from pcap_tools.read import open_captures
from tests.pcap_tools.captures import (
    BEGIN,
    Frame,
    Pipe,
    pcap,
    pcapng,
    read_all,
    read_bytes,
    save,
    some_frames,
)

FRAMES = some_frames()


def test_counters_account_for_every_frame() -> None:
    frames = some_frames(cut=96)
    _, reader = read_bytes(pcap(frames))
    counters = reader.counters
    assert counters.packets == len(frames)
    assert counters.bytes == sum(whole for _, _, whole in frames)
    assert counters.captured_bytes == sum(len(kept) for _, kept, _ in frames)
    assert counters.truncated == sum(len(kept) < whole for _, kept, whole in frames) > 0
    assert (counters.first, counters.last) == (frames[0][0], frames[-1][0])
    assert counters.links == {1: len(frames)}
    assert counters.dropped is None
    assert counters.bad_records == counters.skipped_bytes == 0
    assert reader.warnings == []


@pytest.mark.parametrize("chunk", [1, 50, 333, 1 << 22])
@pytest.mark.parametrize("most", [1, 7, 1000])
@pytest.mark.parametrize("form", [pcap, pcapng])
def test_records_may_lie_across_the_borders_of_chunks(
    chunk: int, most: int, form: Callable[[list[Frame]], bytes]
) -> None:
    frames, reader = read_bytes(form(FRAMES), chunk, most)
    assert frames == FRAMES
    assert reader.warnings == []


def test_a_batch_has_no_more_frames_than_wanted() -> None:
    reader = open_captures(["-"], 8, stdin=Pipe(pcap(FRAMES), 1 << 20))
    assert [len(records) for records in reader] == [8, 8, 4]


def test_kept_batches_stay_as_they_were(tmp_path: Path) -> None:
    path = save(tmp_path, "long.pcap", pcap(FRAMES * 50))
    kept = list(open_captures([path], 16, chunk=2000))
    again = open_captures([path], 16, chunk=2000)
    for before, records in zip(kept, again, strict=True):
        for row in range(len(records)):
            assert np.array_equal(
                before.data[before.start[row]:before.start[row] + before.captured[row]],
                records.data[records.start[row]:records.start[row] + records.captured[row]])


def test_buffers_are_used_again(tmp_path: Path) -> None:
    path = save(tmp_path, "long.pcap", pcap(FRAMES * 100))
    buffers = set()
    for records in open_captures([path], chunk=4000):
        buffers.add(records.data.__array_interface__["data"][0])
        del records
    assert len(buffers) <= 3


def test_files_and_folders_come_in_order(tmp_path: Path) -> None:
    save(tmp_path, "folder/b.pcap", pcap(FRAMES[5:10]))
    save(tmp_path, "folder/a.pcapng.gz", gzip.compress(pcapng(FRAMES[:5])))
    save(tmp_path, "folder/below/unnamed", pcap(FRAMES[10:15]))
    save(tmp_path, "folder/labels.csv", b"capture,label\n")
    save(tmp_path, "folder/README", b"")
    last = save(tmp_path, "last", pcap(FRAMES[15:]))
    reader = open_captures([tmp_path / "folder", str(last)])
    assert reader.total == sum(source.size or 0 for source in reader.sources)
    assert read_all(reader) == FRAMES
    assert reader.position == reader.total
    assert reader.warnings == []


def test_a_bad_file_among_others_stops_nothing(tmp_path: Path) -> None:
    save(tmp_path, "a.pcap", pcap(FRAMES[:5]))
    save(tmp_path, "b.pcap", b"not a capture")
    save(tmp_path, "c.pcap", b"")
    save(tmp_path, "d.pcap", pcap(FRAMES[5:]))
    reader = open_captures([tmp_path])
    assert read_all(reader) == FRAMES
    assert [Path(warning.source).name for warning in reader.warnings] == ["b.pcap", "c.pcap"]
    assert "is no capture" in reader.warnings[0].problem
    assert "is empty" in reader.warnings[1].problem


def test_a_file_that_vanishes_in_between_stops_nothing(tmp_path: Path) -> None:
    one = save(tmp_path, "a.pcap", pcap(FRAMES[:5]))
    other = save(tmp_path, "b.pcap", pcap(FRAMES[5:]))
    reader = open_captures([one, other])
    other.unlink()
    assert read_all(reader) == FRAMES[:5]
    assert "no such file" in str(reader.warnings[0])


@pytest.mark.parametrize(("content", "problem"), [
    (b"", "is empty"),
    (b"\xd4\xc3\xb2\xa1\x02\x00", "ends within its header"),
    (b"GET / HTTP/1.1\r\n", "is no capture"),
    (gzip.compress(b"a text, packed", mtime=0), "is no capture"),
    (gzip.compress(pcap(FRAMES), mtime=0)[:8], "the gz stream ends in the middle"),
])
def test_what_is_no_capture_is_named(tmp_path: Path, content: bytes, problem: str) -> None:
    path = save(tmp_path, "odd.pcap", content)
    with pytest.raises(CaptureError, match=problem) as caught:
        read_all(open_captures([path]))
    assert str(path) in caught.value.problem
    assert "pcapng" in caught.value.remedy


def test_where_no_file_is_a_capture_an_error_says_so(tmp_path: Path) -> None:
    paths = [save(tmp_path, name, b"text") for name in ("a", "b")]
    with pytest.raises(CaptureError, match="None of the 2 files"):
        read_all(open_captures(paths))


def test_paths_are_looked_at_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match=r"absent\.pcap cannot be read: no such file"):
        open_captures([save(tmp_path, "a.pcap", pcap(FRAMES)), tmp_path / "absent.pcap"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(CaptureError, match="no capture in"):
        open_captures([tmp_path / "empty"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    path = save(tmp_path, "a.pcap", pcap(FRAMES))
    path.chmod(0)
    with pytest.raises(CaptureError, match="permission denied"):
        read_all(open_captures([path]))


def test_a_named_pipe_is_read_as_it_fills(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=[pcap(FRAMES)])
    writer.start()
    reader = open_captures([path])
    assert reader.total is None
    assert read_all(reader) == FRAMES
    writer.join()


def test_what_a_slow_pipe_has_given_is_delivered_at_once() -> None:
    data = pcap(FRAMES)

    class Slow(Pipe):
        def readinto(self, view: object) -> int:
            count = super().readinto(view)
            if not count:
                pytest.fail("it was read on before its frames were delivered")
            return count

    first = len(pcap(FRAMES[:1]))
    reader = open_captures(["-"], stdin=Slow(data[:first], 1 << 20))
    assert len(next(iter(reader))) == 1


def test_closing_ends_a_reader_early(tmp_path: Path) -> None:
    path = save(tmp_path, "a.pcap", pcap(FRAMES))
    with open_captures([path, path], 4) as reader:
        assert len(next(iter(reader))) == 4
    assert list(reader) == []
    assert reader.counters.packets == 4


def test_an_error_of_the_disk_ends_a_file_with_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing(Pipe):
        def readinto(self, view: object) -> int:
            if not self._data:
                raise OSError(5, "Input/output error")
            return super().readinto(view)

    reader = open_captures(["-"], stdin=Failing(pcap(FRAMES), 100))
    assert read_all(reader) == FRAMES
    assert "reading it failed: input/output error" in reader.warnings[0].problem


def test_a_long_sparse_stream_takes_constant_memory() -> None:
    """64 MiB of frames through small chunks: the buffers do not grow."""
    frame = (BEGIN, bytes(60_000), 60_000)
    head, record = pcap([])[:24], pcap([frame])[24:]

    class Endless(Pipe):
        def __init__(self) -> None:
            super().__init__(head, 1 << 20)
            self.left = 1100

        def readinto(self, view: object) -> int:
            if not self._data and self.left:
                self._data, self.left = memoryview(record), self.left - 1
            return super().readinto(view)

    largest = 0
    reader = open_captures(["-"], chunk=1 << 20, stdin=Endless())
    for records in reader:
        base = records.data.base
        assert isinstance(base, np.ndarray)
        largest = max(largest, len(base))
        assert sys.getrefcount(base) < 10
    assert reader.counters.packets == 1100
    assert largest <= 2 << 20
