"""The user plane over sockets: packets cross, counts are as with namespaces, no right is needed."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from testbed.ran.mac.channel import ChannelConfig
from testbed.ran.plane.config import TunnelConfig, simple_plane
from testbed.ran.ran_cell import opened
from testbed.ran.ran_config import CarrierConfig, RanConfig, UeConfig, WayConfig, plane_config
from testbed.ran.ran_traffic import Spaces
from testbed.ran.relay_devices import name_of, taken
from testbed.ran.relay_plane import RelayPlane
from testbed.ran.relay_traffic import relay_traffic
from testbed.ran.traffic.config import Kind, TrafficConfig
from tests.testbed.ran.plane.scene import packet
from xapp.errors import ConfigurationError

SECONDS = 60.0  # a hang


def received(end: socket.socket) -> bytes:
    assert select.select([end], [], [], SECONDS)[0], "no packet came"
    return end.recv(2000)


def until(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_packets_cross_and_a_ue_that_left_gets_none(tmp_path: Path) -> None:
    config, path = simple_plane(ues=2), tmp_path / "devices"
    address = config.ue("ue1").sessions[0].address
    assert address is not None
    down, up = packet("10.45.0.1", address, 300), packet(address, "10.45.0.1", 200)
    with RelayPlane(config, path) as plane, \
            taken(path, name_of(plane.namespace("ue1"), "ue0")) as phone, \
            taken(path, name_of(plane.n6, config.dnns[0].device)) as core:
        core.send(down)
        assert received(phone) == down
        phone.send(up)
        assert received(core) == up
        plane.detach("ue1")
        core.send(down)
        until(lambda: plane.statistics().down.dropped.get("no-bearer", 0) == 1)
        plane.attach("ue1", {0: ("10.45.0.77", None)})
        core.send(packet("10.45.0.1", "10.45.0.77"))
        assert received(phone)[16:20] == socket.inet_aton("10.45.0.77")
        assert plane.statistics().down.delivered == 2
    assert not path.exists()


def test_there_is_no_tunnel(tmp_path: Path) -> None:
    config = simple_plane()
    with pytest.raises(ConfigurationError, match="no tunnel"):
        RelayPlane(type(config)(config.ues, config.dnns, TunnelConfig()), tmp_path / "devices")


def config_with(path: Path, *traffic: TrafficConfig) -> RanConfig:
    return RanConfig((CarrierConfig(1, 5),), (UeConfig("a", 2, channel=ChannelConfig()),),
                     traffic=traffic, way=WayConfig("airsplit-relay", devices=path))


def test_a_files_traffic_crosses_the_scheduler_and_is_accounted_for(tmp_path: Path) -> None:
    config = config_with(tmp_path / "devices",
                         TrafficConfig(Kind.POISSON, ("a1",), down_kbps=4000, up_kbps=1000))
    with opened(config, simulated=False, paced=True) as cell:
        until(lambda: cell.account()["delivered"]["down"] > 50
              and cell.account()["delivered"]["up"] > 10)
        account = cell.account()
        assert account["traffic"]["sent"]["packets"]["down"] > 50
        assert account["plane"]["down"]["delivered"] > 0
        assert "no namespaces" in account["notes"][0]


class Names:
    def __init__(self, config: RanConfig) -> None:
        self.n6, self._name = f"{config.way.name}-n6", plane_config(config).name

    def namespace(self, ue: str) -> str:
        return f"{self._name}-{ue}"


def test_greedy_flows_need_a_kernel(tmp_path: Path) -> None:
    config = config_with(tmp_path / "devices", TrafficConfig(Kind.GREEDY, ("a2",)))
    spaces: Spaces = Names(config)
    with pytest.raises(ConfigurationError, match="kernel's TCP"), \
            relay_traffic(config, spaces, lambda name: socket.socket()):
        pass
