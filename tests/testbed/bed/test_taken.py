"""Ports that others have are named with their owner; free ones are not."""

from __future__ import annotations

import os
import socket

from testbed.bed.taken import taken
from testbed.loop.ports import HOST, with_free_ports
from testbed.loop.settings import LoopSettings


def test_a_taken_port_is_named_with_its_owner() -> None:
    settings = with_free_ports(LoopSettings(), lambda text: None)
    with socket.create_server((HOST, settings.api_port)):
        found = taken(settings)
        assert taken(settings, ["page_port"]) == []
    assert len(found) == 1
    assert found[0].startswith(
        f"Port {settings.api_port} for the xApp's API is taken by process {os.getpid()} (")
    assert taken(settings, ["api_port"]) == []


def test_a_taken_port_for_datagrams() -> None:
    settings = with_free_ports(LoopSettings(), lambda text: None)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
        held.bind((HOST, settings.udp_port))
        assert taken(settings, ["udp_port"]) != []
