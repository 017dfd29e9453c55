"""Recordings of captures and of CSVs: whose they are, what is left out, and hostile files."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Raw
from scapy.utils import wrpcap

from pcap_tools.errors import PcapError
from testbed.ran.traffic.arrivals import DOWN, UP
from testbed.ran.traffic.config import Kind, TrafficConfig
from testbed.ran.traffic.recording import Recording, read_recording
from xapp.errors import ConfigurationError

CSV = """App name,No.,Time,Source,Destination,Protocol,Length
,,0,172.30.1.1,172.30.1.250,,88
YouTube,2,0.1,172.30.1.250,172.30.1.1,QUIC,1324
YouTube,3,0.4,172.30.1.1,172.30.1.250,TCP,10048
,4,0.5,fe80::1,172.30.1.250,DNS,99
,5,,172.30.1.1,172.30.1.250,DNS,x
"""


def _read(path: Path, **others: object) -> Recording:
    return read_recording(TrafficConfig(Kind.REPLAY, file=path, **others))  # type: ignore[arg-type]  # of several types


def _csv(folder: Path, text: str, name: str = "phone.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_csv_as_wireshark_exports_it(tmp_path: Path) -> None:
    found = _read(_csv(tmp_path, CSV), header_bytes=36)
    assert found.time.tolist() == [0, 100_000_000, *[400_000_000] * 8]
    assert found.size[:2].tolist() == [52, 1288]
    assert int(found.size[2:].sum()) == 10048 - 36
    assert found.size.max() == 1400
    assert (found.split, found.left_out) == (1, 2)
    # Both ends are in every packet; more bytes go to the second.
    assert found.user == "172.30.1.250"
    assert found.direction[:2].tolist() == [DOWN, UP]
    assert _read(_csv(tmp_path, CSV), user="172.30.1.1").direction[:2].tolist() == [UP, DOWN]


def test_a_packed_csv_and_silences_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "phone.csv.gz"
    path.write_bytes(gzip.compress(CSV.encode()))
    assert _read(path, longest_gap=0.05).time[:3].tolist() == [0, 50_000_000, 100_000_000]


def test_a_capture_of_ethernet(tmp_path: Path) -> None:
    path = tmp_path / "phone.pcap"
    phone, server, other = "10.0.0.7", "1.1.1.1", "2.2.2.2"
    frames = [
        Ether() / IP(src=phone, dst=server) / UDP(dport=53) / Raw(b"x" * 100),
        Ether() / Dot1Q(vlan=5) / IP(src=server, dst=phone) / UDP(sport=53),
        Ether() / ARP(), Ether() / IPv6() / UDP(),
        Ether() / IP(src=phone, dst=other) / TCP() / Raw(b"y" * 3000),
        Ether() / IP(src=other, dst=server) / TCP(),
        Ether() / IP(src=other, dst=phone) / TCP() / Raw(b"z" * 10)]
    wrpcap(str(path), frames)
    found = _read(path)
    assert found.user == phone
    assert found.direction.tolist() == [UP, DOWN, UP, UP, UP, DOWN]
    assert found.size.tolist() == [128, 28, 1400, 1400, 240, 50]
    assert found.captured.tolist() == [128, 28, 0, 0, 0, 50]
    assert found.left_out == 3
    assert found.flow.tolist() == [0, 0, 1, 1, 1, 1]
    assert len(set(found.peer.tolist())) == 2


@pytest.mark.parametrize(("text", "said"), [
    ("a,b\n1,2\n", "no columns Time, Source"),
    ("Time,Source,Destination,Length\n", "no IPv4 packets"),
    ("Time,Source,Destination,Length\nnan,1.1.1.1,2.2.2.2,9\n", "no IPv4 packets"),
    ("Time,Source,Destination,Length\n1,1.1.1.1,2.2.2.2,-9\n", "no IPv4 packets")])
def test_a_csv_that_is_none(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        _read(_csv(tmp_path, text))


def test_a_phone_that_is_not_in_it(tmp_path: Path) -> None:
    path = _csv(tmp_path, CSV)
    with pytest.raises(ConfigurationError, match=r"no packet of 9.9.9.9. Most are of 172"):
        _read(path, user="9.9.9.9")
    with pytest.raises(ConfigurationError, match="no IPv4 address"):
        _read(path, user="phone")


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        _read(tmp_path / "nowhere.csv")
    with pytest.raises(PcapError):
        _read(tmp_path / "nowhere.pcap")
    damaged = tmp_path / "damaged.csv.gz"
    damaged.write_bytes(gzip.compress(CSV.encode() * 50)[:80])
    with pytest.raises(ConfigurationError, match="cannot be read"):
        _read(damaged)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40,
          deadline=None)
@given(data=st.binary(max_size=300), number=st.integers(0, 10**9))
def test_no_bytes_do_worse_than_an_error_of_ours(tmp_path: Path, data: bytes,
                                                number: int) -> None:
    pcap = b"\xd4\xc3\xb2\xa1\x02\0\x04\0" + bytes(8) + b"\xff\xff\0\0\x65\0\0\0"
    for name, head in ((f"{number}.csv", b"Time,Source,Destination,Length\n"),
                       (f"{number}.pcap", pcap)):
        path = tmp_path / name
        path.write_bytes(head + data)
        try:
            _read(path)
        except (ConfigurationError, PcapError):
            continue
