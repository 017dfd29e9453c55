"""The user plane over sockets: packets cross, counts are as with namespaces, no right is needed."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from testbed.ran.fluid_cell import SliceConfig
from testbed.ran.mac.channel import ChannelConfig
from testbed.ran.plane.config import TunnelConfig, simple_plane
from testbed.ran.plane.memory import MOST_RULES
from testbed.ran.ran_cell import PacketCell, opened
from testbed.ran.ran_config import (
    CarrierConfig,
    RanConfig,
    RemapConfig,
    UeConfig,
    WayConfig,
    plane_config,
    seconds_of,
)
from testbed.ran.ran_traffic import Spaces
from testbed.ran.relay_devices import name_of, taken
from testbed.ran.relay_plane import RelayPlane
from testbed.ran.relay_traffic import relay_traffic
from testbed.ran.traffic.config import Kind, TrafficConfig
from tests.testbed.ran.plane.scene import packet
from xapp.errors import ConfigurationError
from xapp.flow_ends import FlowEnds
from xapp.observations import Snssai

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


LLM = Snssai(1, 1)
FLOW = FlowEnds("10.45.0.2", 1, "10.45.0.1", 2, "udp")  # as `packet` has its ports
MANY = 40  # packets at a time: fewer than a slot carries


@contextmanager
def remapped(path: Path) -> Iterator[tuple[PacketCell, socket.socket, socket.socket]]:
    """A phone with one session, and two slices; and the devices of phone and core."""
    config = RanConfig((CarrierConfig(1, 5),), (UeConfig("phone"), UeConfig("other")),
                       (SliceConfig(), SliceConfig(LLM)), way=WayConfig("airsplit-relay",
                                                                        devices=path),
                       remap=RemapConfig(LLM))
    with opened(config, simulated=False, paced=True) as cell:
        assert isinstance(cell, PacketCell)
        with taken(path, name_of(cell.plane.namespace("phone"), "ue0")) as phone, \
                taken(path, name_of(cell.plane.n6, config.dnns[0].device)) as core:
            yield cell, phone, core


def carried(cell: PacketCell) -> tuple[float, float]:
    """Bits up, in the phone's own bearer and in its second one."""
    second = seconds_of(cell.config)[0]
    return float(cell.mac.counts[0, 1, 0]), float(cell.mac.counts[second, 1, 0])


def test_single_flows_cross_the_scheduler_in_the_other_slice(tmp_path: Path) -> None:
    other = bytearray(packet("10.45.0.2", "10.45.0.1", 200))
    other[20:22] = b"\x00\x09"  # another flow of the same phone
    with remapped(tmp_path / "devices") as (cell, phone, core):
        assert cell.pcf is not None
        assert cell.ran.ues[0].slices == {Snssai(1)}
        assert cell.map_flow(FLOW) == "phone"
        phone.send(packet("10.45.0.2", "10.45.0.1", 100))
        phone.send(bytes(other))
        assert sorted(len(received(core)) for _ in range(2)) == [100, 200]
        until(lambda: carried(cell) == (1600, 800))
        mine = cell.ran.snapshot().ues[cell.ran.ues[0].f1_id]
        assert {snssai: one.up_bits for snssai, one in mine.items()} == {Snssai(1): 1600, LLM: 800}
        assert cell.ran.ues[0].slices == {Snssai(1), LLM}
        assert [one.slice for one in cell.ran.ues[0].sessions] == [Snssai(1)]
        assert cell.account()["mapped_flows"] == [str(FLOW)]
        assert cell.unmap_flow(FLOW)
        assert not cell.unmap_flow(FLOW)
        phone.send(packet("10.45.0.2", "10.45.0.1", 100))
        received(core)
        until(lambda: carried(cell) == (2400, 800))
        assert cell.ran.ues[0].slices == {Snssai(1)}


def test_a_flow_that_moves_to_and_fro_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """What waited in a queue is sent from there, be it before or after what came later."""
    with remapped(tmp_path / "devices") as (cell, phone, core):
        sent = []
        for round_ in range(6):
            for number in range(MANY):
                data = packet("10.45.0.2", "10.45.0.1", 120, round_ * MANY + number)
                phone.send(data)
                sent.append(data)
            _ = cell.map_flow(FLOW) if round_ % 2 == 0 else cell.unmap_flow(FLOW)
        got = [received(core) for _ in sent]
        assert sorted(got) == sorted(sent)
        assert not select.select([core], [], [], 0)[0]
        account = cell.account()
        assert (account["inside"], account["delivered"]["up"]) == (0, len(sent))
        assert all(carried(cell))


def test_flows_of_nobody_and_of_a_phone_that_left_are_refused(tmp_path: Path) -> None:
    with remapped(tmp_path / "devices") as (cell, _, _):
        with pytest.raises(ConfigurationError, match="No UE has"):
            cell.map_flow(FlowEnds("10.45.0.99", 1, "10.45.0.1", 2))
        cell.map_flow(FLOW)
        cell.carrier.leave("phone")
        assert cell.plane.mapped == ()
        with pytest.raises(ConfigurationError, match="No UE has"):
            cell.map_flow(FLOW)
        cell.carrier.come_back("phone", False)
        cell.map_flow(FLOW)
        for number in range(1, MOST_RULES):
            cell.map_flow(FlowEnds("10.45.0.2", number, "10.45.0.1", 3))
        with pytest.raises(ConfigurationError, match="is the most"):
            cell.map_flow(FlowEnds("10.45.0.2", 1, "10.45.0.1", 4))
        cell.map_flow(FLOW)  # what is there is no more
        assert cell.plane.statistics().orders_refused == 0


def test_without_a_second_bearer_flows_stay(tmp_path: Path) -> None:
    with opened(config_with(tmp_path / "devices"), simulated=False, paced=True) as cell:
        assert isinstance(cell, PacketCell)
        assert cell.pcf is None
        with pytest.raises(ConfigurationError, match="remap"):
            cell.map_flow(FLOW)
