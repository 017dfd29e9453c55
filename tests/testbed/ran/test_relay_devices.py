"""Ends are given to who asks by a device's name, and to nobody else; packets keep their bounds."""

from __future__ import annotations

import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.errors import LinkFailure
from testbed.ran.relay_devices import MOST_NAME, Devices, name_of, pair, taken

NAME = name_of("airsplit-it-n6", "n6-llm")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "devices"


@pytest.fixture
def devices(path: Path) -> Iterator[Devices]:
    with Devices(path) as made:
        yield made


def test_packets_cross_whole_both_ways(devices: Devices, path: Path) -> None:
    inner = devices.add(NAME)
    with taken(path, NAME) as outer, taken(path, NAME) as second:
        for number in range(100):  # more than a queue of messages has by the system's setting
            outer.send(bytes([number]) * (1 + number))
        assert [len(inner.recv(2000)) for _ in range(100)] == list(range(1, 101))
        inner.send(b"down")
        assert second.recv(2000) == b"down"
        with pytest.raises(BlockingIOError):
            outer.recv(2000)


def test_what_stays_unread_bounds_the_queue(devices: Devices) -> None:
    inner = devices.add(NAME)
    packet = bytes(1400)

    def send_many() -> None:
        for _ in range(100_000):
            inner.send(packet)

    with pytest.raises(BlockingIOError):
        send_many()
    devices.outer(NAME).recv(2000)  # it goes on where somebody reads


def test_an_unknown_one_and_a_name_too_long_are_refused(devices: Devices, path: Path) -> None:
    for name in ("airsplit-it-n6 other", "x" * (2 * MOST_NAME), "\0", "é"):
        with pytest.raises(LinkFailure, match="There is no device"):
            taken(path, name)
    devices.add(NAME)
    taken(path, NAME).close()


def test_who_says_nothing_keeps_nobody_for_ever(devices: Devices, path: Path) -> None:
    devices.add(NAME)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as silent:
        silent.connect(str(path))
        taken(path, NAME).close()


def test_ends_of_elsewhere_are_passed_on(path: Path, devices: Devices, tmp_path: Path) -> None:
    inner = devices.add(NAME)

    def elsewhere(name: str) -> socket.socket | None:
        return taken(path, name) if name == NAME else None

    with Devices(tmp_path / "others", elsewhere):
        with taken(tmp_path / "others", NAME) as end:
            end.send(b"up")
        assert inner.recv(10) == b"up"
        with pytest.raises(LinkFailure):
            taken(tmp_path / "others", "nothing of it")


def test_only_its_owner_may_ask(devices: Devices, path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_afterwards_nothing_is_left(path: Path) -> None:
    with Devices(path) as made:
        made.add(NAME)
    assert not path.exists()
    made.close()  # nothing happens the second time
    with pytest.raises(LinkFailure, match="Is the cell running"):
        taken(path, NAME)


def test_a_path_that_cannot_be_is_told(tmp_path: Path) -> None:
    with pytest.raises(LinkFailure, match="Devices cannot be had"), \
            Devices(tmp_path / ("x" * 120)):
        pass


def test_a_pair_does_not_wait() -> None:
    one, other = pair()
    with one, other, pytest.raises(BlockingIOError):
        one.recv(1)
