"""A cell that carries at once what it is given, for what is at its ends."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from testbed.loop.relay_ends import EndsConfig, PhoneEnd
from testbed.ran.relay_devices import Devices, name_of

NAME, PHONE, EDGE = "airsplit-it", "10.46.0.2", "10.46.0.1"
UE, N6, INTERNET = (name_of(f"{NAME}-phone", "ue1"), name_of(f"{NAME}-n6", "n6-llm"),
                    name_of(f"{NAME}-n6", "n6-internet"))


def config_in(folder: Path, edge_to: int) -> EndsConfig:
    return EndsConfig(NAME, folder / "cell", folder / "devices", folder / "copies",
                      folder / "edge.pcap", (PhoneEnd("phone", "ue1", PHONE),),
                      ("n6-internet", "n6-llm"), "n6-llm", EDGE, 8470, edge_to)


class Cell:
    """`lost` says of the n-th packet whether it is."""

    def __init__(self, devices: Devices) -> None:
        self.phone, self.core = devices.add(UE), devices.add(N6)
        self.internet = devices.add(INTERNET)
        self.crossed = 0
        self.lost: Callable[[int], bool] = lambda number: False
        loop = asyncio.get_running_loop()
        for one, other in ((self.phone, self.core), (self.core, self.phone)):
            loop.add_reader(one.fileno(), self._carry, one, other)

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        self.crossed += 1
        packet = one.recv(2048)
        if not self.lost(self.crossed):
            other.send(packet)

    def stop(self) -> None:
        loop = asyncio.get_running_loop()
        for one in (self.phone, self.core):
            loop.remove_reader(one.fileno())


@contextmanager
def cell_in(folder: Path) -> Iterator[Cell]:
    with Devices(folder / "cell") as devices:
        cell = Cell(devices)
        try:
            yield cell
        finally:
            cell.stop()
