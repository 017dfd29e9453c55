"""Reading recordings back: whole ones, cut ones, damaged ones."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Ether
from scapy.utils import wrpcap

from ue_app.errors import RecordingError
from ue_app.recorder import ABOUT_NAME, CAPTURE_NAME, TIMING_NAME
from ue_app.recording import (
    Flow,
    Packet,
    archive,
    flows_of,
    open_recording,
    packets_of,
    recordings,
    slice_width,
    tokens_of,
)

ABOUT: dict[str, Any] = {
    "name": "x", "started": 1000.0, "ended": 1010.0, "tokens": 2, "packets": 3,
    "capture_problem": None, "peers": [{"address": "10.0.0.1", "port": 8470}], "settings": {},
    "format": 1}
LINE = {"time": 1001.0, "answer": 1, "index": 0, "gap": None, "sent": 1, "received": 1,
        "round_trip": None, "state": None, "slice": None}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "20261120-120000-chat-1"
    folder.mkdir()
    (folder / ABOUT_NAME).write_text(json.dumps(ABOUT))
    (folder / TIMING_NAME).write_text(
        json.dumps(LINE) + "\n" + json.dumps(LINE | {"time": 1001.5, "gap": 0.5}) + "\n")
    up = Ether() / IP(src="10.0.0.2", dst="10.0.0.1") / TCP(sport=5, dport=8470) / b"rows"
    down = Ether() / IP(src="10.0.0.1", dst="10.0.0.2") / TCP(sport=8470, dport=5) / b"id"
    packets = [up, down, Ether() / IP() / UDP()]
    for index, packet in enumerate(packets):
        packet.time = 1001.0 + index / 2
    wrpcap(str(folder / CAPTURE_NAME), packets)
    return folder


def test_packets_know_their_direction(folder: Path) -> None:
    packets = packets_of(open_recording(folder))
    assert [(round(one.time, 3), one.up) for one in packets] == [
        (1001.0, True), (1001.5, False), (1002.0, False)]
    assert packets[0].size == 14 + 20 + 20 + 4


def test_flows_sum_each_direction() -> None:
    packets = [Packet(10.0, 100, True), Packet(10.4, 50, True), Packet(10.4, 7, False),
               Packet(11.2, 9, False)]
    assert flows_of(packets, 10.0, 0.5) == [
        Flow(0.0, False, 1, 7), Flow(0.0, True, 2, 150), Flow(1.0, False, 1, 9)]
    assert flows_of([], 10.0, 0.5) == []


@pytest.mark.parametrize(("seconds", "width"), [
    (0.0, 0.01), (1.5, 0.01), (3.4, 0.05), (60.0, 0.5), (3600.0, 30.0), (1e6, 1e6 / 150)])
def test_slices_are_round_and_not_too_many(seconds: float, width: float) -> None:
    assert slice_width(seconds) == pytest.approx(width)


def test_a_log_cut_short_gives_what_is_whole(folder: Path) -> None:
    with (folder / TIMING_NAME).open("a") as file:
        file.write('{"time": 1002.0, "answ')
    assert [one.time for one in tokens_of(open_recording(folder))] == [1001.0, 1001.5]


def test_a_capture_cut_short_gives_what_is_whole(folder: Path) -> None:
    file = folder / CAPTURE_NAME
    file.write_bytes(file.read_bytes()[:-50])
    assert len(packets_of(open_recording(folder))) == 2


def test_a_capture_that_is_none_is_told(folder: Path) -> None:
    (folder / CAPTURE_NAME).write_bytes(b"no capture at all, but long enough to be one")
    with pytest.raises(RecordingError, match="is not a capture"):
        packets_of(open_recording(folder))


@pytest.mark.parametrize("text", ["{", "[]", "{}", json.dumps(ABOUT | {"peers": [1]}),
                                  json.dumps(ABOUT | {"started": "then"})])
def test_damage_is_told_and_hides_no_other_recording(folder: Path, text: str) -> None:
    damaged = folder.parent / "20261120-130000-chat-2"
    damaged.mkdir()
    (damaged / ABOUT_NAME).write_text(text)
    with pytest.raises(RecordingError, match="is not a recording"):
        open_recording(damaged)
    assert [one.name for one in recordings(folder.parent)] == [folder.name]


def test_newest_first(folder: Path) -> None:
    later = folder.parent / "20261121-090000-chat-1"
    later.mkdir()
    (later / ABOUT_NAME).write_text(json.dumps(ABOUT))
    assert [one.name for one in recordings(folder.parent)] == [later.name, folder.name]
    assert recordings(folder.parent / "none") == []


def test_the_archive_holds_every_file(folder: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(archive(folder))) as found:
        assert sorted(found.namelist()) == sorted(
            f"{folder.name}/{name}" for name in (ABOUT_NAME, TIMING_NAME, CAPTURE_NAME))
