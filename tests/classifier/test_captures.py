"""Every kind of data set becomes packets with named flows, and what nobody named stays out."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from classifier.captures import (
    address,
    chat_traces,
    key,
    labelled,
    phone_class,
    phone_trace,
    phone_traces,
)
from classifier.errors import DataError
from pcap_tools.write import PcapWriter

LABELS = "capture,transport,address_a,port_a,address_b,port_b,protocol,label,model\n"


def frame(up: bool, size: int, port: int = 5000) -> bytes:
    """A UDP datagram over raw IP."""
    from scapy.layers.inet import IP, UDP
    from scapy.packet import Raw

    ends = ("10.0.0.1", "10.0.0.2"), (port, 443)
    hosts, ports = (one if up else one[::-1] for one in ends)
    return bytes(IP(src=hosts[0], dst=hosts[1]) / UDP(sport=ports[0], dport=ports[1])
                 / Raw(b"x" * size))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "captures").mkdir()
    with PcapWriter(tmp_path / "captures" / "one.pcap", link=101) as writer:
        for number in range(10):
            writer.write_frame(number * 1_000_000, frame(number % 2 == 0, 100))
            writer.write_frame(number * 1_000_000, frame(number % 2 == 0, 50, port=6000))
    (tmp_path / "captures" / "broken.pcap").write_bytes(b"no capture at all")
    (tmp_path / "labels.csv").write_text(
        LABELS + "one.pcap,UDP,10.0.0.2,443,10.0.0.1,5000,QUIC,video,tiny\n"
        "one.pcap,UDP,10.0.0.1,6000,10.0.0.2,443,DNS.YouTube,video,tiny\n"
        "one.pcap,UDP,2600::7a0b::,1,10.0.0.2,2,QUIC,video,\n"
        "one.pcap,IGMP,10.0.0.1,0,10.0.0.2,0,IGMP,background,\n"
        "broken.pcap,UDP,10.0.0.1,1,10.0.0.2,2,QUIC,video,\nmissing.pcap,UDP,10.0.0.1,1,10.0.0.2,2,"
        "QUIC,video,\n")
    return tmp_path


def test_labelled_captures_are_found_and_damaged_ones_passed_over(folder: Path) -> None:
    capture, = labelled(folder, "here")
    assert (capture.name, capture.source) == ("one.pcap", "here")
    assert len(capture.packets) == 20
    ends = (address("10.0.0.1"), 5000), (address("10.0.0.2"), 443)
    assert capture.truth == {key(17, *ends): "video", key(
        17, (address("10.0.0.1"), 6000), ends[1]): "background"}
    assert capture.conditions["model"] == "tiny"


def test_a_folder_without_labels_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="labels"):
        list(labelled(tmp_path, "here"))


def phone_row(time: float, app: str, protocol: str, length: int, up: bool = True) -> dict[str, str]:
    return {"App name": app, "Time": str(time), "Protocol": protocol, "Length": str(length),
            "Source": "172.30.1.1" if up else "172.30.1.250"}


def test_an_app_that_falls_silent_begins_another_flow() -> None:
    rows = [phone_row(time, "YouTube", "QUIC", 1324, up=False) for time in (0, 1, 2, 30, 31)]
    rows += [phone_row(1.5, "Pandora", "TLSv1.2", 500), phone_row(1.6, "YouTube", "DNS", 116)]
    capture = phone_trace("embb", "phones", rows)
    assert sorted(capture.truth.values()) == ["audio", "video", "video"]
    assert len(capture.packets) == 6
    assert (np.diff(capture.packets["time"]) >= 0).all()
    assert set(capture.packets["payload"][capture.packets["protocol"] == 17]) == {1324 - 48 - 28}


@pytest.mark.parametrize(("file", "app", "protocol", "label"), [
    ("mmtc_2", "YouTube", "TCP", "background"), ("urllc_04_10", "Meet", "UDP", "realtime"),
    ("urllc_04_10", "Meet", "TCP", None), ("embb", "OneDrive", "TLSv1.2", "bulk"),
    ("embb", "Chrome", "TCP", "video"), ("IMPACT", "Google Fi", "TCP", None)])
def test_the_file_and_the_app_tell_the_class(
    file: str, app: str, protocol: str, label: str | None,
) -> None:
    assert phone_class(file, app, protocol) == label


def test_phone_traces_are_read_packed_or_not(tmp_path: Path) -> None:
    text = ("App name,No.,Time,Source,Destination,Protocol,Length\n"
            "YouTube,1,0,172.30.1.1,172.30.1.250,QUIC,1324\n")
    (tmp_path / "a.csv").write_text(text)
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(text.encode()))
    assert [capture.name for capture in phone_traces(tmp_path, "phones")] == ["a", "b"]
    (tmp_path / "c.csv.gz").write_bytes(b"broken")
    with pytest.raises(DataError):
        list(phone_traces(tmp_path, "phones"))


def test_talks_keep_flows_and_directions(tmp_path: Path) -> None:
    path = tmp_path / "packets.csv"
    path.write_text("capture,service,flow,time_s,direction,bytes\n"
                    "0,chat,3,0.5,down,1052\n0,chat,3,0.0,up,52\n0,chat,4,0.1,up,140\n"
                    "1,chat,5,0.0,up,40\n")
    first, second = chat_traces(path, "talks")
    assert (first.name, second.name) == ("chat-0", "chat-1")
    assert list(first.packets["payload"]) == [0, 68, 1000]
    assert set(first.truth.values()) == {"llm_chat"}
    assert len(first.truth) == 2
