"""Every kind of pcapng block, time resolution and order, and damage to blocks."""

from __future__ import annotations

import struct

import pytest

from pcap_tools.containers import pcapng as format_
from pcap_tools.containers.walking import LATEST
from pcap_tools.read import open_captures
from tests.pcap_tools.captures import (
    BEGIN,
    Pipe,
    block,
    enhanced,
    interface,
    old_packet,
    option,
    pcapng,
    read_bytes,
    section,
    simple,
    some_frames,
    statistics,
)

FRAMES = some_frames()
SECONDS = BEGIN // 10**9


@pytest.mark.parametrize("order", "<>")
def test_both_byte_orders(order: str) -> None:
    frames, reader = read_bytes(pcapng(FRAMES, order))
    assert frames == FRAMES
    assert reader.warnings == []


@pytest.mark.parametrize(("resolution", "offset", "units", "expected"), [
    (None, None, SECONDS * 10**6 + 123_456, BEGIN + 123_456_000),
    (6, None, SECONDS * 10**6 + 123_456, BEGIN + 123_456_000),
    (9, None, BEGIN + 123_456_789, BEGIN + 123_456_789),
    (3, None, SECONDS * 1000 + 123, BEGIN + 123_000_000),
    (0, None, SECONDS, BEGIN),
    (10, None, BEGIN + 19, BEGIN // 10 + 1),
    (27, None, 5 * 10**18, 5),
    (127, None, 1 << 62, 4),
    (0x80, None, SECONDS, BEGIN),
    (0x80 | 10, None, SECONDS * 1024 + 512, BEGIN + 500_000_000),
    (0x80 | 32, None, (SECONDS << 32) + (1 << 30), BEGIN + 250_000_000),
    (0x80 | 62, None, (1 << 62) + (1 << 61), 1_500_000_000),
    (0x80 | 63, None, 1 << 62, 500_000_000),
    (0x80 | 127, None, 1 << 62, 0),
    (6, SECONDS, 5, BEGIN + 5000),
    (6, -10, SECONDS * 10**6, BEGIN - 10 * 10**9),
    (9, -(1 << 62), 0, -LATEST),
    (0, (1 << 63) - 1, 1 << 60, LATEST),
    (9, None, (1 << 64) - 1, LATEST),
])
def test_times_in_any_unit(
    resolution: int | None, offset: int | None, units: int, expected: int
) -> None:
    for order in "<>":
        frames, _ = read_bytes(section(order) + interface(
            resolution=resolution, offset=offset, order=order) + enhanced(
            units, b"frame", order=order))
        assert [time for time, _, _ in frames] == [expected]


def test_interfaces_differ_in_link_and_unit_and_go_on_in_later_sections() -> None:
    data = (section() + interface(1) + interface(101, resolution=9)
            + enhanced(SECONDS * 10**6, b"one") + enhanced(BEGIN + 1, b"two", which=1)
            + section(">") + interface(113, resolution=3, order=">")
            + enhanced(SECONDS * 1000 + 2, b"three", order=">"))
    (records,) = open_captures(["-"], stdin=Pipe(data, 1 << 20))
    assert records.link.tolist() == [1, 101, 113]
    assert records.interface.tolist() == [0, 1, 2]
    assert records.time.tolist() == [BEGIN, BEGIN + 1, BEGIN + 2_000_000]


def test_simple_packets_have_the_length_and_time_that_can_be_told() -> None:
    frames, _ = read_bytes(section() + interface(snap=8, resolution=9)
                           + enhanced(BEGIN, b"before")
                           + simple(b"12345678", 100) + simple(b"123", 3))
    assert frames == [(BEGIN, b"before", 6), (BEGIN, b"12345678", 100), (BEGIN, b"123", 3)]


@pytest.mark.parametrize("order", "<>")
def test_old_packet_blocks(order: str) -> None:
    frames, _ = read_bytes(section(order) + interface(order=order) + interface(order=order)
                           + old_packet(SECONDS * 10**6 + 7, b"frame", 1, order))
    assert frames == [(BEGIN + 7000, b"frame", 5)]


def test_unknown_blocks_are_passed_over_and_counted() -> None:
    names, secrets = block(4, bytes(8)), block(10, bytes(40))
    frames, reader = read_bytes(
        section() + names + interface(resolution=9) + block(0xBAD, b"custom" * 1000)
        + enhanced(*FRAMES[0][:2]) + secrets + block(0x80000001, b"") + enhanced(*FRAMES[1][:2]))
    assert [kept for _, kept, _ in frames] == [FRAMES[0][1], FRAMES[1][1]]
    assert reader.counters.unknown_blocks == 2
    assert reader.counters.skipped_bytes == 0
    assert reader.warnings == []


@pytest.mark.parametrize("order", "<>")
def test_what_the_statistics_say_was_dropped_is_added_up(order: str) -> None:
    _, reader = read_bytes(
        section(order) + interface(order=order) + interface(order=order)
        + statistics(3, 0, order) + statistics(5, 0, order) + statistics(1 << 33, 1, order)
        + statistics(9, 7, order))
    assert reader.counters.dropped == 5 + (1 << 33)


def test_more_interfaces_than_the_table_first_has_room_for() -> None:
    data = section() + interface(resolution=9) * 100 + enhanced(BEGIN, b"last", which=99)
    assert read_bytes(data)[0] == [(BEGIN, b"last", 4)]


def test_interfaces_are_bounded() -> None:
    data = section() + interface() * (format_.MOST_INTERFACES + 3) + enhanced(5, b"frame")
    frames, reader = read_bytes(data)
    assert len(frames) == 1
    assert reader.counters.bad_records == 3


@pytest.mark.parametrize(("bad", "problem"), [
    (enhanced(1, b"frame", which=3), "interface 3, which was not described"),
    (block(6, struct.pack("<IIIII", 0, 0, 0, 1000, 1000) + b"short"), "contradicts itself"),
    (block(6, struct.pack("<IIIII", 0, 0, 0, 4, 1 << 31) + b"1234"), "which no frame has"),
    (block(6, b"1234"), "contradicts itself"),
    (block(2, b"1234"), "contradicts itself"),
    (block(3, b""), "contradicts itself"),
    (block(1, b""), "contradicts itself"),
    (block(0x0A0D0D0A, struct.pack("<I", 0x1A2B3C4D)), "contradicts itself"),
    (struct.pack("<IIII", 6, 1 << 30, 0, 0), "a block's length makes no sense"),
    (struct.pack("<IIII", 6, 17, 0, 0), "a block's length makes no sense"),
    (struct.pack("<IIII", 6, 16, 0, 20), "a block's length makes no sense"),
    (struct.pack("<IIII", 0x0A0D0D0A, 28, 77, 28), "byte order cannot be told"),
])
def test_after_a_bad_block_blocks_go_on(bad: bytes, problem: str) -> None:
    before = pcapng(FRAMES[:3])
    after = pcapng(FRAMES[3:])[len(pcapng([])):]
    for chunk in (64, 1 << 22):
        frames, reader = read_bytes(before + bad + after, chunk)
        assert frames == FRAMES
        assert reader.counters.bad_records == 1
        assert reader.counters.skipped_bytes == len(bad)
        (warning,) = reader.warnings
        assert problem in warning.problem
        assert warning.offset == len(before)


def test_options_that_run_over_their_block_end_there() -> None:
    described = block(1, struct.pack("<HHI", 1, 0, 0) + struct.pack("<HH", 9, 60000))
    frames, _ = read_bytes(section() + described + enhanced(SECONDS * 10**6, b"frame"))
    assert frames == [(BEGIN, b"frame", 5)]
    odd = block(1, struct.pack("<HHI", 1, 0, 0) + option(9, b"\x09\x09") + option(14, b"\x01"))
    frames, _ = read_bytes(section() + odd + enhanced(SECONDS * 10**6, b"frame"))
    assert frames == [(BEGIN, b"frame", 5)]


def test_a_large_block_is_read_through_small_chunks() -> None:
    data = pcapng(FRAMES[:1]) + block(0xBAD, bytes(1 << 20)) + pcapng(FRAMES[1:])
    frames, reader = read_bytes(data, chunk=4096)
    assert frames == FRAMES
    assert reader.warnings == []
