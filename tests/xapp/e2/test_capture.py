"""Captures of E2: complete, never in the way, and over without a fuss when the disk is full."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest
from scapy.layers.inet import IP
from scapy.layers.sctp import SCTPChunkData
from scapy.utils import RawPcapReader

from pcap_tools.errors import OutputError
from xapp.e2.capture import Capture, FrameWriter
from xapp.e2.capture_packets import Endpoint
from xapp.errors import ConfigurationError

RIC, GNB = Endpoint("127.0.0.1", 36421), Endpoint("127.0.0.1", 50000)
PATIENCE = 20.0  # seconds for a thread on a busy machine


def nobody(problem: str) -> None:
    raise AssertionError(problem)


def wait_until(condition: object) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():  # type: ignore[operator]  # it is a function
        assert time.monotonic() < deadline
        time.sleep(0.001)


class SlowDisk:
    """Writes nothing until it is told to."""

    def __init__(self) -> None:
        self.go, self.frames = threading.Event(), 0

    def write_frame(self, time_ns: int, frame: bytes) -> None:
        assert self.go.wait(PATIENCE)
        self.frames += 1

    def flush(self) -> None: ...
    def close(self) -> None: ...


class FullDisk:
    """Has room for so many frames."""

    def __init__(self, room: int) -> None:
        self.room, self.closed = room, 0

    def write_frame(self, time_ns: int, frame: bytes) -> None:
        if not self.room:
            raise OutputError("The file cannot be written: No space left on device.")
        self.room -= 1

    def flush(self) -> None: ...

    def close(self) -> None:
        self.closed += 1
        raise OutputError("The file cannot be written: No space left on device.")


def read(path: Path) -> list[tuple[float, bytes]]:
    frames = []
    with RawPcapReader(str(path)) as reader:
        for data, about in reader:
            packet = IP(data)
            chunk = packet[SCTPChunkData]
            seconds = about.sec + about.usec / (1e9 if reader.nano else 1e6)
            frames.append((seconds, bytes(chunk.data)[:chunk.len - 16]))
    return frames


def test_every_pdu_both_ways_is_in_the_file(tmp_path: Path) -> None:
    path, moments = tmp_path / "e2.pcap", iter(range(10**9, 10**12, 10**9))
    with Capture(path, nobody, lambda: next(moments)) as capture:
        association = capture.association(RIC, GNB)
        for number in range(100):
            association.sent(b"out %d" % number, 72)
            association.received(b"in %d" % number, 72)
    frames = read(path)
    assert [data for _, data in frames] == [
        text % number for number in range(100) for text in (b"out %d", b"in %d")]
    assert [moment for moment, _ in frames] == [float(second) for second in range(1, 201)]
    assert (capture.written, capture.dropped, capture.problem) == (200, 0, None)
    association.sent(b"late", 72)  # nobody minds
    capture.close()
    assert len(read(path)) == 200


def test_the_file_can_be_read_while_it_grows(tmp_path: Path) -> None:
    with Capture(tmp_path / "e2.pcap", nobody) as capture:
        capture.association(RIC, GNB).sent(b"first", 70)
        wait_until(lambda: (tmp_path / "e2.pcap").stat().st_size > 24)
        assert [data for _, data in read(tmp_path / "e2.pcap")] == [b"first"]


def test_a_slow_disk_costs_packets_and_no_time(tmp_path: Path) -> None:
    disk = SlowDisk()
    capture = Capture(tmp_path / "x", nobody, open_file=lambda path: disk, most_waiting=10)
    association = capture.association(RIC, GNB)
    association.sent(b"taken", 70)
    wait_until(lambda: not capture._waiting)
    for _ in range(25):
        association.sent(b"x", 70)  # returns, or the test hangs
    assert capture.dropped == 15
    disk.go.set()
    capture.close()
    assert (disk.frames, capture.written) == (11, 11)


def test_a_full_disk_is_told_once_and_ends_the_capture(tmp_path: Path) -> None:
    disk = FullDisk(3)
    told: list[str] = []
    capture = Capture(tmp_path / "x", told.append, open_file=lambda path: disk)
    association = capture.association(RIC, GNB)
    for _ in range(5):
        association.sent(b"x", 70)
    wait_until(lambda: told)
    for _ in range(1000):
        association.received(b"y", 70)
    capture.close()
    assert len(told) == 1
    assert "ended after 3 PDUs: The file cannot be written: No space left" in told[0]
    assert (capture.written, disk.closed, len(capture._waiting)) == (3, 1, 0)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_a_disk_without_room_from_the_start() -> None:
    told: list[str] = []
    capture = Capture(Path("/dev/full"), told.append)
    capture.association(RIC, GNB).sent(b"x", 70)
    wait_until(lambda: told)
    capture.close()
    assert "No space left on device" in told[0]


def test_a_folder_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"away/e2\.pcap cannot be written"):
        Capture(tmp_path / "away" / "e2.pcap", nobody)


def test_our_own_writer_is_one_for_frames(tmp_path: Path) -> None:
    writers: tuple[FrameWriter, ...] = (SlowDisk(), FullDisk(0))
    assert len(writers) == 2
