"""Packets told and heard: whole, in order, with their times; slow listeners lose some, counted."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcap_tools.errors import CaptureError
from pcap_tools.records import Records
from testbed.errors import LinkFailure
from testbed.loop.packet_stream import QUEUE_BYTES, Copies, StreamSource, connected

PACKETS = [(10**18 + number, bytes([number % 256]) * (20 + number)) for number in range(300)]


@pytest.fixture
def copies(tmp_path: Path) -> Iterator[Copies]:
    made = Copies(tmp_path / "copies")
    yield made
    made.close()


def frames(records: Records) -> list[tuple[int, bytes]]:
    return [(int(time), bytes(records.data[at:at + size])) for time, at, size in zip(
        records.time, records.start, records.captured, strict=True)]


def test_who_listens_hears_all_from_then_on(copies: Copies, tmp_path: Path) -> None:
    copies.add(1, b"before")
    source = StreamSource(connected(tmp_path / "copies"), 0.01)
    copies.accept()
    for time, packet in PACKETS:
        copies.add(time, packet)
    assert not copies.flush()
    found: list[tuple[int, bytes]] = []
    for records in source:
        found += frames(records)
        if len(found) == len(PACKETS):
            source.close()
    source.release()
    assert found == PACKETS
    assert source.counters.packets == len(PACKETS)


def test_silence_is_empty_runs_and_the_tellers_end_is_the_end(
    copies: Copies, tmp_path: Path
) -> None:
    source = StreamSource(connected(tmp_path / "copies"), 0.001)
    copies.accept()
    runs = iter(source)
    assert [len(next(runs)) for _ in range(3)] == [0, 0, 0]
    copies.close()
    assert sum(len(one) for one in runs) == 0
    source.release()


def test_a_close_from_elsewhere_ends_a_wait(copies: Copies, tmp_path: Path) -> None:
    source = StreamSource(connected(tmp_path / "copies"), 60.0)
    threading.Timer(0.05, source.close).start()
    assert list(source) == []
    source.release()


def test_who_does_not_read_loses_packets_and_nobody_waits(copies: Copies, tmp_path: Path) -> None:
    with connected(tmp_path / "copies"):
        copies.accept()
        count = 2 * QUEUE_BYTES // 100_000
        for _ in range(count):
            copies.add(1, bytes(100_000))
            copies.flush()
        assert 0 < copies.lost < count
        assert copies.flush()


def test_who_went_is_forgotten(copies: Copies, tmp_path: Path) -> None:
    connected(tmp_path / "copies").close()
    copies.accept()
    for _ in range(3):
        copies.add(1, b"x" * 100)
        copies.flush()
    assert not copies._listeners


def test_nobody_tells_there(tmp_path: Path) -> None:
    with pytest.raises(LinkFailure, match="Nobody tells"):
        connected(tmp_path / "copies")


@given(st.binary(max_size=100))
def test_hostile_bytes_are_refused_in_one_way(octets: bytes) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.sendall(octets)
        theirs.shutdown(socket.SHUT_WR)
        source = StreamSource(ours, 0.01)
        with pytest.raises(CaptureError):
            list(source)
        source.release()
