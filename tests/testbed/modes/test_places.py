"""Servers that somebody else started are named as people name them, and nothing else is taken."""

from __future__ import annotations

import subprocess

import pytest

from testbed import namespaces
from testbed.errors import TestbedFailure
from testbed.modes.places import CELL, Ends, Places, command_for, named
from testbed.modes.policies import Mode
from testbed.modes.programs import Server
from testbed.modes.settings import LinkKind, ModesSettings


@pytest.mark.parametrize(("text", "host", "port"), [
    ("192.0.2.7:8470", "192.0.2.7", 8470), ("http://edge.example:80/", "edge.example", 80),
    ("[2001:db8::7]:65535", "2001:db8::7", 65535)])
def test_a_server_by_its_name(text: str, host: str, port: int) -> None:
    assert named(text) == Server(host, port, None)


def test_nobody_was_named() -> None:
    assert named(None) is None


@pytest.mark.parametrize("text", ["nonsense", ":8490", "host:", "host:x", "host:\u00b2", "host:0",
                                  "host:65536", "host:99999", "host:" + "9" * 5000])
def test_what_is_no_server(text: str) -> None:
    with pytest.raises(TestbedFailure, match=r"is no HOST:PORT"):
        named(text)


def test_servers_are_told_their_device_where_it_is_another() -> None:
    ends = Ends()
    assert "--device" not in command_for(ModesSettings(), "edge", ends)
    for name in ("edge", "server"):
        words = command_for(ModesSettings(server_device="cuda:1"), name, ends)
        assert words[words.index("--device") + 1] == "cuda:1"


@pytest.mark.skipif(not namespaces.available(), reason="no network namespaces here")
def test_each_cell_is_one_of_its_own_and_links_are_shared() -> None:
    """Of two cells of one name the second was the first one: all channels were alike."""
    places = Places()
    try:
        near = places.place(ModesSettings(Mode.LOCAL, link=LinkKind.CELL, snr_db=22)).ends
        far = places.place(ModesSettings(Mode.LOCAL, link=LinkKind.CELL, snr_db=2)).ends
        again = places.place(ModesSettings(Mode.LOCAL, link=LinkKind.CELL, snr_db=22)).ends
        shaped = places.place(ModesSettings(Mode.LOCAL, link=LinkKind.SHAPED)).ends
        assert again is near
        assert len({near.near, far.near, shaped.near}) == 3
        there = {line.split()[0] for line in run_ip("netns", "list").splitlines()}
        assert {near.near, near.far, far.near, far.far, shaped.near, shaped.far} <= there
    finally:
        places.close()
    assert not [one for one in run_ip("netns", "list").split() if one.startswith(CELL)]


def run_ip(*words: str) -> str:
    return subprocess.run(["ip", *words], capture_output=True, text=True, check=True,
                          timeout=20).stdout
