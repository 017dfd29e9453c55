"""Numbers of packets and flows in words."""

from __future__ import annotations

import numpy as np
import pytest

from pcap_tools import naming


def test_addresses_of_both_versions() -> None:
    table = np.zeros((3, 16), np.uint8)
    table[0, :4] = table[2, :4] = (192, 0, 2, 1)
    table[1, :2], table[1, 15] = (0x20, 0x01), 5
    version = np.array([4, 6, 4], np.uint8)
    assert naming.address_texts(version, table) == ["192.0.2.1", "2001::5", "192.0.2.1"]


@pytest.mark.parametrize(("address", "port", "text"), [
    ("10.0.0.1", 80, "10.0.0.1:80"), ("2001::5", 80, "[2001::5]:80"), ("10.0.0.1", 0, "10.0.0.1")])
def test_ends(address: str, port: int, text: str) -> None:
    assert naming.end_text(address, port) == text


@pytest.mark.parametrize(("count", "text"), [
    (0, "0 B"), (552, "552 B"), (999, "999 B"), (1234, "1.23 kB"), (999_900, "1 MB"),
    (5.5e9, "5.5 GB"), (3e15, "3e+03 TB")])
def test_sizes(count: float, text: str) -> None:
    assert naming.size_text(count) == text


@pytest.mark.parametrize(("seconds", "text"), [
    (0, "0 µs"), (4.2e-5, "42 µs"), (0.0042, "4.2 ms"), (17, "17 s"), (200, "3 min 20 s"),
    (3700, "1 h 1 min"), (5 * 86400, "5 d 0 h"), (1e9, "31.7 years")])
def test_durations(seconds: float, text: str) -> None:
    assert naming.duration_text(seconds) == text


def test_moments_that_no_calendar_has_are_numbers() -> None:
    assert naming.time_text(1_700_000_000_123_456_789) == "2023-11-14T22:13:20.123456Z"
    assert naming.time_text(1 << 62) == "2116-02-20T23:53:38.427387Z"
    assert naming.time_text(-(1 << 80)) == f"{-(1 << 80)} ns"


def test_what_has_no_name_is_its_number() -> None:
    assert naming.protocol_name(6) == "TCP"
    assert naming.protocol_name(253) == "IP protocol 253"
    assert naming.link_name(999) == "link type 999"
    assert [naming.count_text(count, "flow") for count in (1, 2000)] == ["1 flow", "2,000 flows"]
