"""Every kind of pcap file, and damage to its records."""

from __future__ import annotations

import struct

import pytest

from pcap_tools.containers.walking import LONGEST_FRAME
from tests.pcap_tools.captures import (
    BEGIN,
    KUZNETSOV,
    MICRO,
    NANO,
    Frame,
    pcap,
    read_bytes,
    some_frames,
)

FRAMES = some_frames()


@pytest.mark.parametrize("magic", [MICRO, NANO, KUZNETSOV])
@pytest.mark.parametrize("order", "<>")
def test_every_magic_in_both_byte_orders(magic: int, order: str) -> None:
    frames, reader = read_bytes(pcap(FRAMES, magic, order))
    assert frames == FRAMES
    assert reader.warnings == []


def test_nanoseconds_are_kept() -> None:
    frames: list[Frame] = [(BEGIN + 123_456_789, b"abc", 3)]
    assert read_bytes(pcap(frames))[0] == frames


@pytest.mark.parametrize(("version", "order"), [((2, 2), "<"), ((2, 3), ">")])
def test_old_versions_have_their_lengths_the_other_way_round(
    version: tuple[int, int], order: str
) -> None:
    cut = some_frames(cut=60)
    frames, _ = read_bytes(pcap(cut, MICRO, order, version=version))
    assert frames == cut


def test_an_unknown_version_is_read_with_a_warning() -> None:
    data = bytearray(pcap(FRAMES))
    data[4:6] = struct.pack("<H", 7)
    frames, reader = read_bytes(bytes(data))
    assert frames == FRAMES
    assert "version 7.4" in reader.warnings[0].problem


@pytest.mark.parametrize("snap", [0, 1, 96, 0xFFFFFFFF])
def test_the_snap_length_of_the_header_is_not_believed(snap: int) -> None:
    assert read_bytes(pcap(FRAMES, snap=snap))[0] == FRAMES


def test_what_the_link_field_says_of_check_sequences_is_left_aside() -> None:
    _, reader = read_bytes(pcap(FRAMES, link=0x4400_0065))
    assert reader.counters.links == {101: len(FRAMES)}


def test_empty_frames_count() -> None:
    frames: list[Frame] = [(BEGIN, b"", 0), (BEGIN, b"", 1500)]
    assert read_bytes(pcap(frames))[0] == frames


def test_captures_that_were_joined_are_read_through() -> None:
    frames, reader = read_bytes(pcap(FRAMES[:5]) + pcap(FRAMES[5:9], MICRO, ">")
                                + pcap(FRAMES[9:], link=101))
    assert frames == FRAMES
    assert reader.warnings == []
    assert reader.counters.links == {1: 9, 101: len(FRAMES) - 9}


def test_a_frame_as_long_as_any_may_be_is_read_in_small_chunks() -> None:
    frames: list[Frame] = [(BEGIN, b"x" * LONGEST_FRAME, LONGEST_FRAME), FRAMES[1]]
    assert read_bytes(pcap(frames), chunk=100)[0] == frames


@pytest.mark.parametrize("order", "<>")
def test_after_a_damaged_length_records_go_on(order: str) -> None:
    before, victim = pcap(FRAMES[:7], order=order), pcap(FRAMES[7:8], order=order)[24:]
    damaged = bytearray(before + pcap(FRAMES[7:], order=order)[24:])
    damaged[len(before) + 8:len(before) + 12] = b"\x7f\xff\xff\x7f"
    for chunk in (64, 1 << 22):
        frames, reader = read_bytes(bytes(damaged), chunk)
        assert frames == FRAMES[:7] + FRAMES[8:]
        assert reader.counters.bad_records == 1
        assert reader.counters.skipped_bytes == len(victim)
        assert len(reader.warnings) == 1
        assert reader.warnings[0].offset == len(before)
        assert "which no frame has" in reader.warnings[0].problem


def test_a_length_on_the_wire_that_none_has_is_damage_too() -> None:
    damaged = bytearray(pcap(FRAMES))
    damaged[24 + 15] = 0x7F
    frames, reader = read_bytes(bytes(damaged))
    assert frames == FRAMES[1:]
    assert reader.counters.bad_records == 1


def test_bytes_that_are_gone_are_passed_over() -> None:
    data = pcap(FRAMES)
    place = len(pcap(FRAMES[:7])) + 30  # in the middle of the eighth frame
    frames, reader = read_bytes(data[:place] + data[place + 40:])
    assert frames[:7] == FRAMES[:7]
    assert frames[-10:] == FRAMES[-10:]
    assert len(reader.warnings) == 1


def test_where_nothing_makes_sense_any_more_the_rest_is_counted() -> None:
    noise = b"\xff" * 5000
    frames, reader = read_bytes(pcap(FRAMES) + noise)
    assert frames == FRAMES
    assert reader.counters.skipped_bytes == len(noise)
    assert "to the end" in reader.warnings[0].problem


def test_lone_headers_in_noise_are_not_believed() -> None:
    lone = pcap([FRAMES[3]])[24:]
    frames, _ = read_bytes(pcap(FRAMES) + b"\xff" * 100 + lone + b"\xff" * 100)
    assert frames == FRAMES


def test_warnings_of_one_file_are_bounded() -> None:
    damaged = bytearray(pcap([]))
    for _ in range(300):
        record = pcap(some_frames(5))[24:]
        damaged += b"\xff" * 32 + record
    _, reader = read_bytes(bytes(damaged))
    assert reader.counters.bad_records == 300
    assert reader.counters.packets == 1500
    assert len(reader.warnings) == 100
    assert "counted, but not listed" in reader.warnings[-1].problem
