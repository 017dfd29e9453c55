"""Bytes of arrivals: made-up UDP and recorded packets, judged by scapy's checksums."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scapy.layers.inet import IP, TCP, UDP
from scapy.packet import Raw
from scapy.utils import wrpcap

from testbed.ran.traffic.arrivals import DOWN, UP, Arrivals, arrivals
from testbed.ran.traffic.config import Kind, TrafficConfig
from testbed.ran.traffic.packets import FIRST_PORT, PORTS, USER_PORT, packets_of
from testbed.ran.traffic.recording import read_recording

USER = "10.45.0.9"
ADDRESS = int(ipaddress.IPv4Address(USER))


def _packets(rows: Arrivals, data: NDArray[np.uint8], begin: NDArray[np.int64]) -> list[IP]:
    return [IP(bytes(data[at:at + size])) for at, size in zip(
        begin.tolist(), rows["size"].tolist(), strict=True)]


def _is_right(packet: IP) -> bool:
    """Whether scapy computes the same checksums and lengths."""
    again = IP(bytes(packet))
    for layer in (IP, UDP, TCP):
        if layer in again:
            again[layer].chksum = None
    del again.len
    whole = IP(bytes(again))
    return all(layer not in packet or packet[layer].chksum in (whole[layer].chksum, 0)
               for layer in (IP, UDP, TCP)) and packet.len == whole.len == len(bytes(packet))


@settings(deadline=None)  # compiled when first called
@given(st.lists(st.tuples(st.integers(28, 1500), st.sampled_from((DOWN, UP)),
                          st.integers(0, 65535)), min_size=1, max_size=12))
def test_made_up_packets_are_udp_of_their_size(wanted: list[tuple[int, int, int]]) -> None:
    rows = arrivals(len(wanted))
    for place, one in enumerate(wanted):
        rows["size"][place], rows["direction"][place], rows["flow"][place] = one
    found = _packets(rows, *packets_of(rows, np.full(len(rows), ADDRESS), number=65_530))
    for packet, (size, direction, flow) in zip(found, wanted, strict=True):
        assert _is_right(packet)
        assert len(bytes(packet)) == size
        mine, other = ("src", "dst") if direction == UP else ("dst", "src")
        assert getattr(packet, mine) == USER
        assert getattr(packet, other).startswith("198.18.")
        ports = (packet[UDP].sport, packet[UDP].dport)
        expected = (USER_PORT, FIRST_PORT + flow % PORTS)
        assert ports == (expected if direction == UP else expected[::-1])


def test_recorded_packets_keep_all_but_addresses(tmp_path: Path) -> None:
    path = tmp_path / "phone.pcap"
    sent = [
        IP(src="192.168.1.7", dst="8.8.8.8") / UDP(sport=5353, dport=53) / Raw(b"question"),
        IP(src="8.8.8.8", dst="192.168.1.7") / UDP(sport=53, dport=5353, chksum=0) / Raw(b"none"),
        IP(src="192.168.1.7", dst="1.2.3.4") / TCP(sport=4000, dport=443, flags="S", seq=7),
        IP(src="1.2.3.4", dst="192.168.1.7") / TCP(sport=443, dport=4000, flags="SA") / Raw(b"x"),
        IP(src="1.2.3.4", dst="192.168.1.7", frag=10, proto=17) / Raw(bytes(range(64)))]
    wrpcap(str(path), sent, linktype=101)
    recording = read_recording(TrafficConfig(Kind.REPLAY, file=path))
    assert recording.user == "192.168.1.7"
    rows = arrivals(len(sent))
    rows["row"] = np.arange(len(sent))
    rows["size"], rows["direction"] = recording.size, recording.direction
    found = _packets(rows, *packets_of(rows, np.full(len(rows), ADDRESS), recording))
    for new, one in zip(found, sent, strict=True):
        old = IP(bytes(one))
        assert _is_right(new)
        assert bytes(new[IP].payload)[:6] == bytes(old[IP].payload)[:6]
        assert (new.src == USER) == (old.src == "192.168.1.7")
        assert (new.dst == USER) == (old.dst == "192.168.1.7")
    assert found[2][TCP].seq == 7
    assert found[1][UDP].chksum == 0
    assert bytes(found[4][IP].payload) == bytes(range(64))
    assert found[0].dst == found[1].src != found[2].dst == found[3].src


def test_what_was_not_captured_is_zeros(tmp_path: Path) -> None:
    path = tmp_path / "cut.pcap"
    whole = bytes(IP(src="10.0.0.1", dst="10.0.0.2") / UDP(dport=9) / Raw(b"\xff" * 500))
    short = IP(whole[:60])
    short.wirelen = len(whole)
    wrpcap(str(path), [short], linktype=101)
    recording = read_recording(TrafficConfig(Kind.REPLAY, file=path, user="10.0.0.1"))
    assert (recording.size[0], recording.captured[0]) == (528, 60)
    rows = arrivals(1)
    rows["row"], rows["size"], rows["direction"] = 0, 528, UP
    data, _ = packets_of(rows, np.array([ADDRESS]), recording)
    assert not data[60:].any()
    assert IP(bytes(data)).src == USER


@pytest.mark.parametrize("size", [1, 20, 27])
def test_a_size_below_the_headers_is_theirs(size: int) -> None:
    rows = arrivals(2)
    rows["size"] = size
    data, begin = packets_of(rows, np.full(2, ADDRESS))
    assert begin.tolist() == [0, 28]
    assert len(data) == 56
