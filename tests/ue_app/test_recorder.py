"""A recording: times and packets in one folder, no text, and going on without what fails."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from scapy.layers.inet import TCP
from scapy.utils import rdpcap

from ue_app.errors import PhoneError, RecordingError
from ue_app.link import LinkState, LinkStatus
from ue_app.recorder import (
    ABOUT_NAME,
    CAPTURE_NAME,
    TIMING_NAME,
    Peer,
    Recorder,
    ScapyCapture,
    filter_of,
    peers_of,
)
from ue_app.recording import open_recording, packets_of, tokens_of
from ue_app.runner import Token

EDGE = "http://127.0.0.1:8470"
STATUS = LinkStatus(LinkState.CONNECTED, EDGE, 0.031, slice="gold")


class Packets:
    """A capture that counts."""

    stopped = 0

    def __init__(self, file: Path, peers: Sequence[Peer]) -> None:
        self.file, self.peers = file, peers

    def stop(self) -> int:
        Packets.stopped += 1
        return 7


def forbidden(file: Path, peers: Sequence[Peer]) -> Packets:
    raise RecordingError("This program may not read packets.", "Allow it.")


def recorder(folder: Path, capture: Any = Packets) -> Recorder:
    return Recorder(folder, lambda: 100.0, lambda: 1_700_000_000.0, capture)


def token(index: int, time: float, gap: float | None) -> Token:
    return Token(1, index, time, gap, 1000 + index, 50 + index, STATUS)


def test_a_recording_that_is_being_opened_is_none_yet(tmp_path: Path) -> None:
    """The page asks from another thread meanwhile."""
    seen: list[object] = []

    def opening(file: Path, peers: Sequence[Peer]) -> Packets:
        seen.extend([made.name, made.since])
        return Packets(file, peers)

    made = recorder(tmp_path, opening)
    name = made.start("chat", ("http://127.0.0.1:8470",), {})
    assert seen == [None, None]
    assert made.name == name
    made.stop()


def test_a_recording_holds_times_and_what_it_is_of(tmp_path: Path) -> None:
    made = recorder(tmp_path)
    made.token(token(0, 99.0, None))  # before it begins: not in it
    name = made.start("Chat 12!", (EDGE,), {"split": 1})
    assert name.endswith("-chat-12")
    assert made.name == name
    made.token(token(0, 101.0, None))
    made.token(token(1, 101.5, 0.5))
    assert made.stop() == tmp_path / name
    made.token(token(2, 102.0, 0.5))
    assert made.since is None
    recording = open_recording(tmp_path / name)
    assert (recording.tokens, recording.packets, recording.settings) == (2, 7, {"split": 1})
    assert recording.peers == (Peer("127.0.0.1", 8470),)
    lines = [json.loads(line) for line in (tmp_path / name / TIMING_NAME).read_text().splitlines()]
    assert lines[1] == {"time": 1_700_000_001.5, "answer": 1, "index": 1, "gap": 0.5,
                        "sent": 1001, "received": 51, "round_trip": 0.031, "state": "connected",
                        "slice": "gold"}
    assert [one.time for one in tokens_of(recording)] == [1_700_000_001.0, 1_700_000_001.5]


def test_without_the_right_to_capture_times_are_recorded_alone(tmp_path: Path) -> None:
    made = recorder(tmp_path, forbidden)
    name = made.start("chat", (EDGE,), {})
    assert made.problem is not None
    assert made.problem.remedy == "Allow it."
    made.token(token(0, 101.0, None))
    made.stop()
    recording = open_recording(tmp_path / name)
    assert recording.packets is None
    assert recording.capture_problem == "This program may not read packets. Allow it."
    assert recording.tokens == 1
    assert packets_of(recording) == []


def test_with_no_edge_known_times_are_recorded_alone(tmp_path: Path) -> None:
    made = recorder(tmp_path)
    made.start("chat", (), {})
    assert made.problem is not None
    assert "no edge" in made.problem.problem
    made.stop()


def test_one_at_a_time(tmp_path: Path) -> None:
    made = recorder(tmp_path)
    name = made.start("chat", (EDGE,), {})
    with pytest.raises(RecordingError, match="running already"):
        made.start("chat", (EDGE,), {})
    with pytest.raises(RecordingError, match="is running"):
        made.delete(name)
    made.stop()
    assert made.stop() is None
    made.delete(name)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RecordingError, match="cannot be written"):
        recorder(tmp_path / "file").start("chat", (EDGE,), {})


def test_a_disk_that_fills_up_ends_the_lines_and_not_the_answer(tmp_path: Path) -> None:
    made = recorder(tmp_path)
    name = made.start("chat", (EDGE,), {})
    assert made._timing is not None
    made._timing.close()
    with open("/dev/full", "w", buffering=1) as full:
        made._timing = full
        made.token(token(0, 101.0, None))
        assert made.problem is not None
        assert "No space left" in made.problem.problem
        with pytest.raises(RecordingError, match="cannot be written"):
            made.stop()
    assert made.since is None
    assert (tmp_path / name).is_dir()


def test_addresses_behind_names() -> None:
    assert Peer("127.0.0.1", 8470) in peers_of(("http://localhost:8470", EDGE))
    assert filter_of([Peer("10.0.0.1", 1), Peer("::1", 2)]) == (
        "(host 10.0.0.1 and tcp port 1) or (host ::1 and tcp port 2)")
    with pytest.raises(PhoneError):
        peers_of(("http://no-such-host.invalid:1",))


def test_the_kernel_saying_no_is_a_clear_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(ScapyCapture, "_listen", refuse)
    with pytest.raises(RecordingError, match="may not read packets") as caught:
        ScapyCapture(tmp_path / "x.pcap", (Peer("127.0.0.1", 1),))
    assert "setcap cap_net_raw+ep" in caught.value.remedy


def exchange(server: socket.socket) -> None:
    """A question and its answer over a connection of their own."""
    with socket.create_connection(server.getsockname()) as phone:
        far, _ = server.accept()
        with far:
            phone.sendall(b"question")
            assert far.recv(100) == b"question"
            far.sendall(b"answer")
            assert phone.recv(100) == b"answer"


@pytest.mark.skipif(os.geteuid() != 0, reason="capturing packets needs the right to")
def test_real_packets_of_the_edge_and_of_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as edge, \
            socket.create_server(("127.0.0.1", 0)) as other:
        port = edge.getsockname()[1]
        made = Recorder(tmp_path, lambda: 0.0, lambda: 1_700_000_000.0, ScapyCapture)
        name = made.start("chat", (f"http://127.0.0.1:{port}",), {})
        assert made.problem is None
        capture = made._capture
        assert isinstance(capture, ScapyCapture)
        seen = threading.Semaphore(0)
        write = capture._writer.write

        def write_and_tell(packet: Any) -> None:
            write(packet)
            if b"answer" in bytes(packet):
                seen.release()

        monkeypatch.setattr(capture._writer, "write", write_and_tell)
        try:
            # Again until it is seen: beside much other traffic a sniffer misses packets.
            for _ in range(60):
                for server in (other, edge):
                    exchange(server)
                if seen.acquire(timeout=1.0):
                    break
            else:
                pytest.fail("no packet of the edge was captured")
        finally:
            made.stop()
    packets = rdpcap(str(tmp_path / name / CAPTURE_NAME))
    assert {port} < {packet[TCP].sport for packet in packets}
    assert all(port in (packet[TCP].sport, packet[TCP].dport) for packet in packets)
    recording = open_recording(tmp_path / name)
    assert recording.packets == len(packets)
    read = packets_of(recording)
    payload = sum(len(packet[TCP].payload) for packet in packets)
    assert payload >= len(b"questionanswer")
    ends = [(packet[TCP].sport, packet[TCP].seq) for packet in packets if packet[TCP].payload]
    assert len(set(ends)) == len(ends), "a packet of the loopback interface is there twice"
    assert {one.up for one in read} == {True, False}
    assert sum(one.size for one in read) == sum(len(packet) for packet in packets)
    assert (tmp_path / name / ABOUT_NAME).is_file()
