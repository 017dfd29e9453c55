"""Flows out of packets, without a packet socket."""

from __future__ import annotations

import ipaddress

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6

from testbed.tap import Flow, flow_key, flow_of


def test_both_directions_are_one_flow() -> None:
    there = IP(src="10.0.0.9", dst="10.0.0.5") / TCP(sport=4000, dport=443)
    back = IP(src="10.0.0.5", dst="10.0.0.9") / TCP(sport=443, dport=4000)
    flows = {flow_of(flow_key(bytes(packet))) for packet in (there, back)}
    assert flows == {Flow(6, "10.0.0.5", 443, "10.0.0.9", 4000)}


def test_the_newer_version_too() -> None:
    packet = IPv6(src="fd00::2", dst="fd00::1") / UDP(sport=5000, dport=53) / b"payload"
    assert flow_of(flow_key(bytes(packet))) == Flow(
        17, str(ipaddress.ip_address("fd00::1")), 53, "fd00::2", 5000)


def test_what_has_no_ports_is_no_flow() -> None:
    assert flow_of(flow_key(bytes(IP(dst="10.0.0.1") / ICMP()))) is None
    for size in range(28):  # whatever is cut off
        flow_of(flow_key(bytes(IP(dst="10.0.0.1") / UDP(sport=1, dport=2))[:size]))
