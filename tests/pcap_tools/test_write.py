"""What is written is what was given, to our own reader and to scapy's."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from scapy.utils import RawPcapReader

from pcap_tools.errors import OutputError, UsageError
from pcap_tools.read import open_captures
from pcap_tools.write import PcapWriter
from tests.pcap_tools.captures import (
    BEGIN,
    pcap,
    pcapng,
    read_all,
    read_bytes,
    save,
    some_frames,
)
from tests.pcap_tools.frames import records_of

FRAMES = some_frames()


def test_a_written_capture_is_the_capture_that_was_read(tmp_path: Path) -> None:
    source, copy = save(tmp_path, "a.pcapng", pcapng(FRAMES)), tmp_path / "b.pcap"
    with PcapWriter(copy) as writer:
        for records in open_captures([source], 7):
            writer.write(records)
    assert read_all(open_captures([copy])) == FRAMES
    assert (writer.packets, writer.bytes) == (len(FRAMES), copy.stat().st_size)


def test_frames_one_by_one_make_the_same_file_as_many_at_once() -> None:
    one, many = io.BytesIO(), io.BytesIO()
    single, batch = PcapWriter(one, link=101), PcapWriter(many, link=101)
    for time, kept, whole in FRAMES:
        single.write_frame(time, kept, whole)
    batch.write(records_of([kept for _, kept, _ in FRAMES], [time for time, _, _ in FRAMES], 101))
    single.close()
    batch.close()
    assert one.getvalue() == many.getvalue() == pcap(FRAMES, link=101)


def test_scapy_reads_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    with PcapWriter(path, nanoseconds=False) as writer:
        for time, kept, whole in FRAMES:
            writer.write_frame(time, kept, whole)
    with RawPcapReader(str(path)) as reader:
        assert [(about.sec * 10**9 + about.usec * 1000, data, about.wirelen)
                for data, about in reader] == FRAMES


def test_frames_are_cut_and_keep_their_length(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    with PcapWriter(path, snap=60) as writer:
        writer.write(records_of([kept for _, kept, _ in FRAMES],
                                [time for time, _, _ in FRAMES]))
        writer.write_frame(BEGIN, b"x" * 100)
    assert read_all(open_captures([path])) == [
        *some_frames(cut=60), (BEGIN, b"x" * 60, 100)]


def test_times_that_pcap_cannot_express_become_the_nearest(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    with PcapWriter(path) as writer:
        writer.write_frame(-5, b"a")
        writer.write_frame(1 << 63, b"b")
        writer.write(records_of([b"c", b"d"], [-(1 << 62), 1 << 62]))
    assert [time for time, _, _ in read_all(open_captures([path]))] == [
        0, ((1 << 32) - 1) * 10**9] * 2


def test_another_link_type_is_refused() -> None:
    writer = PcapWriter(io.BytesIO(), link=1)
    with pytest.raises(OutputError, match="link type 1, and one of type 101"):
        writer.write(records_of([b"x"], link=101))
    writer.write(records_of([]))
    assert writer.packets == 0


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="No such file"):
        PcapWriter(tmp_path / "absent" / "a.pcap")
    with pytest.raises(UsageError, match="cut to 0 bytes"):
        PcapWriter(io.BytesIO(), snap=0)
    if Path("/dev/full").exists():
        with pytest.raises(OutputError, match="No space left"), PcapWriter("/dev/full") as writer:
            writer.write(records_of([b"x" * 1000] * 100))


def test_frames_of_a_batch_may_lie_anywhere() -> None:
    records = records_of([b"one", b"three", b"two"])
    order = np.array([0, 2, 1])
    out = io.BytesIO()
    with PcapWriter(out) as writer:
        writer.write(type(records)(records.data, records.start[order], records.captured[order],
                                   records.length[order], records.time, records.link,
                                   records.interface))
    assert [kept for _, kept, _ in read_bytes(out.getvalue())[0]] == [b"one", b"two", b"three"]
