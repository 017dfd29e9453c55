"""Ports that are taken: by whom, and free ones in their place."""

from __future__ import annotations

import os
import socket

from testbed.loop.ports import owner, with_free_ports
from testbed.loop.settings import LoopSettings


def free_settings() -> LoopSettings:
    """With ports that nobody has, whatever runs on this machine."""
    return with_free_ports(LoopSettings(), lambda text: None)


def test_free_ports_are_kept() -> None:
    settings = free_settings()
    said: list[str] = []
    assert with_free_ports(settings, said.append) == settings
    assert said == []


def test_a_taken_port_is_exchanged_and_its_owner_named() -> None:
    settings = free_settings()
    said: list[str] = []
    with socket.create_server(("127.0.0.1", settings.api_port)), \
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", settings.udp_port))
        changed = with_free_ports(settings, said.append)
        assert owner(settings.udp_port, socket.SOCK_DGRAM).startswith(f"process {os.getpid()} (")
    assert changed.api_port != settings.api_port
    assert changed.udp_port != settings.udp_port
    assert changed.map_port == settings.map_port
    assert len(said) == 2
    assert all(f"is taken by process {os.getpid()} (" in one for one in said)
